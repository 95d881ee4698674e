"""Write the clusters of backends.

In: Backend.                  Out: Cluster.
Before: ir/backends.py        After: clusters_in.py, emit.py
"""

from __future__ import annotations

from typing import assert_never

from google.protobuf.wrappers_pb2 import UInt64Value

from lateen.envoy import names
from lateen.envoy.asked import asked_cluster_type
from lateen.envoy.endpoints import TLS_MODE
from lateen.envoy.headercase import http1_options
from lateen.envoy.matchers import header_matcher
from lateen.envoy.outside import is_by_border, outside_assignment, outside_socket
from lateen.envoy.pb.envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import (
    Cluster,
    UpstreamConnectionOptions,
)
from lateen.envoy.pb.envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection
from lateen.envoy.pb.envoy.config.common.matcher.v3.matcher_pb2 import (
    HttpHeadersMatch,
    MatchPredicate,
)
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import (
    BindConfig,
    SocketAddress,
    TcpKeepalive,
)
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import RuntimeDouble, TransportSocket
from lateen.envoy.pb.envoy.config.core.v3.protocol_pb2 import (
    Http2ProtocolOptions,
    UpstreamHttpProtocolOptions,
)
from lateen.envoy.pb.envoy.config.core.v3.protocol_pb2 import (
    HttpProtocolOptions as CommonHttpOptions,
)
from lateen.envoy.pb.envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from lateen.envoy.pb.envoy.config.core.v3.socket_option_pb2 import SocketOption
from lateen.envoy.pb.envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import (
    ProxyProtocolUpstreamTransport,
)
from lateen.envoy.pb.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import (
    HttpProtocolOptions,
)
from lateen.envoy.pb.envoy.type.v3.percent_pb2 import Percent
from lateen.envoy.tls import ALPN_HTTP, ALPN_TCP, mesh_client, plaintext
from lateen.envoy.wire import (
    ads,
    duration,
    made_by,
    maybe_duration,
    maybe_u32,
    packed,
    struct,
    u32,
)
from lateen.ir.backends import (
    Backend,
    Balance,
    Ejection,
    InMesh,
    Keepalive,
    Limits,
    MeshMtls,
    OriginateTls,
    Outside,
    Plaintext,
    Warmup,
    Wire,
)
from lateen.ir.match import Exact

_HEADER_VERSIONS = {1: ProxyProtocolConfig.V1, 2: ProxyProtocolConfig.V2}
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

# Sockets with this mark are not redirected back into the proxy: SOL_SOCKET, SO_MARK.
_MARK = SocketOption(
    description="exempt from redirection",
    level=1,
    name=36,
    int_value=1337,
    state=SocketOption.STATE_PREBIND,
)
_POLICIES = {
    Balance.ROUND_ROBIN: Cluster.ROUND_ROBIN,
    Balance.LEAST_REQUEST: Cluster.LEAST_REQUEST,
    Balance.RANDOM: Cluster.RANDOM,
    Balance.PASSTHROUGH: Cluster.CLUSTER_PROVIDED,
}


def thresholds(limits: Limits) -> CircuitBreakers:
    """Istio's circuit breakers: what nobody limits has no limit."""

    def limit(number: int | None) -> int:
        return names.NO_LIMIT if number is None else number

    made = CircuitBreakers.Thresholds(
        max_connections=u32(limit(limits.max_connections)),
        max_pending_requests=u32(limit(limits.max_pending)),
        max_requests=u32(limit(limits.max_requests)),
        max_retries=u32(limit(limits.max_retries)),
        track_remaining=True,
    )
    if limits.retry_percent is not None:
        made.retry_budget.budget_percent.value = limits.retry_percent
        made.retry_budget.min_retry_concurrency.value = limits.retry_least
        if limits.retry_over is not None:
            made.retry_budget.budget_interval.CopyFrom(duration(limits.retry_over))
    return CircuitBreakers(thresholds=[made])


