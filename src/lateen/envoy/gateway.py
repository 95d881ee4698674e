"""Write the ports of a gateway, each with a twin that the border connects to.

In: GatewayPort.                    Out: Listeners `0.0.0.0_PORT` and `border_PORT`.
Before: ir/plan.py, http.py         After: emit.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.base.origin import BUILT_IN, Origin
from lateen.envoy import names
from lateen.envoy.access import labels
from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.http import http_manager
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import OUTBOUND
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    FilterChain,
    FilterChainMatch,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.sniffing import INBOUND_WAIT, proxy_protocol, tls_inspector
from lateen.envoy.tls import gateway_server
from lateen.envoy.wire import made_by, pipe_address, socket_address
from lateen.ir.plan import GatewayPort, GatewayTls, Proxy
from lateen.ir.policy import Authorization

_ONLY_OWNER = 0o600


def _match(server: GatewayTls) -> FilterChainMatch:
    """`*` stands for every name and for none."""
    hosts = () if "*" in server.hosts else server.hosts
    return FilterChainMatch(transport_protocol="tls", server_names=hosts)


def _chains(port: GatewayPort, site: HttpSite, proxy: Proxy) -> Iterator[FilterChain]:
    tags = labels(proxy, inbound=False)
    stat = f"outbound_{names.ANY_ADDRESS}_{port.port}"
    if port.http:
        yield FilterChain(
            name="http",
            filters=[http_manager(site, stat=stat, table=port.http.table, tags=tags)],
            metadata=made_by(port.http.origin),
        )
    for server in port.tls:
        yield FilterChain(
            name=",".join(server.hosts),
            filter_chain_match=_match(server),
            filters=[http_manager(site, stat=stat, table=server.table, tags=tags)],
            transport_socket=gateway_server(server),
            metadata=made_by(server.origin),
        )


def _origin(port: GatewayPort) -> Origin:
    if port.http:
        return port.http.origin
    return port.tls[0].origin if port.tls else BUILT_IN


def emit_gateway_port(
    port: GatewayPort, authorization: Authorization, proxy: Proxy, socket: str
) -> tuple[Listener, ...]:
    """The listener in the mesh and, where `socket` (a path) is given, its twin for the border."""
    site = HttpSite(side=Side.GATEWAY, authorization=authorization)
    chains = list(_chains(port, site, proxy))
    inspectors = [tls_inspector()] if port.tls else []
    origin = made_by(_origin(port))
    inside = Listener(
        name=names.wildcard_listener(port.port),
        address=socket_address(names.ANY_ADDRESS, port.port),
        traffic_direction=OUTBOUND,
        listener_filters=inspectors,
        listener_filters_timeout=INBOUND_WAIT,
        filter_chains=chains,
        metadata=origin,
    )
    if not socket:
        return (inside,)
    outside = Listener(
        name=names.border_listener(port.port),
        address=pipe_address(socket, _ONLY_OWNER),
        traffic_direction=OUTBOUND,
        listener_filters=[proxy_protocol(), *inspectors],
        listener_filters_timeout=INBOUND_WAIT,
        filter_chains=chains,
        metadata=origin,
    )
    return (inside, outside)
