"""Follow a made-up request through a plan.

In: ProxyPlan, Request.       Out: Outcome.
Before: ir/, request.py       After: cli/

`walk_envoy` follows the same request through what Envoy is sent; the two must agree.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from lateen.base.origin import BUILT_IN, Origin
from lateen.envoy import names
from lateen.envoy.routes import BLACK_HOLE_STATUS
from lateen.envoy.wire import origin_text
from lateen.explain.ir_match import matches, request_matches
from lateen.explain.policies import judged
from lateen.explain.presenting import as_read, presented
from lateen.explain.request import (
    NO_CHAIN,
    NO_HOST,
    NO_LISTENER,
    NO_ROUTE,
    Answered,
    Forwarded,
    Outcome,
    Redirected,
    Request,
    Unverified,
    Way,
)
from lateen.explain.urls import best_domain, location, replaced, with_query_of
from lateen.ir.match import Exact, Prefix, Present, Regex
from lateen.ir.networks import narrowest
from lateen.ir.plan import (
    GatewayPass,
    GatewayPort,
    GatewayTls,
    HttpOut,
    Inbound,
    Mtls,
    Outbound,
    ProxyPlan,
    SniffOut,
    SniOut,
    Speech,
    TcpOut,
)
from lateen.ir.policy import Paths
from lateen.ir.routes import (
    CookieHash,
    Elsewhere,
    Fault,
    Forward,
    HashBy,
    HeaderHash,
    QueryHash,
    Redirect,
    Respond,
    Route,
    SourceHash,
    Split,
    VirtualHost,
)


def _new_authority(route: Route, forward: Forward) -> str:
    if forward.rewrite and forward.rewrite.authority:
        return forward.rewrite.authority
    changes = (*route.request_headers.set, *route.request_headers.add)
    return next((value for name, value in changes if name.lower() in {"host", ":authority"}), "")


def _new_path(route: Route, forward: Forward, path: str) -> str:
    rewrite = forward.rewrite
    if rewrite and rewrite.pattern:
        return replaced(rewrite.pattern, rewrite.substitution, path)
    return _with_prefix(route, rewrite.path, path) if rewrite and rewrite.path else path


def _with_prefix(route: Route, new: str, path: str) -> str:
    """The path with what the route's match took of it replaced."""
    bare, mark, query = path.partition("?")
    match route.match.path:
        case Exact() | Regex():
            rest = ""
        case Prefix(prefix):
            rest = bare[len(prefix) :]
        case None:
            rest = bare[1:]
        case _:
            assert_never(route.match.path)
    return new + rest + mark + query


def _redirected(route: Route, redirect: Redirect, request: Request) -> Redirected:
    strips = redirect.strip_port and redirect.scheme and not redirect.authority
    authority = request.host if strips else request.authority
    return Redirected(
        route=route.name,
        origin=origin_text(route.origin),
        status=redirect.code,
        location=location(
            old_scheme=request.scheme,
            scheme=redirect.scheme,
            authority=authority,
            port=redirect.port or 0,
            new_host=redirect.authority,
            path=_redirect_path(route, redirect, request.path),
        ),
    )


def _redirect_path(route: Route, redirect: Redirect, path: str) -> str:
    if redirect.prefix:
        return _with_prefix(route, redirect.prefix, path)
    return with_query_of(redirect.path, path) if redirect.path else path


def _preflight(route: Route, request: Request) -> bool:
    """Whether a preflight is answered here: for an origin that may call, or one that must not."""
    headers = dict(request.headers)
    asks = bool(headers.get("origin") and headers.get("access-control-request-method"))
    if route.cors is None or request.method != "OPTIONS" or not asks:
        return False
    wanted = [each for each in route.cors.origins if not isinstance(each, Present)]
    known = any(matches(each, "*") or matches(each, headers["origin"]) for each in wanted)
    return known or not route.cors.forward_unmatched


def _aborts(fault: Fault | None) -> tuple[float, int] | None:
    if fault is None or not fault.abort_percent or not (fault.abort_status or fault.abort_grpc):
        return None
    return fault.abort_percent, 200 if fault.abort_grpc else fault.abort_status


