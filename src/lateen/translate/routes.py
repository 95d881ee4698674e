"""Turn the HTTP rules of one VirtualService into IR routes.

In: VirtualService, Place, what services there are.    Out: Translated (routes, problems, backends used).
Before: translate/matches.py, translate/actions.py     After: translate/outbound.py, translate/gateways.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.meshconfig import MeshConfig
from lateen.api.virtualservice import (
    Destination,
    Headers,
    HTTPMatchRequest,
    HTTPRetry,
    HTTPRoute,
    VirtualService,
)
from lateen.base.origin import BUILT_IN, Origin
from lateen.base.problem import Problem
from lateen.ir.backends import BackendId
from lateen.ir.match import ANY_REQUEST
from lateen.ir.routes import Action, Forward, HashBy, Mirror, Respond, Route, Split
from lateen.translate.actions import (
    authority_of,
    header_changes,
    mirror_share,
    translate_cors,
    translate_fault,
    translate_redirect,
    translate_response,
    translate_retries,
    translate_rewrite,
)
from lateen.translate.delegates import Find, Written, written_rules
from lateen.translate.destinations import Destinations
from lateen.translate.faults import not_carried, not_found
from lateen.translate.hosts import MESH, full_host, hint
from lateen.translate.matches import Place, concerns, is_catch_all, translate_match
from lateen.translate.settings import hash_of
from lateen.world.model import Owned, Service

_CODES = (301, 302, 303, 307, 308)


class Known(Struct, frozen=True, kw_only=True):
    """What rules may name: a service by full host name, its subsets, a delegate by its name.

    `hashed`: what of a request decides about its endpoint, by service, port and subset; `retries`: the
    mesh's own default, if it has one.
    """

    service: Callable[[str], Service | None]
    subsets: Callable[[Service], frozenset[str]]
    hashed: Callable[[Service, int, str], HashBy | None]
    retries: HTTPRetry | None
    delegate: Find


class Translated(Struct, frozen=True, kw_only=True):
    """The routes of one VirtualService at one place; none where no rule concerns the place."""

    routes: tuple[Route, ...] = ()
    problems: tuple[Problem, ...] = ()


def default_route(
    service: Service, port: int, rules: Destinations, mesh: MeshConfig
) -> tuple[Route, ...]:
    """Where requests go that no VirtualService speaks of."""
    origin = service.origin
    id = BackendId(host=service.host, port=port)
    split = Split(backend=id, weight=100, origin=origin)
    by = hash_of(rules, port, "")
    retries = translate_retries(mesh.default_http_retry_policy, BUILT_IN, sticky=False)
    action = Forward(splits=(split,), retries=retries, hashed=(by,) if by else ())
    return (Route(name="default", match=ANY_REQUEST, action=action, origin=origin),)


def gateway_name(name: str, namespace: str) -> str:
    """A gateway as rules name it, in full: `NAMESPACE/NAME`, or `mesh`."""
    return name if name == MESH or "/" in name else f"{namespace}/{name}"


def bound_gateways(rule: Owned[VirtualService]) -> tuple[str, ...]:
    """The gateways a VirtualService is for; the mesh, if it names none."""
    given = rule.typed.spec.gateways or (MESH,)
    return tuple(gateway_name(g, rule.namespace) for g in given)


def translate_routes(rule: Owned[VirtualService], place: Place, known: Known) -> Translated:
    """The routes of a VirtualService here, in order, up to the first that takes everything."""
    routes: list[Route] = []
    rules, found = written_rules(rule, known.delegate)
    problems = list(found)
    for written in rules:
        http, namespace = written.http, written.owner.namespace
        here = [
            (match, written.match_origin(at))
            for at, match in enumerate(http.match or (HTTPMatchRequest(),))
            if concerns(match, place, tuple(gateway_name(g, namespace) for g in match.gateways))
        ]
        if not here:
            continue
        shared, more = _rule(written, place, known)
        problems.extend(more)
        for match, origin in here:
            routes.append(_route(shared, http, match, origin))
            if is_catch_all(routes[-1].match):
                return Translated(routes=tuple(routes), problems=tuple(problems))
    return Translated(routes=tuple(routes), problems=tuple(problems))


def _route(shared: Route, http: HTTPRoute, match: HTTPMatchRequest, origin: Origin) -> Route:
    return replace(
        shared,
        name=f"{http.name}.{match.name}" if match.name else http.name,
        match=translate_match(match),
        stat_prefix=match.stat_prefix,
        origin=origin,
    )


def _rule(written: Written, place: Place, known: Known) -> tuple[Route, list[Problem]]:
    """All of a rule but its matches."""
    http, rule, path = written.http, written.owner, written.path
    problems: list[Problem] = []
    fault, found = translate_fault(http.fault, lambda part: rule.origin(f"{path}.fault.{part}"))
    problems.extend(found)
    headers = http.headers or Headers()
    action: Action
    if http.redirect:
        action = translate_redirect(http.redirect, place)
        if action.code not in _CODES:
            origin = rule.origin(f"{path}.redirect.redirectCode")
            message = f"redirect code {action.code} is none of {_CODES}; these requests get 503"
            problems.append(not_carried(origin, message))
            action = Respond(status=503)
    elif http.direct_response:
        action = translate_response(http.direct_response)
    else:
        action = _forward(written, place, known, problems)
    route = Route(
        name=http.name,
        match=ANY_REQUEST,
        action=action,
        fault=fault,
        cors=translate_cors(http.cors_policy),
        request_headers=header_changes(headers.request),
        response_headers=header_changes(headers.response),
        origin=BUILT_IN,
    )
    return route, problems


def _forward(
    written: Written, place: Place, known: Known, problems: list[Problem]
) -> Forward | Respond:
    http, rule, path = written.http, written.owner, written.path
    alone = len(http.route) == 1
    authority = authority_of(http.headers.request) if http.headers else ""
    splits: list[Split] = []
    for index, share in enumerate(http.route):
        if not alone and share.weight <= 0:
            continue
        at = f"{path}.route[{index}]"
        headers = share.headers or Headers()
        request = header_changes(headers.request)
        own = authority_of(headers.request)
        if own and alone:
            authority = authority or own
        elif own:
            request = replace(request, set=(("host", own), *request.set))
        origin = rule.origin(f"{at}.destination")
        splits.append(
            Split(
                backend=backend_of(share.destination, rule, origin, place.port, known, problems),
                weight=100 if alone else share.weight,
                request_headers=request,
                response_headers=header_changes(headers.response),
                origin=origin,
            )
        )
    if not splits:
        message = "no destination has a share of these requests; they get 503"
        problems.append(not_carried(rule.origin(path), message))
        return Respond(status=503)
    hashed = _hashed(splits, known)
    return Forward(
        splits=tuple(splits),
        timeout=http.timeout.seconds if http.timeout else 0.0,
        retries=translate_retries(
            http.retries or known.retries,
            rule.origin(f"{path}.retries") if http.retries else BUILT_IN,
            sticky=alone and bool(hashed),
        ),
        hashed=hashed,
        rewrite=translate_rewrite(http.rewrite, authority),
        mirrors=tuple(_mirrors(written, place, known, problems)),
    )


def _hashed(splits: list[Split], known: Known) -> tuple[HashBy, ...]:
    """What decides about a request's endpoint, for each of its backends."""
    found: dict[HashBy, None] = {}
    for split in splits:
        service = known.service(split.backend.host)
        by = known.hashed(service, split.backend.port, split.backend.subset) if service else None
        if by:
            found[by] = None
    return tuple(found)


