"""Advise on the rules of VirtualServices: which are never reached, cannot work, or do not do what they seem to.

In: Survey.                                                     Out: problems IST0112, IST0131, IST0140, LAT0107, LAT0201 to LAT0205, LAT0209, LAT0217.
Before: check/advice/survey.py, check/advice/matching.py        After: check/advice/__init__.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lateen.api.codes import (
    FAULT_OF_NOTHING,
    HTTP_RULE_OF_TCP,
    INEFFECTIVE_MATCH,
    MESH_SUBSETS_ONLY,
    PORT_REQUIRED,
    RETRIES_OUTLAST,
    SHADOWED_RULE,
    UNKNOWN_HOST,
    WEIGHT_LEFT_OUT,
    WEIGHTS_OFF,
)
from lateen.api.objects import Obj
from lateen.api.virtualservice import HTTPMatchRequest, HTTPRoute, RouteDestination, VirtualService
from lateen.api.virtualservice import HTTPRouteDestination as Split
from lateen.base.problem import Problem
from lateen.check.advice.matching import covers
from lateen.check.advice.survey import Survey
from lateen.check.at import At
from lateen.check.inventory import CLUSTER_DOMAIN, Provided, full_host
from lateen.check.virtualservice import MESH, shape_of
from lateen.world.model import Protocol
from lateen.world.protocols import protocol_of

_NOT_HTTP = frozenset(
    {Protocol.TCP, Protocol.TLS, Protocol.HTTPS, Protocol.MONGO, Protocol.MYSQL, Protocol.REDIS}
)


def advise_on_rules(survey: Survey) -> Iterator[Problem]:
    """Each VirtualService alone."""
    for obj, service in survey.of(VirtualService):
        at = At(obj).key("spec")
        yield from _shadowed(service.spec.http, at.key("http"))
        for index, route in enumerate(service.spec.http):
            here = at.key("http").item(index)
            yield from _weights(route.route, here.key("route"))
            yield from _retries(route, here)
            yield from _faults(route, here.key("fault"))
        for index, tls in enumerate(service.spec.tls):
            yield from _weights(tls.route, at.key("tls").item(index).key("route"))
        for index, tcp in enumerate(service.spec.tcp):
            yield from _weights(tcp.route, at.key("tcp").item(index).key("route"))


def _shadowed(routes: Sequence[HTTPRoute], at: At) -> Iterator[Problem]:
    """Rules whose every match an earlier one takes in; what repeats one word for word is IST0131 already."""
    earlier: list[tuple[HTTPMatchRequest, str]] = []
    for index, route in enumerate(routes):
        called = f'rule "{route.name}"' if route.name else f"rule #{index}"
        if any(not rule.match for rule in routes[:index]):
            return  # IST0130 says so
        takers = [_taker(match, earlier) for match in route.match]
        shapes = {shape_of(match) for match, _ in earlier}
        repeated = [shape_of(match) in shapes for match in route.match]
        if takers and all(takers) and not all(repeated):
            words = f"no request reaches {called}: {takers[0]} before it takes all that it matches"
            yield at.item(index).warning(words, "put the narrower rule first", SHADOWED_RULE)
        elif not all(takers):
            yield from _covered(route.match, repeated, earlier, called, at.item(index))
        if not route.match and earlier and (taker := _taker(HTTPMatchRequest(), earlier)):
            words = f"no request reaches {called}: {taker} before it takes everything"
            yield at.item(index).warning(words, "put the narrower rule first", SHADOWED_RULE)
        earlier += [(match, called) for match in route.match]


def _covered(
    matches: Sequence[HTTPMatchRequest],
    repeated: Sequence[bool],
    earlier: Sequence[tuple[HTTPMatchRequest, str]],
    called: str,
    at: At,
) -> Iterator[Problem]:
    """Single matches of a rule that one before them, in it or above it, takes in."""
    known = list(earlier)
    for number, match in enumerate(matches):
        taker = _taker(match, known)
        if taker and not repeated[number]:
            words = f"match #{number} of {called} is not used: {taker} takes in all of it before"
            yield at.key("match").item(number).info(words, code=INEFFECTIVE_MATCH)
        known.append((match, called))


def _taker(match: HTTPMatchRequest, earlier: Sequence[tuple[HTTPMatchRequest, str]]) -> str:
    return next((called for other, called in earlier if covers(other, match)), "")


def _weights(routes: Sequence[Split | RouteDestination], at: At) -> Iterator[Problem]:
    if len(routes) < 2:
        return
    raw = [at.item(index) for index in range(len(routes))]
    total = sum(route.weight for route in routes)
    if not total:
        return  # refused already
    places = at.obj.places
    left_out = [
        here
        for here, route in zip(raw, routes, strict=True)
        if not route.weight and (places is None or f"{here.path}.weight" not in places.places)
    ]
    for here in left_out:
        words = "it has no weight beside others that have: it gets nothing"
        yield here.warning(words, "give it a weight, or take it out", WEIGHT_LEFT_OUT)
    if total != 100 and not left_out:
        words = f"the weights add up to {total}: each is taken as its share of {total}, not as a percentage"
        yield at.warning(words, "weights that add up to 100", WEIGHTS_OFF)


def _retries(route: HTTPRoute, at: At) -> Iterator[Problem]:
    retries, timeout = route.retries, route.timeout
    if not retries or not retries.attempts or not retries.per_try_timeout or not timeout:
        return
    each, whole = retries.per_try_timeout.seconds, timeout.seconds
    if not each or not whole:
        return
    needed = each * (retries.attempts + 1)
    if each >= whole:
        words = f"a try may take {each:g} s and the whole request only {whole:g} s: no retry ever starts after a slow try"
        yield at.key("retries", "perTryTimeout").warning(
            words, f"a timeout above {needed:g}s, or a shorter perTryTimeout", RETRIES_OUTLAST
        )
    elif needed > whole + 1e-9:
        fit = int(whole // each)
        words = (
            f"{retries.attempts + 1} tries of {each:g} s need {needed:g} s, but the request ends after"
            f" {whole:g} s: there is time for {fit} of them"
        )
        yield at.key("timeout").warning(words, f"timeout: {needed:g}s", RETRIES_OUTLAST)


def _faults(route: HTTPRoute, at: At) -> Iterator[Problem]:
    fault = route.fault
    if fault and fault.delay and fault.delay.percentage is None and not fault.delay.percent:
        yield _of_nothing("delay", at)
    if fault and fault.abort and fault.abort.percentage is None:
        yield _of_nothing("abort", at)


def _of_nothing(what: str, at: At) -> Problem:
    words = f"the {what} has no percentage, which in Istio means no request"
    return at.key(what).warning(words, "percentage: {value: 100}", FAULT_OF_NOTHING)


def advise_on_destinations(survey: Survey) -> Iterator[Problem]:
    """What VirtualServices route to, and what they are for."""
    subsets = _mesh_subsets(survey)
    for obj, service in survey.of(VirtualService):
        spec, at = service.spec, At(obj).key("spec")
        in_mesh = not spec.gateways or MESH in spec.gateways
        if in_mesh:
            yield from _unknown_hosts(obj, service, survey)
        for index, route in enumerate(spec.http):
            for number, split in enumerate(route.route):
                here = at.key("http").item(index).key("route").item(number).key("destination")
                found = survey.inventory.host(split.destination.host, obj.key.namespace)
                if found is None:
                    continue
                yield from _port(split, found, here)
                if in_mesh and not _own_gateways_only(route.match):
                    yield from _protocol(split, found, service, here)
                if spec.gateways and not split.destination.subset:
                    yield from _mesh_only(split.destination.host, subsets, survey, here)


def _mesh_only(host: str, subsets: Mapping[str, Obj], survey: Survey, at: At) -> Iterator[Problem]:
    """A gateway routes by the VirtualService bound to it, and looks no further."""
    full = full_host(host, at.obj.key.namespace)
    other = subsets.get(full)
    if other and other.key != at.obj.key and _several_versions(full, survey):
        words = (
            f"the subsets that {other.key} routes {host} to do not hold for what comes in by a gateway:"
            " it goes to all its pods"
        )
        yield at.key("host").warning(words, "name the subset here, too", MESH_SUBSETS_ONLY)


def _own_gateways_only(matches: Sequence[HTTPMatchRequest]) -> bool:
    return bool(matches) and all(m.gateways and MESH not in m.gateways for m in matches)


def _port(split: Split, found: Provided, at: At) -> Iterator[Problem]:
    if split.destination.port is None and found.ports is not None and len(found.ports) > 1:
        ports = ", ".join(map(str, sorted(found.ports)))
        words = (
            f'"{split.destination.host}" has several ports ({ports}), and none of them is chosen'
        )
        yield at.error(words, f"port: {{number: {min(found.ports)}}}", PORT_REQUIRED)


def _protocol(split: Split, found: Provided, service: VirtualService, at: At) -> Iterator[Problem]:
    """HTTP rules hold only where a proxy reads HTTP."""
    if found.service is None or split.destination.host not in service.spec.hosts:
        return
    wanted = split.destination.port.number if split.destination.port else None
    ports = [p for p in found.service.spec.ports if wanted in (None, p.port)]
    if len(ports) != 1:
        return
    protocol = protocol_of(ports[0].app_protocol, ports[0].name, ports[0].port)
    if protocol in _NOT_HTTP:
        words = (
            f"HTTP rules do not hold here: port {ports[0].port} of {split.destination.host} is declared"
            f" {protocol.value}, so proxies hand its bytes on unread"
        )
        fix = f"name: http-{ports[0].name or 'web'} if it speaks HTTP, else tcp or tls rules"
        yield at.warning(words, fix, HTTP_RULE_OF_TCP)


def _mesh_subsets(survey: Survey) -> dict[str, Obj]:
    """Hosts whose own VirtualService in the mesh routes them by subset, and which one that is."""
    found: dict[str, Obj] = {}
    for obj, service in survey.of(VirtualService):
        if service.spec.gateways and MESH not in service.spec.gateways:
            continue
        hosts = {full_host(host, obj.key.namespace) for host in service.spec.hosts}
        for route in service.spec.http:
            for split in route.route:
                full = full_host(split.destination.host, obj.key.namespace)
                if split.destination.subset and full in hosts:
                    found.setdefault(full, obj)
    return found


def _several_versions(full: str, survey: Survey) -> bool:
    """Whether the host's pods differ in their labels, so that subsets can tell them apart."""
    found = survey.inventory.hosts.get(full)
    if found is None or found.service is None:
        return True
    pods = survey.behind(found.service, found.namespace)
    return len({frozenset(p.labels.items()) for p in pods}) != 1


def _unknown_hosts(obj: Obj, service: VirtualService, survey: Survey) -> Iterator[Problem]:
    """Where it is also a destination, IST0101 says so already."""
    namespace = obj.key.namespace
    said = {full_host(s.destination.host, namespace) for r in service.spec.http for s in r.route}
    for index, host in enumerate(service.spec.hosts):
        full = full_host(host, obj.key.namespace)
        if host.startswith("*") or full in said or not full.endswith(f".{CLUSTER_DOMAIN}"):
            continue
        if survey.inventory.host(host, obj.key.namespace) is None:
            near = survey.inventory.similar_host(host, obj.key.namespace)
            words = f'no Service is called "{host}" here, so no request is for it'
            fix = f'did you mean "{near}"?' if near else "add the Service"
            yield At(obj).key("spec", "hosts").item(index).warning(words, fix, UNKNOWN_HOST)
