"""Where a VirtualService's `tls` and `tcp` rules send connections that are not HTTP.

In: VirtualServices, Place, what services there are.    Out: splits, by server name or for all.
Before: translate/routes.py        After: translate/outbound.py, translate/openrules.py

As in Istio the first rule that concerns the place decides; with `tls` rules for a host no other
server name is let through. Rules for some networks go before those for all addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from lateen.api.virtualservice import (
    L4MatchAttributes,
    RouteDestination,
    TLSMatchAttributes,
    VirtualService,
)
from lateen.base.problem import Problem
from lateen.ir.backends import BackendId
from lateen.ir.networks import narrowest, network_of
from lateen.ir.routes import Split
from lateen.translate.matches import Place
from lateen.translate.routes import Known, backend_of, gateway_name
from lateen.world.model import Owned, Port, Service

Seen = Callable[[str], Known]


class Raw(Struct, frozen=True, kw_only=True):
    """Where raw connections go: by server name (`by_host`) if TLS rules say so, else all of them."""

    to: tuple[Split, ...]
    by_host: tuple[tuple[str, tuple[Split, ...]], ...] = ()


class RawOutbound(Struct, frozen=True, kw_only=True):
    """Where raw connections to one port of a service go; apart, those to some networks (CIDR)."""

    anywhere: Raw
    within: tuple[tuple[str, Raw], ...] = ()
    problems: tuple[Problem, ...] = ()

    def at(self, address: str) -> Raw:
        """Where those to one address go: the narrowest network decides."""
        networks = dict(self.within)
        found = narrowest(networks, address)
        return self.anywhere if found is None else networks[found]


def raw_outbound(
    service: Service,
    port: Port,
    rules: Iterable[Owned[VirtualService]],
    place: Place,
    known: Seen,
) -> RawOutbound:
    """What a sidecar does with raw connections to a service's port. `known`: by namespace."""
    default = Split(
        backend=BackendId(host=service.host, port=port.number), weight=100, origin=service.origin
    )
    problems: list[Problem] = []
    if port.protocol.is_tls:
        return _by_name(rules, (default,), place, known, problems)
    within: dict[str, Raw] = {}
    for rule in rules:
        for networks, to in tcp_rules(rule, place, known(rule.namespace), problems):
            if not networks:
                return RawOutbound(
                    anywhere=Raw(to=to), within=tuple(within.items()), problems=tuple(problems)
                )
            for network in networks:
                within.setdefault(network, Raw(to=to))
    return RawOutbound(
        anywhere=Raw(to=(default,)), within=tuple(within.items()), problems=tuple(problems)
    )


def _by_name(
    rules: Iterable[Owned[VirtualService]],
    default: tuple[Split, ...],
    place: Place,
    known: Seen,
    problems: list[Problem],
) -> RawOutbound:
    names: dict[str, dict[str, tuple[Split, ...]]] = {}  # by network, "" for anywhere
    for rule in rules:
        for host, networks, to in tls_rules(rule, place, known(rule.namespace), problems):
            for network in networks or ("",):
                names.setdefault(network, {}).setdefault(host, to)
    made = {
        network: Raw(to=default, by_host=tuple(sorted(by_host.items())))
        for network, by_host in names.items()
    }
    anywhere = made.pop("", Raw(to=default))
    return RawOutbound(anywhere=anywhere, within=tuple(made.items()), problems=tuple(problems))


def tls_rules(
    rule: Owned[VirtualService], place: Place, known: Known, problems: list[Problem]
) -> list[tuple[str, tuple[str, ...], tuple[Split, ...]]]:
    """The server names that a VirtualService's `tls` rules take here, in which networks, and where to."""
    found: list[tuple[str, tuple[str, ...], tuple[Split, ...]]] = []
    for index, tls in enumerate(rule.typed.spec.tls):
        here = [match for match in tls.match if _concerns(match, place, rule)]
        if here and tls.route:
            path = f"spec.tls[{index}]"
            to = _splits(tls.route, rule, path, place, known, problems)
            found += [
                (host.lower(), _networks(match.destination_subnets), to)
                for match in here
                for host in match.sni_hosts
            ]
    return found


def tcp_rules(
    rule: Owned[VirtualService], place: Place, known: Known, problems: list[Problem]
) -> Iterator[tuple[tuple[str, ...], tuple[Split, ...]]]:
    """The networks that `tcp` rules take here, and where to; none for a rule that takes all, the last."""
    for index, tcp in enumerate(rule.typed.spec.tcp):
        matches = tcp.match or (L4MatchAttributes(),)
        here = [match for match in matches if _concerns(match, place, rule)]
        if not here or not tcp.route:
            continue
        to = _splits(tcp.route, rule, f"spec.tcp[{index}]", place, known, problems)
        if any(not match.destination_subnets for match in here):
            yield (), to
            return
        yield tuple(n for match in here for n in _networks(match.destination_subnets)), to


def tcp_rule(
    rule: Owned[VirtualService], place: Place, known: Known, problems: list[Problem]
) -> tuple[Split, ...]:
    """Where a gateway sends connections: by the first `tcp` rule that concerns the place.

    As in Istio a gateway's rules by destination subnet are looked at no further than that.
    """
    return next((to for _, to in tcp_rules(rule, place, known, problems)), ())


def _networks(subnets: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(network_of(each) for each in subnets)


def _concerns(
    match: TLSMatchAttributes | L4MatchAttributes, place: Place, rule: Owned[VirtualService]
) -> bool:
    gateways = {gateway_name(each, rule.namespace) for each in match.gateways}
    return (
        (not gateways or bool(gateways & set(place.gateways)))
        and match.port in (None, 0, place.port)
        and match.source_labels.items() <= place.labels.items()
        and match.source_namespace in ("", place.namespace)
    )


def _splits(
    routes: tuple[RouteDestination, ...],
    rule: Owned[VirtualService],
    path: str,
    place: Place,
    known: Known,
    problems: list[Problem],
) -> tuple[Split, ...]:
    alone = len(routes) == 1
    made = []
    for index, share in enumerate(routes):
        if alone or share.weight > 0:
            origin = rule.origin(f"{path}.route[{index}].destination")
            backend = backend_of(share.destination, rule, origin, place.port, known, problems)
            made.append(
                Split(backend=backend, weight=100 if alone else share.weight, origin=origin)
            )
    return tuple(made)
