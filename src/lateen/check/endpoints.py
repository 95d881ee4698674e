"""Check one Endpoints, in Kubernetes' words.

In: the object.        Out: problems.    Source: Kubernetes ValidateEndpoints.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from lateen.api.names import label_fault
from lateen.api.service import EndpointAddress, Endpoints, EndpointSubset
from lateen.base.problem import Problem
from lateen.check.at import At, one_of, port_number
from lateen.check.hosts import is_ip
from lateen.check.service import IP_PROTOCOLS


def check_endpoints(endpoints: Endpoints, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    for index, subset in enumerate(endpoints.subsets):
        yield from _subset(subset, at.key("subsets").item(index))


def _subset(subset: EndpointSubset, at: At) -> Iterator[Problem]:
    if not subset.addresses and not subset.not_ready_addresses:
        yield at.required("must specify `addresses` or `notReadyAddresses`")
    for field, addresses in (
        ("addresses", subset.addresses),
        ("notReadyAddresses", subset.not_ready_addresses),
    ):
        for index, address in enumerate(addresses):
            yield from _address(address, at.key(field).item(index))
    for index, port in enumerate(subset.ports):
        here = at.key("ports").item(index)
        if not port.name and len(subset.ports) > 1:
            yield here.key("name").required()
        elif port.name and (complaint := label_fault(port.name)):
            yield here.key("name").invalid(port.name, complaint)
        if port.port is None:
            yield here.key("port").required()
        yield from port_number(here.key("port"), port.port)
        yield from one_of(here.key("protocol"), port.protocol, IP_PROTOCOLS)


def _address(address: EndpointAddress, at: At) -> Iterator[Problem]:
    if address.hostname and (complaint := label_fault(address.hostname)):
        yield at.key("hostname").invalid(address.hostname, complaint)
    at = at.key("ip")
    if not is_ip(address.ip):
        yield at.invalid(
            address.ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        )
        return
    ip = ip_address(address.ip)
    if ip.is_unspecified:
        yield at.invalid(address.ip, "may not be unspecified (0.0.0.0 or ::)")
    if ip.is_loopback:
        yield at.invalid(address.ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if ip.is_link_local:
        words = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        yield at.invalid(address.ip, words)
    if ip.is_multicast:
        yield at.invalid(address.ip, "may not be a multicast address")