def http_options(
    wire: Wire, security: object, limits: Limits, *, keeps_case: bool = False
) -> HttpProtocolOptions:
    """Which HTTP is spoken. To a TLS host outside, "as the client" gives way to ALPN's choice."""
    http1 = http1_options(keeps_case=keeps_case)
    http2 = Http2ProtocolOptions(max_concurrent_streams=maybe_u32(limits.max_concurrent_streams))
    if limits.ping:
        http2.connection_keepalive.interval.CopyFrom(duration(limits.ping[0]))
        http2.connection_keepalive.timeout.CopyFrom(duration(limits.ping[1]))
    options = HttpProtocolOptions(
        common_http_protocol_options=CommonHttpOptions(
            idle_timeout=maybe_duration(limits.idle_timeout),
            max_connection_duration=maybe_duration(limits.max_connection_duration),
            max_requests_per_connection=maybe_u32(limits.max_requests_per_connection),
        )
    )
    match wire:
        case Wire.HTTP1:
            options.explicit_http_config.http_protocol_options.CopyFrom(http1)
        case Wire.HTTP2:
            options.explicit_http_config.http2_protocol_options.CopyFrom(http2)
        case Wire.CLIENT | Wire.TCP if isinstance(security, OriginateTls):
            options.auto_config.http_protocol_options.CopyFrom(http1)
            options.auto_config.http2_protocol_options.CopyFrom(http2)
        case Wire.CLIENT | Wire.TCP:
            options.use_downstream_protocol_config.http_protocol_options.CopyFrom(http1)
            options.use_downstream_protocol_config.http2_protocol_options.CopyFrom(http2)
        case _:
            assert_never(wire)
    if isinstance(security, OriginateTls) and not security.sni:
        options.upstream_http_protocol_options.CopyFrom(
            UpstreamHttpProtocolOptions(auto_sni=True, auto_san_validation=security.verify)
        )
    return options


def _counted(codes: tuple[int, ...]) -> MatchPredicate:
    """The answers that count against an endpoint."""
    rules = []
    for code in codes:
        match = HttpHeadersMatch(headers=[header_matcher(":status", Exact(str(code)))])
        rules.append(MatchPredicate(http_response_headers_match=match))
    if len(rules) == 1:
        return rules[0]
    return MatchPredicate(or_match=MatchPredicate.MatchSet(rules=rules))


def _ejection(ejection: Ejection) -> OutlierDetection:
    """Only what is asked for is enforced; success rates never are, as in Istio."""
    made = OutlierDetection(
        interval=duration(ejection.interval),
        base_ejection_time=duration(ejection.base_time),
        max_ejection_percent=u32(ejection.max_percent),
        enforcing_success_rate=u32(0),
        enforcing_consecutive_5xx=u32(0 if ejection.consecutive_5xx is None else 100),
        consecutive_5xx=maybe_u32(ejection.consecutive_5xx),
        enforcing_consecutive_gateway_failure=u32(
            0 if ejection.consecutive_gateway is None else 100
        ),
        consecutive_gateway_failure=maybe_u32(ejection.consecutive_gateway),
        split_external_local_origin_errors=ejection.split_local_origin,
    )
    if ejection.consecutive_local_origin is not None:
        made.consecutive_local_origin_failure.value = ejection.consecutive_local_origin
        made.enforcing_consecutive_local_origin_failure.value = 100
    return made


def keepalive(keepalive: Keepalive) -> UpstreamConnectionOptions:
    """TCP keepalive, in whole seconds."""

    def whole(seconds: float | None) -> int | None:
        return None if seconds is None else max(1, round(seconds))

    return UpstreamConnectionOptions(
        tcp_keepalive=TcpKeepalive(
            keepalive_probes=maybe_u32(keepalive.probes),
            keepalive_time=maybe_u32(whole(keepalive.idle)),
            keepalive_interval=maybe_u32(whole(keepalive.interval)),
        )
    )


def marked(source: str = "") -> BindConfig:
    """How sockets towards other hosts are made: exempt from redirection."""
    return BindConfig(
        socket_options=[_MARK],
        source_address=SocketAddress(address=source, port_value=0) if source else None,
    )


def _secure_mesh(cluster: Cluster, security: MeshMtls, wire: Wire) -> None:
    socket = mesh_client(security, ALPN_TCP if wire is Wire.TCP else ALPN_HTTP)
    if not security.auto:
        cluster.transport_socket.CopyFrom(socket)
        return
    matches: tuple[tuple[str, dict[str, str], TransportSocket], ...] = (
        ("tlsMode-istio", TLS_MODE, socket),
        ("tlsMode-disabled", {}, plaintext()),
    )
    for name, labels, kind in matches:
        cluster.transport_socket_matches.add(name=name, match=struct(labels), transport_socket=kind)


def _find(cluster: Cluster, backend: Backend) -> None:
    """Where the endpoints come from."""
    match backend.discovery:
        case InMesh() if backend.balance is Balance.PASSTHROUGH:
            cluster.type = Cluster.ORIGINAL_DST
        case InMesh():
            cluster.type = Cluster.EDS
            cluster.eds_cluster_config.eds_config.CopyFrom(ads())
        case Outside(asked=True):
            cluster.cluster_type.CopyFrom(asked_cluster_type())
            cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        case Outside(destinations):
            cluster.type = Cluster.STATIC
            cluster.load_assignment.CopyFrom(outside_assignment(cluster.name, destinations))
        case _:
            assert_never(backend.discovery)


