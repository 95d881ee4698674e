"""Configure the border: the one Envoy in the host's namespace, and the one way in and out.

In: BorderPlan.                 Out: Resources; the bootstrap is bootstrap.py's.
Before: ir/border.py            After: xds/, app/

In: a TCP listener of the host leads to a gateway's Unix socket and tells it the client's address.
Out: each pod has a Unix socket of its own where its proxy asks to CONNECT, and another for what
its app sent to a mere address (bynumber.py). What it may reach goes by that socket, since a header
proves nothing.

The host itself is not to be reached: not by a number, not by a name that leads to it. Addresses of
the host are taken out of every DNS answer before one is chosen, so there is no moment between
looking and dialling; and an upstream RBAC looks once more at the address chosen, which also covers
numbers. Names of a ServiceEntry have clusters of their own, without these checks. IPv6 is refused
whole (the sandbox has none), and with it IPv4 addresses dressed up as IPv6. Where a pod may call only
what the mesh knows (REGISTRY_ONLY), its socket leads nowhere else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from google.protobuf.wrappers_pb2 import BoolValue

from lateen.base.origin import BUILT_IN
from lateen.envoy.byname import by_host_cluster
from lateen.envoy.bynumber import (
    ONLY_OWNER,
    Network,
    by_number_cluster,
    by_number_listener,
    no_limits,
    nowhere_cluster,
)
from lateen.envoy.emit import resource
from lateen.envoy.logs import line_log
from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import Address
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import DataSource, TransportSocket
from lateen.envoy.pb.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from lateen.envoy.pb.envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
from lateen.envoy.pb.envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_components_pb2 import (
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.config.rbac.v3 import rbac_pb2
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as routes_pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import (
    ClusterConfig,
)
from lateen.envoy.pb.envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import (
    DnsCacheConfig,
)
from lateen.envoy.pb.envoy.extensions.filters.http.dynamic_forward_proxy.v3 import (
    dynamic_forward_proxy_pb2,
)
from lateen.envoy.pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from lateen.envoy.pb.envoy.extensions.filters.http.upstream_codec.v3.upstream_codec_pb2 import (
    UpstreamCodec,
)
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as manager_pb,
)
from lateen.envoy.pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from lateen.envoy.pb.envoy.extensions.network.dns_resolver.getaddrinfo.v3 import (
    getaddrinfo_dns_resolver_pb2,
)
from lateen.envoy.pb.envoy.extensions.transport_sockets.proxy_protocol.v3 import (
    upstream_proxy_protocol_pb2,
)
from lateen.envoy.pb.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import (
    HttpProtocolOptions,
)
from lateen.envoy.pb.envoy.type.matcher.v3.address_pb2 import AddressMatcher
from lateen.envoy.pb.xds.core.v3 import cidr_pb2
from lateen.envoy.reach import leads_to, reach_filter, upstream_rbac
from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.envoy.tls import plaintext
from lateen.envoy.wire import (
    FALSE,
    ZERO,
    duration,
    made_by,
    maybe_duration,
    packed,
    pipe_address,
    socket_address,
    u32,
)
from lateen.ir.border import BorderPlan, Door, Exit

_EXIT = "exit"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TRIES = 3
# "This host", loopback, link-local, multicast and reserved; and all of IPv6.
_NEVER = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/0")

_Manager = manager_pb.HttpConnectionManager


def _refused(plan: BorderPlan) -> list[Network]:
    """What leads to the host: the first address and the prefix length of each network."""
    networks = map(ipaddress.ip_network, (*_NEVER, *sorted(set(plan.own_addresses))))
    return [(str(each.network_address), each.prefixlen) for each in networks]


def _resolver() -> TypedExtensionConfig:
    """The host's own name resolution, /etc/hosts and all."""
    config = getaddrinfo_dns_resolver_pb2.GetAddrInfoDnsResolverConfig()
    return TypedExtensionConfig(
        name="envoy.network.dns_resolver.getaddrinfo", typed_config=packed(config)
    )


def _dns(plan: BorderPlan) -> DnsCacheConfig:
    return DnsCacheConfig(
        name=_EXIT,
        dns_lookup_family=Cluster.V4_ONLY,
        typed_dns_resolver_config=_resolver(),
        resolved_address_filter=AddressMatcher(
            ranges=[
                cidr_pb2.CidrRange(address_prefix=prefix, prefix_len=u32(length))
                for prefix, length in _refused(plan)
            ]
        ),
        max_hosts=u32(4096),
    )


