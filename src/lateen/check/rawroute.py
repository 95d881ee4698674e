"""Check one `tls` or `tcp` rule of a VirtualService.

In: TLSRoute, TCPRoute.    Out: problems.    Source: Istio validateTLSRoute, validateTCPRoute.
Before: check/routeparts.py    After: check/virtualservice.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.names import label_faults
from lateen.api.virtualservice import (
    L4MatchAttributes,
    RouteDestination,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
)
from lateen.base.problem import Problem
from lateen.check.at import MAX_INT32, At, port_number
from lateen.check.hosts import covers, gateway_name_fault, is_cidr, is_ip, wildcard_host_fault
from lateen.check.routeparts import check_destination


def check_tls_route(route: TLSRoute, hosts: tuple[str, ...], at: At) -> Iterator[Problem]:
    """Every fault of one rule for TLS that is not ended here."""
    if not route.match:
        yield at.error("TLS route must have at least one match condition")
    for index, match in enumerate(route.match):
        here = at.key("match").item(index)
        if not match.sni_hosts:
            yield here.key("sniHosts").error("TLS match must have at least one SNI host")
        for number, host in enumerate(match.sni_hosts):
            yield from _sni(host, hosts, here.key("sniHosts").item(number))
        yield from _common(match, here)
    if not route.route:
        yield at.error("TLS route is required")
    yield from _destinations(route.route, at.key("route"))


def check_tcp_route(route: TCPRoute, at: At) -> Iterator[Problem]:
    """Every fault of one rule for raw connections."""
    for index, match in enumerate(route.match):
        yield from _common(match, at.key("match").item(index))
    if not route.route:
        yield at.error("TCP route is required")
    yield from _destinations(route.route, at.key("route"))


def _sni(host: str, hosts: tuple[str, ...], at: At) -> Iterator[Problem]:
    if is_ip(host):
        yield at.warning(
            f'using an IP address ("{host}") goes against SNI spec and most clients do not support this'
        )
    elif fault := wildcard_host_fault(host):
        yield at.error(fault)
    elif not any(covers(each, host) for each in hosts):
        shown = ", ".join(hosts)
        yield at.error(
            f'SNI host "{host}" is not a compatible subset of any of the virtual service hosts: [{shown}]'
        )


def _common(match: TLSMatchAttributes | L4MatchAttributes, at: At) -> Iterator[Problem]:
    yield from port_number(at.key("port"), match.port)
    for index, subnet in enumerate(match.destination_subnets):
        if not is_cidr(subnet):
            here = at.key("destinationSubnets").item(index)
            yield here.error(f"{subnet} is not a valid IP address or CIDR block")
    if isinstance(match, L4MatchAttributes) and match.source_subnet:
        words = "Istio does not look at sourceSubnet: it has no effect"
        yield at.key("sourceSubnet").warning(words, "sourceLabels or sourceNamespace")
    for key, text, words in label_faults(match.source_labels):
        yield at.key("sourceLabels", key).invalid(text, words)
    for index, gateway in enumerate(match.gateways):
        if fault := gateway_name_fault(gateway):
            yield at.key("gateways").item(index).error(fault)


def _destinations(routes: tuple[RouteDestination, ...], at: At) -> Iterator[Problem]:
    for index, route in enumerate(routes):
        here = at.item(index)
        yield from check_destination(route.destination, here.key("destination"))
        if not 0 <= route.weight <= MAX_INT32:
            yield here.key("weight").invalid(route.weight, "wanted a whole number, 0 or more")
    if len(routes) > 1 and sum(route.weight for route in routes) == 0:
        yield at.error("total destination weight = 0", "give each destination a weight")