def _hashed(by: HashBy) -> str:
    match by:
        case HeaderHash(name):
            return f"header {name}"
        case CookieHash():
            return f"cookie {by.name}"
        case QueryHash(name):
            return f"query parameter {name}"
        case SourceHash():
            return "source address"
    assert_never(by)


def _act(route: Route, request: Request) -> Outcome:
    name, origin = route.name, origin_text(route.origin)
    if _preflight(route, request):
        return Answered(route=name, origin=origin, status=200)
    match route.action:
        case Forward():
            return Forwarded(
                route=name,
                origin=origin,
                shares=tuple(
                    (names.outbound_cluster(split.backend), split.weight)
                    for split in route.action.splits
                ),
                path=_new_path(route, route.action, request.path),
                authority=_new_authority(route, route.action) or request.authority,
                mirrors=tuple(
                    (names.outbound_cluster(each.backend), each.percent)
                    for each in route.action.mirrors
                ),
                aborts=_aborts(route.fault),
                hashed=tuple(map(_hashed, route.action.hashed)),
            )
        case Redirect():
            return _redirected(route, route.action, request)
        case Respond():
            action = route.action
            body = action.body or action.raw.decode(errors="replace")
            return Answered(route=name, origin=origin, status=action.status, body=body)
        case Elsewhere.PASSTHROUGH:
            return Forwarded(
                route=name,
                origin=origin,
                shares=((names.PASSTHROUGH, 100),),
                path=request.path,
                authority=request.authority,
            )
        case Elsewhere.BLACK_HOLE:
            return Answered(route=name, origin=origin, status=BLACK_HOLE_STATUS)
    assert_never(route.action)


def _route(plan: ProxyPlan, table: str, request: Request) -> Outcome:
    hosts = next((each.hosts for each in plan.tables if each.name == table), ())
    by_domain: dict[str, VirtualHost] = {d: host for host in hosts for d in host.domains}
    domain = best_domain(by_domain, request.host)
    if domain is None:
        return NO_HOST
    host = by_domain[domain]
    if host.require_tls and request.scheme != "https":
        where = f"https://{request.authority}{request.path}"
        return Redirected(route="", origin="", status=301, location=where)
    for route in host.routes:
        if request_matches(route.match, request):
            return _act(route, request)
    return NO_ROUTE


def _inbound(inbound: Inbound, request: Request) -> Outcome:
    port = next((each for each in inbound.ports if each.port == request.port), None)
    mtls, speech = (port.mtls, port.speech) if port else (inbound.otherwise, Speech.UNKNOWN)
    origin = origin_text(port.origin if port else BUILT_IN)
    cluster = names.inbound_cluster(port.port) if port else names.INBOUND_PASSTHROUGH
    if not request.peer and mtls is Mtls.STRICT:
        return NO_CHAIN
    known = request if mtls is not Mtls.DISABLE else _unknown(request)
    http = speech is Speech.HTTP or (speech is Speech.UNKNOWN and not request.raw)
    if http and request.raw:
        return NO_CHAIN
    seen: Request | Unverified = known
    if http:
        seen = presented(inbound.authorization, as_read(known, inbound.authorization.paths))
    if isinstance(seen, Unverified):
        return seen
    denied = judged(inbound.authorization, seen, http=http)
    if denied:
        return denied
    return Forwarded(
        route="default" if http else "",
        origin=origin,
        shares=((cluster, 100),),
        path=seen.path,
        authority=request.authority,
    )


def _unknown(request: Request) -> Request:
    return replace(request, peer="")


def _poured(to: tuple[Split, ...], origin: Origin, request: Request) -> Forwarded:
    """The bytes as they are, to backends by share."""
    shares = tuple((names.outbound_cluster(each.backend), each.weight) for each in to)
    return _raw(shares, origin, request)


def _raw(shares: tuple[tuple[str, int], ...], origin: Origin, request: Request) -> Forwarded:
    """The bytes as they are, to clusters by share."""
    return Forwarded(
        route="",
        origin=origin_text(origin),
        shares=shares if len(shares) > 1 else ((shares[0][0], 100),),
        path=request.path,
        authority=request.authority,
    )


