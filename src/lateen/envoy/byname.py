"""Let by, of what a pod sends to mere addresses, only what says that it is for hosts of these names.

In: hosts, an address match.     Out: filter chains, listener filters, a cluster.
Before: sniffing.py              After: bynumber.py, border.py

For a host whose addresses nobody here knows (a ServiceEntry of resolution NONE, often `*.example.com`) the
proxy goes by what the client says: the server name of TLS, the host of HTTP. So does the border, or
whoever went around the proxy could go further than by way of it. HTTP is read for that, request by
request, and passed on with nothing added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lateen.base.origin import BUILT_IN
from lateen.envoy.logs import line_log
from lateen.envoy.pb.envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from lateen.envoy.pb.envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    FilterChainMatch,
    ListenerFilter,
)
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as routes_pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as manager_pb,
)
from lateen.envoy.pb.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import (
    HttpProtocolOptions,
)
from lateen.envoy.sniffing import RAW_HTTP, http_inspector, only_at, tls_inspector
from lateen.envoy.wire import FALSE, TRUE, ZERO, duration, made_by, packed

BY_HOST = "by-host"
_ANY = "*"
_Manager = manager_pb.HttpConnectionManager


def by_host_cluster(limits: CircuitBreakers) -> Cluster:
    """The address the relay said, asked in the HTTP it was asked in; no two clients share a connection."""
    options = HttpProtocolOptions()
    options.use_downstream_protocol_config.http_protocol_options.SetInParent()
    options.use_downstream_protocol_config.http2_protocol_options.SetInParent()
    return Cluster(
        name=BY_HOST,
        type=Cluster.ORIGINAL_DST,
        lb_policy=Cluster.CLUSTER_PROVIDED,
        connect_timeout=duration(10),
        circuit_breakers=limits,
        connection_pool_per_downstream_connection=True,
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": packed(options)
        },
        metadata=made_by(BUILT_IN),
    )


def inspectors_at(ports: Iterable[int]) -> Iterator[ListenerFilter]:
    """What finds the names, at the ports where some must be said."""
    off = only_at(ports)
    yield tls_inspector(off)
    yield http_inspector(off)


def named_chains(
    slot: str, hosts: tuple[str, ...], match: FilterChainMatch, onward: Filter
) -> Iterator[FilterChain]:
    """Two chains: TLS with one of these server names goes on as it is, HTTP for one of these hosts.

    What is left of what `match` takes is not let by here.
    """
    secure = FilterChainMatch(transport_protocol="tls")
    secure.MergeFrom(match)
    secure.server_names.extend(() if _ANY in hosts else hosts)
    plain = FilterChainMatch()
    plain.CopyFrom(RAW_HTTP)
    plain.MergeFrom(match)
    name = f"{match.destination_port.value}_{hosts[0]}"
    yield FilterChain(name=f"tls_{name}", filter_chain_match=secure, filters=[onward])
    asked = [_by_host(slot, hosts)]
    yield FilterChain(name=f"http_{name}", filter_chain_match=plain, filters=asked)


def _by_host(slot: str, hosts: tuple[str, ...]) -> Filter:
    """HTTP whose requests are each for one of these hosts."""
    action = routes_pb.RouteAction(cluster=BY_HOST, timeout=ZERO)
    route = routes_pb.Route(match=routes_pb.RouteMatch(prefix="/"), route=action)
    table = RouteConfiguration(
        name=BY_HOST,
        virtual_hosts=[
            routes_pb.VirtualHost(
                name=BY_HOST, domains=[_ANY] if _ANY in hosts else hosts, routes=[route]
            )
        ],
        ignore_port_in_host_matching=True,
    )
    router = Router(suppress_envoy_headers=True)
    manager = _Manager(
        codec_type=_Manager.AUTO,
        stat_prefix=f"{BY_HOST}.{slot}",
        route_config=table,
        http_filters=[
            manager_pb.HttpFilter(name="envoy.filters.http.router", typed_config=packed(router))
        ],
        http_protocol_options=Http1ProtocolOptions(allow_absolute_url=TRUE),
        use_remote_address=FALSE,
        skip_xff_append=True,
        generate_request_id=FALSE,
        normalize_path=FALSE,
        server_header_transformation=_Manager.PASS_THROUGH,
        forward_client_cert_details=_Manager.ALWAYS_FORWARD_ONLY,
        proxy_100_continue=True,
        upgrade_configs=[_Manager.UpgradeConfig(upgrade_type="websocket")],
        stream_idle_timeout=ZERO,
        delayed_close_timeout=ZERO,  # on a Unix socket a close loses nothing already written
        access_log=[line_log()],
    )
    return Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=packed(manager)
    )