def _mirrors(
    written: Written, place: Place, known: Known, problems: list[Problem]
) -> Iterator[Mirror]:
    """Those that get a copy: `mirror`, then `mirrors`; a share of nothing is left out."""
    http, rule = written.http, written.owner
    given = [(http.mirror, mirror_share(http), "mirror")] if http.mirror else []
    for index, each in enumerate(http.mirrors):
        share = 100.0 if each.percentage is None else each.percentage.value
        given.append((each.destination, share, f"mirrors[{index}].destination"))
    for destination, share, path in given:
        if share > 0:
            origin = rule.origin(f"{written.path}.{path}")
            backend = backend_of(destination, rule, origin, place.port, known, problems)
            yield Mirror(backend=backend, percent=share, origin=origin)


def backend_of(
    destination: Destination,
    rule: Owned[VirtualService],
    origin: Origin,
    dialled: int,
    known: Known,
    problems: list[Problem],
) -> BackendId:
    """The backend meant; without a port, the service's only one or the one `dialled`. One that does not exist is named all the same: Envoy answers 503."""
    host = full_host(destination.host, rule.namespace)
    service = known.service(host)
    if service is None:
        problems.append(not_found(origin, f"host {host}", hint(destination.host)))
        port = destination.port.number if destination.port else dialled
        return BackendId(host=host, port=port, subset=destination.subset)
    if destination.port:
        port = destination.port.number
    else:
        port = service.ports[0].number if len(service.ports) == 1 else dialled
    if service.port(port) is None:
        ports = ", ".join(str(p.number) for p in service.ports) or "none"
        what = f"port {port} of {service.host}"
        problems.append(not_found(origin, what, f"its ports: {ports}"))
    if destination.subset and destination.subset not in known.subsets(service):
        what = f"subset {destination.subset} of {service.host}"
        problems.append(not_found(origin, what, "name it in a DestinationRule for that host"))
    return BackendId(host=service.host, port=port, subset=destination.subset)
