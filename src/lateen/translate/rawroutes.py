"""Where a VirtualService's `tls` and `tcp` rules send connections that are not HTTP.

In: VirtualServices, Place, what services there are.    Out: splits, by server name or for all.
Before: translate/routes.py        After: translate/outbound.py, translate/openrules.py

As in Istio the first rule that concerns the place decides; with `tls` rules for a host no other
server name is let through. A match by destination subnet is not carried: it is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lateen.api.virtualservice import (
    L4MatchAttributes,
    RouteDestination,
    TLSMatchAttributes,
    VirtualService,
)
from lateen.base.problem import Problem
from lateen.ir.backends import BackendId
from lateen.ir.routes import Split
from lateen.translate.matches import Place
from lateen.translate.routes import Known, backend_of, gateway_name
from lateen.world.model import Owned, Port, Service

Seen = Callable[[str], Known]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawOutbound:
    """Where raw connections to one port of a service go; `by_host` by server name, if rules say so."""

    to: tuple[Split, ...]
    by_host: tuple[tuple[str, tuple[Split, ...]], ...] = ()
    problems: tuple[Problem, ...] = ()


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
        by_host: dict[str, tuple[Split, ...]] = {}
        for rule in rules:
            for host, to in tls_rules(rule, place, known(rule.namespace), problems):
                by_host.setdefault(host, to)
        return RawOutbound(
            to=(default,), by_host=tuple(sorted(by_host.items())), problems=tuple(problems)
        )
    for rule in rules:
        to = tcp_rule(rule, place, known(rule.namespace), problems)
        if to:
            return RawOutbound(to=to, problems=tuple(problems))
    return RawOutbound(to=(default,), problems=tuple(problems))


def tls_rules(
    rule: Owned[VirtualService], place: Place, known: Known, problems: list[Problem]
) -> list[tuple[str, tuple[Split, ...]]]:
    """The server names that a VirtualService's `tls` rules take here, and where they go."""
    found: list[tuple[str, tuple[Split, ...]]] = []
    for index, tls in enumerate(rule.typed.spec.tls):
        here = [match for match in tls.match if _concerns(match, place, rule)]
        if here and tls.route:
            path = f"spec.tls[{index}]"
            to = _splits(tls.route, rule, path, place, known, problems)
            found += [(host.lower(), to) for match in here for host in match.sni_hosts]
    return found


def tcp_rule(
    rule: Owned[VirtualService], place: Place, known: Known, problems: list[Problem]
) -> tuple[Split, ...]:
    """Where the first `tcp` rule that concerns the place sends connections; nothing for none."""
    for index, tcp in enumerate(rule.typed.spec.tcp):
        matches = tcp.match or (L4MatchAttributes(),)
        if tcp.route and any(_concerns(match, place, rule) for match in matches):
            return _splits(tcp.route, rule, f"spec.tcp[{index}]", place, known, problems)
    return ()


def _concerns(
    match: TLSMatchAttributes | L4MatchAttributes, place: Place, rule: Owned[VirtualService]
) -> bool:
    gateways = {gateway_name(each, rule.namespace) for each in match.gateways}
    subnets = match.destination_subnets
    if subnets or (isinstance(match, L4MatchAttributes) and match.source_subnet):
        return False
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