def _outbound(plan: ProxyPlan, request: Request) -> Outcome:
    """What listens at the address dialled, or else at any; what nobody claims goes elsewhere."""
    for address in (request.address, names.ANY_ADDRESS):
        here = [p for p in plan.outbound if (p.address, p.port) == (address, request.port)]
        network = narrowest(map(_network, here), request.address)
        if here:
            closest = [part for part in here if _network(part) == network]
            return _taken(plan, closest, request)
    return _raw(((_elsewhere(plan), 100),), BUILT_IN, request)


def _network(part: Outbound) -> str:
    return "" if isinstance(part, HttpOut) else part.within


def _taken(plan: ProxyPlan, here: list[Outbound], request: Request) -> Outcome:
    """What the parts of one listener do with a connection."""
    named = next((part for part in here if isinstance(part, SniOut)), None)
    other = next((part for part in here if not isinstance(part, SniOut)), None)
    if named and request.tls:
        by_host = dict(named.by_host)
        host = best_domain(by_host, request.host)
        if host:
            return _poured(by_host[host], by_host[host][0].origin, request)
    match other:
        case TcpOut():
            return _poured(other.to, other.origin, request)
        case SniffOut() if request.raw or request.tls:
            return _poured(other.to, other.origin, request)
        case HttpOut() if (named and request.tls) or request.raw or request.tls:
            return (
                _raw(((_elsewhere(plan), 100),), BUILT_IN, request)
                if named and request.tls
                else NO_CHAIN
            )
        case HttpOut() | SniffOut():
            return _route(plan, other.table, as_read(request, plan.reads or Paths.MERGED))
        case _ if named and named.address != names.ANY_ADDRESS:
            return NO_CHAIN
    return _raw(((_elsewhere(plan), 100),), BUILT_IN, request)


def _elsewhere(plan: ProxyPlan) -> str:
    if plan.allow_any and plan.egress_proxy:
        return names.outbound_cluster(plan.egress_proxy)
    return names.PASSTHROUGH if plan.allow_any else names.BLACK_HOLE


def _gateway(plan: ProxyPlan, request: Request) -> Outcome:
    here = {each.bind: each for each in plan.gateway if each.port == request.port}
    port = here.get(request.address) or here.get(names.ANY_ADDRESS)
    if port is None:
        return NO_LISTENER
    if port.tcp:
        return judged(plan.authorization, request, http=False) or _poured(
            port.tcp.to, port.tcp.origin, request
        )
    if request.tls:
        return _gateway_tls(plan, port, request)
    if port.http is None or request.raw:
        return NO_CHAIN
    return _gateway_http(plan, port.http.table, request)


def _gateway_tls(plan: ProxyPlan, port: GatewayPort, request: Request) -> Outcome:
    servers: list[GatewayTls | GatewayPass] = [*port.passed, *port.tls]
    by_host = {host: server for server in servers for host in server.hosts}
    host = best_domain(by_host, request.host)
    server = by_host[host] if host else None
    if server is None:
        return NO_CHAIN
    if isinstance(server, GatewayPass):
        unseen = replace(request, peer="")
        denied = judged(plan.authorization, unseen, http=False)
        return denied or _poured(server.to, server.origin, request)
    if server.client and server.client.required and not request.peer:
        return NO_CHAIN
    known = request if server.client else replace(request, peer="")
    if server.to:
        denied = judged(plan.authorization, known, http=False)
        return denied or _poured(server.to, server.origin, request)
    return NO_CHAIN if request.raw else _gateway_http(plan, server.table, known)


def _gateway_http(plan: ProxyPlan, table: str, request: Request) -> Outcome:
    seen = presented(plan.authorization, as_read(request, plan.authorization.paths))
    if isinstance(seen, Unverified):
        return seen
    return judged(plan.authorization, seen, http=True) or _route(plan, table, seen)


def walk_ir(plan: ProxyPlan, request: Request) -> Outcome:
    """What the plan does with the request."""
    match request.way:
        case Way.INBOUND:
            return _inbound(plan.inbound, request) if plan.inbound else NO_LISTENER
        case Way.GATEWAY:
            return _gateway(plan, request)
        case Way.OUTBOUND:
            return _outbound(plan, request)
    assert_never(request.way)
