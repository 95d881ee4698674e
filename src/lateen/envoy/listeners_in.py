"""Write what a sidecar does with what comes in: one listener, a few chains for each port.

In: Inbound.                        Out: Listener `virtualInbound`, and those of ports with a `bind`.
Before: ir/plan.py, http.py         After: emit.py

Which chain takes a connection is told by the port, by TLS or not, and by the ALPN that the mesh's
own clients offer. TLS that is not the mesh's own is let through only under PERMISSIVE (it is the
app's); under STRICT there is no chain for plaintext, and such connections are closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from lateen.base.origin import BUILT_IN, Origin
from lateen.envoy import names
from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.gates import gates
from lateen.envoy.http import http_manager, tcp_proxy
from lateen.envoy.logs import closed_logs
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import INBOUND
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    FilterChainMatch,
    ListenerFilter,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as routes_pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.sniffing import (
    HTTP_NAMES,
    INBOUND_WAIT,
    http_inspector,
    none_at,
    only_at,
    original_dst,
    tls_inspector,
    waited,
)
from lateen.envoy.tls import ALPN_HTTP, ALPN_TCP, mesh_server
from lateen.envoy.watch import Reporter, watch_of
from lateen.envoy.wire import ZERO, made_by, maybe_u32, socket_address, u32
from lateen.ir.plan import Inbound, InboundPort, Mtls, Speech

_MESH = (ALPN_HTTP, ALPN_TCP)


class _Site(Struct, frozen=True, kw_only=True):
    """One port, or (with number None) all that are not listed."""

    number: int | None
    speech: Speech
    mtls: Mtls
    cluster: str
    service: str
    origin: Origin


class _Kind(Struct, frozen=True, kw_only=True):
    """One chain of a port: what it takes, whether TLS ends here, whether HTTP is spoken."""

    suffix: str
    http: bool
    transport: str = ""
    alpn: tuple[str, ...] = ()
    mesh: bool = False


def _mesh_kinds(speech: Speech) -> tuple[_Kind, ...]:
    """The chains that end the mesh's TLS."""
    match speech:
        case Speech.HTTP:
            return (_Kind(suffix="mtls", http=True, transport="tls", alpn=_MESH, mesh=True),)
        case Speech.TCP:
            return (_Kind(suffix="mtls", http=False, transport="tls", alpn=_MESH, mesh=True),)
        case Speech.UNKNOWN:
            return (
                _Kind(suffix="mtls-http", http=True, transport="tls", alpn=(ALPN_HTTP,), mesh=True),
                _Kind(suffix="mtls-tcp", http=False, transport="tls", alpn=(ALPN_TCP,), mesh=True),
            )
    assert_never(speech)


def _plain_kinds(speech: Speech) -> tuple[_Kind, ...]:
    """The chains for what arrives without the mesh's TLS."""
    match speech:
        case Speech.HTTP:
            return (_Kind(suffix="plain", http=True, transport="raw_buffer"),)
        case Speech.TCP:
            return (_Kind(suffix="plain", http=False, transport="raw_buffer"),)
        case Speech.UNKNOWN:
            return (
                _Kind(suffix="plain-http", http=True, transport="raw_buffer", alpn=HTTP_NAMES),
                _Kind(suffix="plain-tcp", http=False, transport="raw_buffer"),
            )
    assert_never(speech)


def _kinds(site: _Site) -> tuple[_Kind, ...]:
    apps_tls = _Kind(suffix="tls", http=False, transport="tls")
    match site.mtls:
        case Mtls.STRICT:
            return _mesh_kinds(site.speech)
        case Mtls.PERMISSIVE:
            return (*_mesh_kinds(site.speech), apps_tls, *_plain_kinds(site.speech))
        case Mtls.DISABLE if site.speech is Speech.UNKNOWN:
            return (*_plain_kinds(site.speech), apps_tls)
        case Mtls.DISABLE:
            return (_Kind(suffix="plain", http=site.speech is Speech.HTTP),)
    assert_never(site.mtls)


def _table(site: _Site) -> RouteConfiguration:
    """Every request goes to the app; no time limit, since the caller has its own."""
    route = routes_pb.Route(
        name="default",
        match=routes_pb.RouteMatch(prefix="/"),
        route=routes_pb.RouteAction(cluster=site.cluster, timeout=ZERO),
        metadata=made_by(site.origin),
    )
    name = f"inbound|http|{site.number or 0}"
    host = routes_pb.VirtualHost(name=name, domains=["*"], routes=[route])
    return RouteConfiguration(name=site.cluster, virtual_hosts=[host])


def _filters(site: _Site, kind: _Kind, inbound: Inbound, reporter: Reporter) -> list[Filter]:
    watch = watch_of(reporter, inbound=True, service=site.service)
    stat = f"inbound_{names.ANY_ADDRESS}_{site.number or 'any'}"
    if kind.http:
        place = HttpSite(
            side=Side.INBOUND, authorization=inbound.authorization, manners=reporter.manners
        )
        return [http_manager(place, stat=stat, table=_table(site), watch=watch)]
    raw = tcp_proxy(
        stat=stat,
        cluster=site.cluster,
        watch=watch,
        after_handshake=kind.mesh,
        judged=bool(inbound.authorization.policies),
    )
    return [*gates(inbound.authorization), raw]


