"""Write the ports of a gateway, each with a twin that the border connects to.

In: GatewayPort.                    Out: Listeners `0.0.0.0_PORT` and `border_PORT`.
Before: ir/plan.py, http.py         After: emit.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.base.origin import BUILT_IN, Origin
from lateen.envoy import names
from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.gates import gates
from lateen.envoy.http import http_manager, knows_who_connected
from lateen.envoy.listeners_out import TcpTarget, raw_filters
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import OUTBOUND
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    FilterChainMatch,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.sniffing import INBOUND_WAIT, proxy_protocol, tls_inspector
from lateen.envoy.tls import gateway_server
from lateen.envoy.watch import Reporter, watch_of
from lateen.envoy.wire import made_by, maybe_u32, pipe_address, socket_address
from lateen.ir.backends import BackendId
from lateen.ir.plan import GatewayPort
from lateen.ir.policy import Authorization
from lateen.ir.routes import Split

_ONLY_OWNER = 0o600


def _match(hosts: tuple[str, ...]) -> FilterChainMatch:
    """`*` stands for every name and for none."""
    return FilterChainMatch(transport_protocol="tls", server_names=() if "*" in hosts else hosts)


def _chains(
    port: GatewayPort, targets: tuple[TcpTarget, ...], site: HttpSite, reporter: Reporter
) -> Iterator[FilterChain]:
    def raw(to: tuple[Split, ...]) -> list[Filter]:
        by_id = {target.id: target for target in targets}
        return [
            *gates(site.authorization, gateway_port=site.gateway_port),
            *raw_filters(by_id.__getitem__, to, watch, judged=bool(site.authorization.policies)),
        ]

    def http(table: str) -> list[Filter]:
        believed = [knows_who_connected()] if site.manners.trusted_proxies else []
        return [*believed, http_manager(site, stat=stat, table=table, watch=watch)]

    watch = watch_of(reporter, inbound=False)
    stat = f"outbound_{names.ANY_ADDRESS}_{port.port}"
    if port.http:
        yield FilterChain(
            name="http",
            filters=http(port.http.table),
            metadata=made_by(port.http.origin),
        )
    if port.tcp:
        yield FilterChain(name="tcp", filters=raw(port.tcp.to), metadata=made_by(port.tcp.origin))
    for passed in port.passed:
        yield FilterChain(
            name=",".join(passed.hosts),
            filter_chain_match=_match(passed.hosts),
            filters=raw(passed.to),
            metadata=made_by(passed.origin),
        )
    for server in port.tls:
        yield FilterChain(
            name=",".join(server.hosts),
            filter_chain_match=_match(server.hosts),
            filters=raw(server.to) if server.to else http(server.table),
            transport_socket=gateway_server(server),
            metadata=made_by(server.origin),
        )


def _origin(port: GatewayPort) -> Origin:
    parts = (port.http, port.tcp, *port.tls, *port.passed)
    return next((part.origin for part in parts if part), BUILT_IN)


def raw_backends(port: GatewayPort) -> tuple[BackendId, ...]:
    """The backends that get raw connections."""
    parts = (*((port.tcp,) if port.tcp else ()), *port.tls, *port.passed)
    return tuple(dict.fromkeys(split.backend for part in parts for split in part.to))


def emit_gateway_port(
    port: GatewayPort,
    targets: tuple[TcpTarget, ...],
    authorization: Authorization,
    reporter: Reporter,
    socket: str,
    *,
    asking: bool = False,
) -> tuple[Listener, ...]:
    """The listener in the mesh and, where `socket` (a path) is given, its twin for the border.

    `targets`: what is to be known of each of the port's `raw_backends`. `asking`: some backends are
    looked up by the name asked for.
    """
    site = HttpSite(
        side=Side.GATEWAY,
        gateway_port=port.port,
        authorization=authorization,
        manners=reporter.manners,
        asks=asking,
    )
    chains = list(_chains(port, targets, site, reporter))
    inspectors = [tls_inspector()] if port.tls or port.passed else []
    fronted = [proxy_protocol()] if reporter.manners.proxy_protocol else []
    origin = made_by(_origin(port))
    buffer = maybe_u32(reporter.manners.patience.buffer)
    inside = Listener(
        name=names.address_listener(port.bind, port.port),
        address=socket_address(port.bind, port.port),
        traffic_direction=OUTBOUND,
        listener_filters=[*fronted, *inspectors],
        listener_filters_timeout=INBOUND_WAIT,
        filter_chains=chains,
        per_connection_buffer_limit_bytes=buffer,
        metadata=origin,
    )
    if not (socket and port.outward):
        return (inside,)
    outside = Listener(
        name=names.border_listener(port.port),
        address=pipe_address(socket, _ONLY_OWNER),
        traffic_direction=OUTBOUND,
        listener_filters=[proxy_protocol(), *fronted, *inspectors],
        listener_filters_timeout=INBOUND_WAIT,
        filter_chains=chains,
        per_connection_buffer_limit_bytes=buffer,
        metadata=origin,
    )
    return (inside, outside)