def _options(backend: Backend, keeps_case: bool) -> HttpProtocolOptions:
    """How HTTP is spoken, and which of its answers count against an endpoint."""
    made = http_options(backend.wire, backend.security, backend.limits, keeps_case=keeps_case)
    if backend.ejection and backend.ejection.error_codes:
        made.outlier_detection.error_matcher.CopyFrom(_counted(backend.ejection.error_codes))
    return made


def emit_backend(backend: Backend, system_roots: str, keeps_case: bool = False) -> Cluster:
    """`outbound|PORT|SUBSET|HOST`. Hosts outside are verified against the PEM file `system_roots`."""
    limits, outside = backend.limits, is_by_border(backend)
    cluster = Cluster(
        name=names.outbound_cluster(backend.id),
        alt_stat_name=backend.stat_name,
        connect_timeout=duration(limits.connect_timeout),
        lb_policy=_POLICIES[Balance.ROUND_ROBIN if _undecided(backend) else backend.balance],
        circuit_breakers=thresholds(limits),
        metadata=made_by(backend.origin, host=backend.id.host),
        typed_extension_protocol_options={HTTP_OPTIONS: packed(_options(backend, keeps_case))},
    )
    _find(cluster, backend)
    if outside:
        cluster.transport_socket.CopyFrom(outside_socket(backend, system_roots))
    else:
        cluster.upstream_bind_config.CopyFrom(marked())
        match backend.security:
            case MeshMtls():
                _secure_mesh(cluster, backend.security, backend.wire)
            case OriginateTls():
                cluster.transport_socket.CopyFrom(outside_socket(backend, system_roots))
            case Plaintext():
                pass
            case _:
                assert_never(backend.security)
    if backend.proxy_protocol:
        _tell_client(cluster, backend.proxy_protocol)
    _choose(cluster, backend)
    if backend.ejection:
        cluster.outlier_detection.CopyFrom(_ejection(backend.ejection))
        panic = Percent(value=backend.ejection.min_health_percent)
        cluster.common_lb_config.healthy_panic_threshold.CopyFrom(panic)
    if limits.keepalive:
        cluster.upstream_connection_options.CopyFrom(keepalive(limits.keepalive))
    return cluster


def _choose(cluster: Cluster, backend: Backend) -> None:
    """What more there is to say of how an endpoint is chosen."""
    if backend.by_place:
        weighted = Cluster.CommonLbConfig.LocalityWeightedLbConfig()
        cluster.common_lb_config.locality_weighted_lb_config.CopyFrom(weighted)
    hashing, warmup = backend.hashing, backend.warmup
    if hashing:
        cluster.lb_policy = Cluster.MAGLEV if hashing.maglev else Cluster.RING_HASH
        size = None if hashing.size is None else UInt64Value(value=hashing.size)
        if hashing.maglev and size:
            cluster.maglev_lb_config.table_size.CopyFrom(size)
        elif size:
            cluster.ring_hash_lb_config.minimum_ring_size.CopyFrom(size)
    elif warmup and cluster.lb_policy == Cluster.ROUND_ROBIN:
        cluster.round_robin_lb_config.slow_start_config.CopyFrom(_slow_start(warmup))
    elif warmup and cluster.lb_policy == Cluster.LEAST_REQUEST:
        cluster.least_request_lb_config.slow_start_config.CopyFrom(_slow_start(warmup))


def _slow_start(warmup: Warmup) -> Cluster.SlowStartConfig:
    made = Cluster.SlowStartConfig(slow_start_window=duration(warmup.window))
    if warmup.aggression is not None:
        key = "lateen.warmup"  # Envoy wants a name by which it could be changed at run time
        made.aggression.CopyFrom(RuntimeDouble(default_value=warmup.aggression, runtime_key=key))
    if warmup.percent is not None:
        made.min_weight_percent.value = warmup.percent
    return made


def _tell_client(cluster: Cluster, version: int) -> None:
    """Put a PROXY protocol header before whatever is sent."""
    sockets = [match.transport_socket for match in cluster.transport_socket_matches]
    for socket in sockets or [cluster.transport_socket]:
        inner = TransportSocket()
        inner.CopyFrom(socket if socket.name else plaintext())
        config = ProxyProtocolConfig(version=_HEADER_VERSIONS[version])
        outer = ProxyProtocolUpstreamTransport(config=config, transport_socket=inner)
        socket.name = "envoy.transport_sockets.upstream_proxy_protocol"
        socket.typed_config.CopyFrom(packed(outer))


def _undecided(backend: Backend) -> bool:
    """Hosts outside have no "address the client dialled" to pass on."""
    return backend.balance is Balance.PASSTHROUGH and is_by_border(backend)
