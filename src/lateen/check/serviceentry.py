"""Check one ServiceEntry as Istio does before it takes one.

In: ServiceEntry.      Out: problems.    Source: Istio ValidateServiceEntry.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.names import label_fault, label_faults
from lateen.api.serviceentry import ServiceEntry, ServiceEntrySpec, WorkloadEntry, WorkloadEntrySpec
from lateen.base.problem import Problem
from lateen.check.at import At, one_of, port_number
from lateen.check.gateway import HTTP, PROTOCOLS, TLS
from lateen.check.hosts import fqdn_fault, is_cidr, is_ip, wildcard_host_fault

LOCATIONS = ("MESH_EXTERNAL", "MESH_INTERNAL")
RESOLUTIONS = ("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS")
_BY_DNS = ("DNS", "DNS_ROUND_ROBIN")


def check_service_entry(entry: ServiceEntry, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = entry.spec, at.key("spec")
    yield from one_of(at.key("location"), spec.location, LOCATIONS)
    yield from one_of(at.key("resolution"), spec.resolution, RESOLUTIONS)
    yield from _hosts(spec, at.key("hosts"))
    yield from _addresses(spec, at.key("addresses"))
    yield from _ports(spec, at.key("ports"))
    if spec.workload_selector is not None and spec.endpoints:
        words = "only one of WorkloadSelector or Endpoints is allowed in Service Entry"
        yield at.key("workloadSelector").error(words)
    yield from _resolution(spec, at)
    names = {port.name for port in spec.ports}
    for index, endpoint in enumerate(spec.endpoints):
        here = at.key("endpoints").item(index)
        yield from _endpoint(endpoint, spec.resolution, names, here)


def _hosts(spec: ServiceEntrySpec, at: At) -> Iterator[Problem]:
    if not spec.hosts:
        yield at.error("service entry must have at least one host")
    for index, host in enumerate(spec.hosts):
        if host == "*":
            yield at.item(index).error("invalid host *")
        elif fault := wildcard_host_fault(host):
            yield at.item(index).error(fault)


def _addresses(spec: ServiceEntrySpec, at: At) -> Iterator[Problem]:
    for index, address in enumerate(spec.addresses):
        if not is_cidr(address):
            yield at.item(index).error(f"{address} is not a valid IP address or CIDR block")
        elif "/" in address and spec.resolution not in ("NONE", "STATIC"):
            words = "CIDR addresses are allowed only for NONE/STATIC resolution types"
            yield at.item(index).error(words)


def _ports(spec: ServiceEntrySpec, at: At) -> Iterator[Problem]:
    names: set[str] = set()
    numbers: set[int] = set()
    for index, port in enumerate(spec.ports):
        here = at.item(index)
        if port.name in names:
            yield here.key("name").error(f'service entry port name "{port.name}" already defined')
        if port.number in numbers:
            yield here.key("number").error(f"service entry port {port.number} already defined")
        names.add(port.name)
        numbers.add(port.number)
        if label_fault(port.name):
            fix = f"name: {(port.protocol or 'tcp').lower()}"
            yield here.key("name").error(f'invalid port name: "{port.name}"', fix)
        if port.protocol and port.protocol.lower() not in PROTOCOLS:
            yield here.key("protocol").error(f"unsupported protocol: {port.protocol}")
        yield from port_number(here.key("number"), port.number)
        yield from port_number(here.key("targetPort"), port.target_port)


def _resolution(spec: ServiceEntrySpec, at: At) -> Iterator[Problem]:
    if spec.resolution == "NONE" and spec.endpoints:
        words = "no endpoints should be provided for resolution type none"
        yield at.key("endpoints").error(words, "resolution: STATIC, or DNS")
    if spec.resolution == "DYNAMIC_DNS":
        if spec.endpoints:
            words = "no endpoints should be provided for resolution type DYNAMIC_DNS"
            yield at.key("endpoints").error(words, "resolution: DNS")
        for index, port in enumerate(spec.ports):
            if port.protocol.lower() not in HTTP | TLS:
                words = "DYNAMIC_DNS goes by the host of HTTP and by the server name of TLS alone"
                here = at.key("ports").item(index).key("protocol")
                yield here.warning(words, "protocol: HTTP, or TLS", NOT_YET_HONOURED)
    if spec.resolution in _BY_DNS and not spec.endpoints:
        for index, host in enumerate(spec.hosts):
            if host != "*" and not wildcard_host_fault(host) and (fault := fqdn_fault(host)):
                words = (
                    "hosts must be FQDN or contain only prefix wildcards if no endpoints are"
                    f" provided for resolution mode {spec.resolution}, {fault}"
                )
                yield at.key("hosts").item(index).error(words)
    if spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        words = "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN"
        yield at.key("endpoints").error(words)
    plain = [p for p in spec.ports if p.protocol.lower() not in HTTP | TLS]
    if spec.resolution != "NONE" and len(spec.hosts) > 1 and plain:
        yield at.key("hosts").error("multiple hosts provided with non-HTTP, non-TLS ports")


def check_workload_entry(entry: WorkloadEntry, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = entry.spec, at.key("spec")
    yield from _endpoint(spec, "DNS", set(spec.ports), at)
    if not {**entry.metadata.labels, **spec.labels}:
        yield at.key("labels").warning("without labels no ServiceEntry can select it")


def _endpoint(
    endpoint: WorkloadEntrySpec, resolution: str, ports: set[str], at: At
) -> Iterator[Problem]:
    address = endpoint.address
    if not address:
        yield at.key("address").error("address is required")
    elif resolution == "STATIC" and not is_ip(address):
        words = f'endpoint address "{address}" is not a valid IP address'
        yield at.key("address").error(words, "resolution: DNS takes names")
    elif resolution in _BY_DNS and not is_ip(address) and fqdn_fault(address):
        words = f'endpoint address "{address}" is not a valid FQDN or an IP address'
        yield at.key("address").error(words)
    for name, number in endpoint.ports.items():
        here = at.key("ports", name)
        if name not in ports:
            yield here.error(f"endpoint port {number} is not defined by the service entry")
        yield from port_number(here, number)
    for key, text, words in label_faults(endpoint.labels):
        yield at.key("labels", key).invalid(text, words)
