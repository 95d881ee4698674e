"""Follow a made-up request through a plan.

In: ProxyPlan, Request.       Out: Outcome, and the steps on the way to it.
Before: ir_routes.py, policies.py       After: journey.py

`walk_envoy` follows the same request through what Envoy is sent; the two must agree.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from lateen.base.origin import BUILT_IN, Origin
from lateen.envoy import names
from lateen.explain.believing import believed
from lateen.explain.ir_routes import walk_hosts
from lateen.explain.policies import judging
from lateen.explain.presenting import as_read, presenting
from lateen.explain.request import (
    NO_CHAIN,
    NO_LISTENER,
    Forwarded,
    Outcome,
    Request,
    Unverified,
    Way,
)
from lateen.explain.steps import Part, Step, Walk, end_of
from lateen.explain.unreading import unread
from lateen.explain.urls import best_domain
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
from lateen.ir.routes import Split


def walk_ir(plan: ProxyPlan, request: Request) -> Outcome:
    """What the plan does with the request."""
    return end_of(way_through_ir(plan, request))


def way_through_ir(plan: ProxyPlan, request: Request) -> Walk[Outcome]:
    """The same, with every step of the way."""
    match request.way:
        case Way.INBOUND:
            if plan.inbound is None:
                return NO_LISTENER
            return (yield from _inbound(plan.inbound, request))
        case Way.GATEWAY:
            return (yield from _gateway(plan, request))
        case Way.OUTBOUND:
            return (yield from _outbound(plan, request))
    assert_never(request.way)


def _inbound(inbound: Inbound, request: Request) -> Walk[Outcome]:
    port = next((each for each in inbound.ports if each.port == request.port), None)
    mtls, speech = (port.mtls, port.speech) if port else (inbound.otherwise, Speech.UNKNOWN)
    origin = port.origin if port else BUILT_IN
    cluster = names.inbound_cluster(port.port) if port else names.INBOUND_PASSTHROUGH
    yield Step(part=Part.LISTENER, name=names.VIRTUAL_INBOUND, held=True, origin=origin)
    closed = not request.peer and mtls is Mtls.STRICT
    yield Step(
        part=Part.MTLS,
        name=mtls.value,
        held=not closed,
        because=_encrypted(request, mtls),
        origin=_mtls_origin(inbound, request.port),
    )
    if closed:
        return NO_CHAIN
    known = request if mtls is not Mtls.DISABLE else _unnamed(request)
    http = speech is Speech.HTTP or (speech is Speech.UNKNOWN and not request.raw)
    if http and request.raw:
        return NO_CHAIN
    seen: Request | Unverified = known
    if http:
        paths = inbound.authorization.paths
        if odd := (yield from unread(known, resolve=paths.include(Paths.RESOLVED))):
            return odd
        read = as_read(known, paths)
        seen = yield from presenting(inbound.authorization, read)
    if isinstance(seen, Unverified):
        return seen
    denied = yield from judging(inbound.authorization, seen, http=http)
    if denied:
        return denied
    return Forwarded(
        route="default" if http else "",
        origin=origin.text,
        shares=((cluster, 100),),
        path=seen.path,
        authority=request.authority,
    )


def _encrypted(request: Request, mtls: Mtls) -> str:
    if request.peer and mtls is not Mtls.DISABLE:
        return f"the caller is {request.peer}"
    if mtls is Mtls.STRICT:
        return "the caller does not speak the mesh's mTLS"
    return "who calls is not known"


def _mtls_origin(inbound: Inbound, port: int) -> Origin:
    by_port = dict(inbound.mtls_from)
    return by_port.get(port) or by_port.get(0) or Origin(field="by default")


def _unnamed(request: Request) -> Request:
    return replace(request, peer="")


def _poured(to: tuple[Split, ...], origin: Origin, request: Request) -> Forwarded:
    """The bytes as they are, to backends by share."""
    shares = tuple((names.outbound_cluster(each.backend), each.weight) for each in to)
    return _raw(shares, origin, request)


def _raw(shares: tuple[tuple[str, int], ...], origin: Origin, request: Request) -> Forwarded:
    """The bytes as they are, to clusters by share."""
    return Forwarded(
        route="",
        origin=origin.text,
        shares=shares if len(shares) > 1 else ((shares[0][0], 100),),
        path=request.path,
        authority=request.authority,
    )


def _outbound(plan: ProxyPlan, request: Request) -> Walk[Outcome]:
    """What listens at the address dialled, or else at any; what nobody claims goes elsewhere."""
    for address in (request.address, names.ANY_ADDRESS):
        here = [p for p in plan.outbound if (p.address, p.port) == (address, request.port)]
        network = narrowest(map(_network, here), request.address)
        if here:
            closest = [part for part in here if _network(part) == network]
            name = names.address_listener(address, request.port)
            yield Step(part=Part.LISTENER, name=name, held=True, origin=_own_origin(closest))
            return (yield from _taken(plan, closest, request))
    yield Step(
        part=Part.LISTENER,
        name=names.VIRTUAL_OUTBOUND,
        held=True,
        because=lambda: (
            f"nothing in the mesh is at {request.address or request.host}:{request.port}"
        ),
    )
    return _raw(((_elsewhere(plan), 100),), BUILT_IN, request)


def _own_origin(parts: list[Outbound]) -> Origin | str:
    """Where a listener comes from, if it is one service's alone."""
    return "" if not parts or isinstance(parts[0], HttpOut) else parts[0].origin


def _network(part: Outbound) -> str:
    return "" if isinstance(part, HttpOut) else part.within