def _not_the_host(plan: BorderPlan) -> manager_pb.HttpFilter:
    """The second look: at the address of the host that was chosen."""
    rules = [leads_to(f"{prefix}/{length}") for prefix, length in _refused(plan)]
    policy = rbac_pb2.Policy(permissions=rules, principals=[rbac_pb2.Principal(any=True)])
    deny = rbac_pb2.RBAC(action=rbac_pb2.RBAC.DENY, policies={"the-host-itself": policy})
    return upstream_rbac("envoy.filters.http.upstream_rbac", deny)


def _looking(*looks: manager_pb.HttpFilter) -> HttpProtocolOptions:
    """Look at the address that was chosen before it is dialled."""
    codec = manager_pb.HttpFilter(
        name="envoy.filters.http.upstream_codec", typed_config=packed(UpstreamCodec())
    )
    options = HttpProtocolOptions(http_filters=[*looks, codec])
    options.explicit_http_config.http_protocol_options.SetInParent()
    return options


def _exit_name(exit: Exit) -> str:
    """All pods share one cluster but those that a NetworkPolicy holds to less."""
    return _EXIT if exit.reach is None else f"{_EXIT}|{exit.slot}"


def _exit_cluster(plan: BorderPlan, exit: Exit | None = None) -> Cluster:
    """Any name or number but the host's own. "Insecure" is Envoy's word for no TLS of the border's own."""
    looks = [_not_the_host(plan)]
    if exit is not None and exit.reach is not None:
        looks.append(reach_filter(exit.reach))
    kind = Cluster.CustomClusterType(
        name="envoy.clusters.dynamic_forward_proxy",
        typed_config=packed(
            ClusterConfig(dns_cache_config=_dns(plan), allow_insecure_cluster_options=True)
        ),
    )
    return Cluster(
        name=_exit_name(exit) if exit else _EXIT,
        cluster_type=kind,
        lb_policy=Cluster.CLUSTER_PROVIDED,
        connect_timeout=duration(10),
        circuit_breakers=no_limits(),
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(_looking(*looks))},
        metadata=made_by(BUILT_IN),
    )


def _one_place(name: str, *addresses: Address) -> ClusterLoadAssignment:
    endpoints = [LbEndpoint(endpoint=Endpoint(address=address)) for address in addresses]
    localities = [LocalityLbEndpoints(lb_endpoints=endpoints)] if endpoints else []
    return ClusterLoadAssignment(cluster_name=name, endpoints=localities)


def _named(host: str, port: int, exit: Exit) -> str:
    return f"named|{port}|{exit.slot if exit.reach is not None else ''}|{host}"


def _named_cluster(host: str, port: int, exit: Exit, refresh: float | None) -> Cluster:
    """A host that a ServiceEntry names: wherever it leads. Warming must not wait for DNS."""
    name = _named(host, port, exit)
    options = {}
    if exit.reach is not None:
        options[_HTTP_OPTIONS] = packed(_looking(reach_filter(exit.reach)))
    return Cluster(
        name=name,
        type=Cluster.STRICT_DNS,
        dns_lookup_family=Cluster.V4_ONLY,
        typed_dns_resolver_config=_resolver(),
        dns_refresh_rate=maybe_duration(refresh),
        wait_for_warm_on_init=FALSE,
        connect_timeout=duration(10),
        circuit_breakers=no_limits(),
        load_assignment=_one_place(name, socket_address(host, port)),
        typed_extension_protocol_options=options,
        metadata=made_by(BUILT_IN),
    )


def _names(exit: Exit) -> list[tuple[str, int]]:
    """The names that can be dialled as they are; `*.example.com` is no name."""
    return sorted({(host.lower(), port) for host, port in exit.allowed if "*" not in host})


def _tunnel(name: str, domain: str, cluster: str) -> routes_pb.VirtualHost:
    connect = "CONNECT"
    upgrade = routes_pb.RouteAction.UpgradeConfig(
        upgrade_type=connect, connect_config=routes_pb.RouteAction.UpgradeConfig.ConnectConfig()
    )
    route = routes_pb.Route(
        match=routes_pb.RouteMatch(connect_matcher=routes_pb.RouteMatch.ConnectMatcher()),
        route=routes_pb.RouteAction(cluster=cluster, timeout=ZERO, upgrade_configs=[upgrade]),
    )
    return routes_pb.VirtualHost(name=name, domains=[domain], routes=[route])


def _unknown() -> routes_pb.VirtualHost:
    """What REGISTRY_ONLY says to names that the mesh does not know."""
    answer = routes_pb.DirectResponseAction(
        status=403, body=DataSource(inline_string="not in the registry (REGISTRY_ONLY)\n")
    )
    route = routes_pb.Route(
        match=routes_pb.RouteMatch(connect_matcher=routes_pb.RouteMatch.ConnectMatcher()),
        direct_response=answer,
    )
    return routes_pb.VirtualHost(name="unknown", domains=["*"], routes=[route])