def _chain(site: _Site, kind: _Kind, inbound: Inbound, reporter: Reporter) -> FilterChain:
    match = FilterChainMatch(
        transport_protocol=kind.transport,
        application_protocols=kind.alpn,
        destination_port=None if site.number is None else u32(site.number),
    )
    who = names.ANY_ADDRESS if site.number is None else f"{names.ANY_ADDRESS}_{site.number}"
    return FilterChain(
        name=f"{who}-{kind.suffix}",
        filter_chain_match=match,
        filters=_filters(site, kind, inbound, reporter),
        transport_socket=mesh_server() if kind.mesh else None,
        metadata=made_by(site.origin),
    )


def _sites(inbound: Inbound) -> Iterator[_Site]:
    for port in inbound.ports:
        yield _Site(
            number=port.port,
            speech=port.speech,
            mtls=port.mtls,
            cluster=names.inbound_cluster(port.port),
            service=port.service,
            origin=port.origin,
        )
    yield _Site(
        number=None,
        speech=Speech.UNKNOWN,
        mtls=inbound.otherwise,
        cluster=names.INBOUND_PASSTHROUGH,
        service="",
        origin=BUILT_IN,
    )


def _itself(reporter: Reporter) -> FilterChain:
    """Dialling 15006 itself would loop and leads nowhere."""
    watch = watch_of(reporter, inbound=True)
    return FilterChain(
        name="virtualInbound-blackhole",
        filter_chain_match=FilterChainMatch(destination_port=u32(names.INBOUND_PORT)),
        filters=[tcp_proxy(stat=names.BLACK_HOLE, cluster=names.BLACK_HOLE, watch=watch)],
        metadata=made_by(BUILT_IN),
    )


def _sniffs_http(speech: Speech, mtls: Mtls) -> bool:
    return speech is Speech.UNKNOWN and mtls is not Mtls.STRICT


def _sniffs_tls(port: InboundPort) -> bool:
    return port.mtls is not Mtls.DISABLE or port.speech is Speech.UNKNOWN


def _listener_filters(inbound: Inbound) -> list[ListenerFilter]:
    """Look for TLS and HTTP only where the answer decides something."""
    deaf = [port.port for port in inbound.ports if not _sniffs_tls(port)]
    made = [original_dst(), tls_inspector(none_at([names.INBOUND_PORT, *deaf]))]
    sniffed = {port.port for port in inbound.ports if _sniffs_http(port.speech, port.mtls)}
    if _sniffs_http(Speech.UNKNOWN, inbound.otherwise):
        declared = {port.port for port in inbound.ports} - sniffed
        return [*made, http_inspector(none_at([names.INBOUND_PORT, *declared]))]
    return [*made, http_inspector(only_at(sniffed))] if sniffed else made


def own_listeners(inbound: Inbound) -> Iterator[Inbound]:
    """Each port that the proxy itself listens at, alone."""
    for port in inbound.ports:
        if port.bind:
            yield replace(inbound, ports=(port,))


def emit_own_inbound(inbound: Inbound, reporter: Reporter) -> Listener:
    """`BIND_PORT` for the one port, at its own address: nothing is redirected to it."""
    (port,) = inbound.ports
    site = next(_sites(inbound))
    sniffed = {port.port} if _sniffs_http(port.speech, port.mtls) else set[int]()
    http = [http_inspector(only_at(sniffed))] if sniffed else []
    return Listener(
        name=names.address_listener(port.bind, port.port),
        address=socket_address(port.bind, port.port),
        traffic_direction=INBOUND,
        metadata=made_by(port.origin),
        listener_filters=[*([tls_inspector()] if _sniffs_tls(port) else []), *http],
        listener_filters_timeout=waited(inbound.wait, INBOUND_WAIT),
        continue_on_listener_filters_timeout=True,
        filter_chains=[_chain(site, kind, inbound, reporter) for kind in _kinds(site)],
    )


def emit_inbound(inbound: Inbound, reporter: Reporter) -> Listener:
    """`virtualInbound`. Of the reporter only what labels need is read."""
    chains = [_chain(s, kind, inbound, reporter) for s in _sites(inbound) for kind in _kinds(s)]
    return Listener(
        name=names.VIRTUAL_INBOUND,
        address=socket_address(names.ANY_ADDRESS, names.INBOUND_PORT),
        traffic_direction=INBOUND,
        metadata=made_by(BUILT_IN),
        listener_filters=_listener_filters(inbound),
        listener_filters_timeout=waited(inbound.wait, INBOUND_WAIT),
        continue_on_listener_filters_timeout=True,
        filter_chains=[_itself(reporter), *chains],
        access_log=closed_logs(reporter.telemetry.server.logs if reporter.telemetry.unmet else ()),
        per_connection_buffer_limit_bytes=maybe_u32(reporter.manners.patience.buffer),
    )