def _taken(plan: ProxyPlan, here: list[Outbound], request: Request) -> Walk[Outcome]:
    """What the parts of one listener do with a connection."""
    named = next((part for part in here if isinstance(part, SniOut)), None)
    other = next((part for part in here if not isinstance(part, SniOut)), None)
    if named and request.tls:
        by_host = dict(named.by_host)
        host = best_domain(by_host, request.host)
        if host:
            to = by_host[host]
            yield Step(part=Part.CHAIN, name=f"TLS for {host}", held=True, origin=to[0].origin)
            return _poured(to, to[0].origin, request)
    match other:
        case TcpOut():
            yield Step(part=Part.CHAIN, name="raw connections", held=True, origin=other.origin)
            return _poured(other.to, other.origin, request)
        case SniffOut() if request.raw or request.tls:
            yield Step(part=Part.CHAIN, name="what is not HTTP", held=True, origin=other.origin)
            return _poured(other.to, other.origin, request)
        case HttpOut() if (named and request.tls) or request.raw or request.tls:
            yield Step(
                part=Part.CHAIN, name="HTTP", held=False, because="what comes is not plain HTTP"
            )
            return (
                _raw(((_elsewhere(plan), 100),), BUILT_IN, request)
                if named and request.tls
                else NO_CHAIN
            )
        case HttpOut() | SniffOut():
            paths = plan.reads or Paths.MERGED
            if odd := (yield from unread(request, resolve=paths.include(Paths.RESOLVED))):
                return odd
            read = as_read(request, paths)
            return (yield from _routed(plan, other.table, read))
        case _ if named and named.address != names.ANY_ADDRESS:
            return NO_CHAIN
    return _raw(((_elsewhere(plan), 100),), BUILT_IN, request)


def _routed(plan: ProxyPlan, table: str, request: Request) -> Walk[Outcome]:
    hosts = next((each.hosts for each in plan.tables if each.name == table), ())
    return (yield from walk_hosts(hosts, request))


def _elsewhere(plan: ProxyPlan) -> str:
    if plan.allow_any and plan.egress_proxy:
        return names.outbound_cluster(plan.egress_proxy)
    return names.PASSTHROUGH if plan.allow_any else names.BLACK_HOLE


def _gateway(plan: ProxyPlan, request: Request) -> Walk[Outcome]:
    here = {each.bind: each for each in plan.gateway if each.port == request.port}
    port = here.get(request.address) or here.get(names.ANY_ADDRESS)
    if port is None:
        known = ", ".join(sorted({str(each.port) for each in plan.gateway}, key=int))
        yield Step(
            part=Part.LISTENER,
            name=names.wildcard_listener(request.port),
            held=False,
            because=f"no Gateway opens port {request.port}" + (f", only {known}" if known else ""),
        )
        return NO_LISTENER
    name = names.address_listener(port.bind, port.port)
    yield Step(part=Part.LISTENER, name=name, held=True, origin=_first_origin(port))
    if port.tcp:
        denied = yield from judging(plan.authorization, request, http=False)
        return denied or _poured(port.tcp.to, port.tcp.origin, request)
    if request.tls:
        return (yield from _gateway_tls(plan, port, request))
    if port.http is None or request.raw:
        yield Step(part=Part.CHAIN, name="plain HTTP", held=False, because="not spoken here")
        return NO_CHAIN
    return (yield from _gateway_http(plan, port.http.table, request))


def _first_origin(port: GatewayPort) -> Origin:
    servers = (port.http, port.tcp, *port.tls, *port.passed)
    return next((server.origin for server in servers if server), BUILT_IN)


def _gateway_tls(plan: ProxyPlan, port: GatewayPort, request: Request) -> Walk[Outcome]:
    servers: list[GatewayTls | GatewayPass] = [*port.passed, *port.tls]
    by_host = {host: server for server in servers for host in server.hosts}
    host = best_domain(by_host, request.host)
    server = by_host[host] if host else None
    if server is None:
        yield Step(
            part=Part.CHAIN,
            name=f"TLS for {request.host}",
            held=False,
            because=f"servers are for {', '.join(by_host) or 'no TLS at all'}",
        )
        return NO_CHAIN
    yield Step(part=Part.CHAIN, name=f"TLS for {host}", held=True, origin=server.origin)
    if isinstance(server, GatewayPass):
        unseen = replace(request, peer="")
        denied = yield from judging(plan.authorization, unseen, http=False)
        return denied or _poured(server.to, server.origin, request)
    if server.client and server.client.required and not request.peer:
        words = "a client certificate is asked for, and there is none"
        yield Step(part=Part.MTLS, name="MUTUAL", held=False, because=words, origin=server.origin)
        return NO_CHAIN
    known = request if server.client else replace(request, peer="")
    if server.to:
        denied = yield from judging(plan.authorization, known, http=False)
        return denied or _poured(server.to, server.origin, request)
    if request.raw:
        return NO_CHAIN
    return (yield from _gateway_http(plan, server.table, known))


def _gateway_http(plan: ProxyPlan, table: str, request: Request) -> Walk[Outcome]:
    known = believed(request, plan.manners.trusted_proxies)
    paths = plan.authorization.paths
    if odd := (yield from unread(known, resolve=paths.include(Paths.RESOLVED))):
        return odd
    read = as_read(known, paths)
    seen = yield from presenting(plan.authorization, read)
    if isinstance(seen, Unverified):
        return seen
    denied = yield from judging(plan.authorization, seen, http=True)
    if denied:
        return denied
    return (yield from _routed(plan, table, seen))
