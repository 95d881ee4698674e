"""Check one VirtualService as Istio does before it takes one.

In: VirtualService.    Out: problems.    Source: Istio ValidateVirtualService.
Before: check/at.py, check/httproute.py    After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lateen.api.codes import INEFFECTIVE_MATCH, UNREACHABLE_RULE
from lateen.api.virtualservice import (
    HTTPMatchRequest,
    L4MatchAttributes,
    TLSMatchAttributes,
    VirtualService,
    VirtualServiceSpec,
)
from lateen.base.problem import Problem
from lateen.check.at import At
from lateen.check.hosts import covers, gateway_name_fault, is_ip, wildcard_host_fault
from lateen.check.httproute import check_http_route
from lateen.check.rawroute import check_tcp_route, check_tls_route

MESH = "mesh"
Match = HTTPMatchRequest | TLSMatchAttributes | L4MatchAttributes


def check_virtual_service(service: VirtualService, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = service.spec, at.key("spec")
    if not (spec.http or spec.tcp or spec.tls):
        yield at.error("http, tcp or tls must be provided in virtual service")
    if not spec.hosts:
        yield from _delegate(spec, at)
    yield from _hosts(spec, at)
    for index, name in enumerate(spec.gateways):
        if name != MESH and (fault := gateway_name_fault(name)):
            yield at.key("gateways").item(index).error(fault)
    for index, route in enumerate(spec.http):
        yield from check_http_route(route, at.key("http").item(index))
    for index, tls in enumerate(spec.tls):
        yield from check_tls_route(tls, spec.hosts, at.key("tls").item(index))
    for index, tcp in enumerate(spec.tcp):
        yield from check_tcp_route(tcp, at.key("tcp").item(index))
    http = [(_called(route.name, index), route.match) for index, route in enumerate(spec.http)]
    yield from _unreachable(http, at.key("http"))
    tls_rules = [(_called("", index), tls.match) for index, tls in enumerate(spec.tls)]
    yield from _unreachable(tls_rules, at.key("tls"))
    tcp_rules = [(_called("", index), tcp.match) for index, tcp in enumerate(spec.tcp)]
    yield from _unreachable(tcp_rules, at.key("tcp"))


def _delegate(spec: VirtualServiceSpec, at: At) -> Iterator[Problem]:
    """A VirtualService without hosts only stands in for rules that name it."""
    if spec.gateways:
        yield at.key("gateways").error("delegate virtual service must have no gateways specified")
    for name, given in (("tls", spec.tls), ("tcp", spec.tcp)):
        if given:
            yield at.key(name).error(f"delegate virtual service must have no {name} routes")
    for index, route in enumerate(spec.http):
        if route.delegate:
            here = at.key("http").item(index).key("delegate")
            yield here.error("delegate HTTP route cannot contain delegate")


def _hosts(spec: VirtualServiceSpec, at: At) -> Iterator[Problem]:
    in_mesh = not spec.gateways or MESH in spec.gateways
    sound = True
    for index, host in enumerate(spec.hosts):
        where = at.key("hosts").item(index)
        if (fault := wildcard_host_fault(host)) and not is_ip(host):
            sound = False
            yield where.error(fault)
        elif host == "*" and in_mesh:
            sound = False
            words = "wildcard host * is not allowed for virtual services bound to the mesh gateway"
            yield where.error(words, "name the hosts, or name a gateway")
    if not sound:
        return
    for index, host in enumerate(spec.hosts):
        for other in spec.hosts[:index]:
            if covers(other, host) or covers(host, other):
                words = f"duplicate hosts in virtual service: {other} & {host}"
                yield at.key("hosts").item(index).error(words)


def _unreachable(rules: Sequence[tuple[str, Sequence[Match]]], at: At) -> Iterator[Problem]:
    """Rules no request can reach: behind one without conditions, or with only used-up matches."""
    catch_all = ""
    seen: dict[str, str] = {}
    for index, (called, matches) in enumerate(rules):
        here = at.item(index)
        if catch_all:
            words = (
                f"VirtualService rule {called} not used ({catch_all} before it takes everything)"
            )
            yield here.warning(words, "put the rule without match last", UNREACHABLE_RULE)
            continue
        if not matches:
            catch_all = f"rule {called}"
        shapes = [shape_of(match) for match in matches]
        if shapes and all(shape in seen for shape in shapes):
            words = (
                f"VirtualService rule {called} not used (all its matches are used by rule"
                f" {seen[shapes[0]]} before it)"
            )
            yield here.warning(words, "take it out", UNREACHABLE_RULE)
        for number, shape in enumerate(shapes):
            if shape in seen:
                words = (
                    f"VirtualService rule {called} match #{number} is not used"
                    f" (duplicate/overlapping match in rule {seen[shape]})"
                )
                yield here.key("match").item(number).info(words, code=INEFFECTIVE_MATCH)
            seen.setdefault(shape, called)


def shape_of(match: Match) -> str:
    """What a match asks for, without what it is called."""
    if isinstance(match, HTTPMatchRequest):
        match = msgspec.structs.replace(match, name="", stat_prefix="")
    return repr(match)


def _called(name: str, index: int) -> str:
    return f'"{name}"' if name else f"#{index}"