def _exit_listener(exit: Exit, plan: BorderPlan) -> Listener:
    """CONNECT from the pod's proxy."""
    known = [
        _tunnel(f"{host}:{port}", f"{host}:{port}", _named(host, port, exit))
        for host, port in _names(exit)
    ]
    others = _tunnel("others", "*", _exit_name(exit)) if exit.registry is None else _unknown()
    forward = dynamic_forward_proxy_pb2.FilterConfig(dns_cache_config=_dns(plan))
    manager = _Manager(
        codec_type=_Manager.AUTO,
        stat_prefix=f"exit.{exit.slot}",
        route_config=RouteConfiguration(name=_EXIT, virtual_hosts=[*known, others]),
        http_filters=[
            manager_pb.HttpFilter(
                name="envoy.filters.http.dynamic_forward_proxy", typed_config=packed(forward)
            ),
            manager_pb.HttpFilter(name="envoy.filters.http.router", typed_config=packed(Router())),
        ],
        http2_protocol_options=Http2ProtocolOptions(allow_connect=True),
        upgrade_configs=[_Manager.UpgradeConfig(upgrade_type="CONNECT")],
        stream_idle_timeout=ZERO,
        delayed_close_timeout=ZERO,  # on a Unix socket a close loses nothing already written
        access_log=[line_log()],
    )
    chain = FilterChain(
        filters=[
            Filter(
                name="envoy.filters.network.http_connection_manager", typed_config=packed(manager)
            )
        ]
    )
    return Listener(
        name=f"exit_{exit.slot}",
        address=pipe_address(exit.socket, ONLY_OWNER),
        filter_chains=[chain],
        metadata=made_by(BUILT_IN),
    )


def _door_name(door: Door) -> str:
    return f"{door.address}_{door.port}"


def _door_cluster(door: Door) -> Cluster:
    """The gateway pods' sockets, told the client's address by PROXY protocol v2, or a Service's."""
    name = _door_name(door)
    transport = plaintext()
    if door.gateway:
        version = ProxyProtocolConfig(version=ProxyProtocolConfig.V2)
        tells = upstream_proxy_protocol_pb2.ProxyProtocolUpstreamTransport(
            config=version, transport_socket=transport
        )
        transport = TransportSocket(
            name="envoy.transport_sockets.upstream_proxy_protocol", typed_config=packed(tells)
        )
    return Cluster(
        name=name,
        type=Cluster.STATIC,
        connect_timeout=duration(2),
        circuit_breakers=no_limits(),
        load_assignment=_one_place(name, *(pipe_address(path) for path in door.sockets)),
        transport_socket=transport,
        metadata=made_by(BUILT_IN),
    )


def _door_listener(door: Door) -> Listener:
    name = _door_name(door)
    proxy = TcpProxy(stat_prefix=name, cluster=name, max_connect_attempts=u32(_TRIES))
    chain = FilterChain(
        filters=[Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))]
    )
    return Listener(
        name=name,
        address=socket_address(door.address, door.port),
        filter_chains=[chain],
        # Else the border of another mesh could open the same port, and each would get half.
        enable_reuse_port=BoolValue(value=False),
        metadata=made_by(BUILT_IN),
    )


def _clusters(plan: BorderPlan) -> Iterator[Cluster]:
    yield _exit_cluster(plan)
    yield by_number_cluster()
    yield nowhere_cluster()
    if any(each.hosts for exit in plan.exits for each in exit.registry or ()):
        yield by_host_cluster(no_limits())
    yield from (_exit_cluster(plan, exit) for exit in plan.exits if exit.reach is not None)
    named = {
        _named(host, port, exit): (host, port, exit)
        for exit in plan.exits
        for host, port in _names(exit)
    }
    yield from (_named_cluster(*named[name], plan.dns_refresh) for name in sorted(named))
    yield from map(_door_cluster, plan.doors)


def emit_border(plan: BorderPlan) -> Resources:
    """The border's clusters and listeners; its routes are in the listeners."""
    listeners = [*map(_door_listener, plan.doors)]
    listeners += [_exit_listener(exit, plan) for exit in plan.exits]
    listeners += [by_number_listener(exit, _refused(plan)) for exit in plan.exits]
    made: dict[ResourceType, dict[str, Resource]] = {kind: {} for kind in ResourceType}
    for cluster in _clusters(plan):
        made[ResourceType.CLUSTER][cluster.name] = resource(cluster.name, cluster)
    for listener in listeners:
        made[ResourceType.LISTENER][listener.name] = resource(listener.name, listener)
    return made
