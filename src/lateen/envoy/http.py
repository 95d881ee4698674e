"""Write the network filters: an HTTP connection manager, a TCP proxy.

In: HttpSite, route table or cluster, Watch.      Out: network filters.
Before: filters/, access.py, tracing.py           After: listeners_out.py, listeners_in.py, gateway.py
"""

from __future__ import annotations

from msgspec.structs import replace

from lateen.envoy import filters, names
from lateen.envoy.access import http_logs, tcp_logs
from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.headercase import http1_options
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import DataSource
from lateen.envoy.pb.envoy.config.core.v3.substitution_format_string_pb2 import (
    SubstitutionFormatString,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import Filter
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.filters.common.set_filter_state.v3.value_pb2 import (
    FilterStateValue,
)
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as pb,
)
from lateen.envoy.pb.envoy.extensions.filters.network.set_filter_state.v3 import (
    set_filter_state_pb2,
)
from lateen.envoy.pb.envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from lateen.envoy.pb.envoy.type.v3.hash_policy_pb2 import HashPolicy
from lateen.envoy.rbac import noted_by
from lateen.envoy.routes import CLIENT
from lateen.envoy.tls import ALPN_TCP
from lateen.envoy.tracing import reads_traces, tracing_of
from lateen.envoy.watch import Watch
from lateen.envoy.wire import FALSE, TRUE, ZERO, ads, duration, maybe_duration, packed, u32
from lateen.ir.backends import Tunnel
from lateen.ir.manners import USUAL_PATIENCE, CertPart, ClientCert, Patience
from lateen.ir.policy import Paths
from lateen.ir.telemetry import ZipkinCollector

_Manager = pb.HttpConnectionManager
_CERTIFICATES = {
    ClientCert.SANITIZE: _Manager.SANITIZE,
    ClientCert.FORWARD_ONLY: _Manager.FORWARD_ONLY,
    ClientCert.APPEND_FORWARD: _Manager.APPEND_FORWARD,
    ClientCert.SANITIZE_SET: _Manager.SANITIZE_SET,
    ClientCert.ALWAYS_FORWARD_ONLY: _Manager.ALWAYS_FORWARD_ONLY,
}
_EARLY_BYTES = 64 * 1024  # kept while the far side is being dialled


def http_manager(
    site: HttpSite,
    *,
    stat: str,
    table: str | RouteConfiguration,
    watch: Watch,
) -> Filter:
    """HTTP of any version, routed by a table fetched by name or given here.

    Unless its manners are others, only a sidecar's inbound side tells the app who called
    (x-forwarded-client-cert), and only of verified certificates; whatever a client claims there itself
    is removed. What the app reads as the path is what policies and routes went by.
    """
    paths, manners = site.authorization.paths, site.manners
    edge, inbound = site.side is Side.GATEWAY, site.side is Side.INBOUND
    certificate = ClientCert.SANITIZE if site.side is Side.OUTBOUND else manners.certificate
    tracing = tracing_of(watch)
    site = replace(site, tells_b3=tracing is not None and _by_otlp(watch))
    manager = _Manager(
        codec_type=_Manager.AUTO,
        stat_prefix=stat,
        http_filters=filters.on_listener(site),
        access_log=http_logs(watch, noted_by(site.authorization)),
        server_name=manners.server,
        server_header_transformation=_Manager.OVERWRITE
        if manners.server
        else _Manager.PASS_THROUGH,
        generate_request_id=None if manners.request_id else FALSE,
        append_x_forwarded_port=manners.forwarded_port,
        xff_num_trusted_hops=manners.trusted_proxies,
        use_remote_address=TRUE if edge else FALSE,
        skip_xff_append=edge,
        forward_client_cert_details=_CERTIFICATES[certificate],
        set_current_client_cert_details=_told(manners.cert_parts) if certificate.tells else None,
        normalize_path=TRUE if paths.include(Paths.RESOLVED) else FALSE,
        merge_slashes=paths.include(Paths.MERGED),
        path_with_escaped_slashes_action=_Manager.UNESCAPE_AND_FORWARD
        if paths.include(Paths.DECODED)
        else _Manager.KEEP_UNCHANGED,
        proxy_100_continue=True,
        stream_idle_timeout=ZERO,
        upgrade_configs=[_Manager.UpgradeConfig(upgrade_type="websocket")],
        tracing=tracing,
        early_header_mutation_extensions=[reads_traces(edge=edge)]
        if site.tells_b3 and not inbound
        else [],
    )
    if manners.keeps_case or manners.http10:
        http1 = http1_options(keeps_case=manners.keeps_case, http10=manners.http10)
        manager.http_protocol_options.CopyFrom(http1)
    if manners.patience != USUAL_PATIENCE:
        _wait(manager, manners.patience)
    if isinstance(table, str):
        manager.rds.CopyFrom(pb.Rds(route_config_name=table, config_source=ads()))
    else:
        manager.route_config.CopyFrom(table)
    return Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=packed(manager)
    )


def _wait(manager: _Manager, patience: Patience) -> None:
    """Hold clients to time limits and to limits of HTTP/2."""
    for field, value in (
        (manager.stream_idle_timeout, patience.stream_idle),
        (manager.request_timeout, patience.request),
        (manager.request_headers_timeout, patience.request_headers),
        (manager.drain_timeout, patience.drain),
        (manager.common_http_protocol_options.idle_timeout, patience.idle),
        (manager.common_http_protocol_options.max_connection_duration, patience.connection),
        (manager.common_http_protocol_options.max_stream_duration, patience.stream),
    ):
        if value is not None:
            field.CopyFrom(duration(value))
    for number, limit in (
        (manager.http2_protocol_options.max_concurrent_streams, patience.streams),
        (manager.http2_protocol_options.initial_stream_window_size, patience.stream_window),
        (manager.http2_protocol_options.initial_connection_window_size, patience.connection_window),
    ):
        if limit is not None:
            number.value = limit


def _told(parts: tuple[CertPart, ...]) -> _Manager.SetCurrentClientCertDetails:
    return _Manager.SetCurrentClientCertDetails(
        subject=TRUE if CertPart.SUBJECT in parts else FALSE,
        cert=CertPart.CERT in parts,
        chain=CertPart.CHAIN in parts,
        dns=CertPart.DNS in parts,
        uri=CertPart.URI in parts,
    )


def _by_otlp(watch: Watch) -> bool:
    """Zipkin's tracer reads and tells B3 by itself."""
    tracing = watch.reports.tracing
    zipkin = tracing and isinstance(tracing.collector, ZipkinCollector)
    return bool(tracing and tracing.handed_on and not zipkin)


# Each access log takes what it is for: lines and most figures the end of a connection.
_WHEN = tcp_proxy_pb2.TcpProxy.TcpAccessLogOptions(
    flush_access_log_on_connected=True, access_log_flush_interval=duration(names.LIVE_AFTER)
)


def tcp_proxy(
    *,
    stat: str,
    cluster: str | tuple[tuple[str, int], ...],
    watch: Watch,
    idle_timeout: float | None = None,
    by_source: bool = False,
    tunnel: Tunnel | None = None,
    after_handshake: bool = False,
    judged: bool = False,
) -> Filter:
    """Bytes as they are, to one cluster or to several by share.

    `after_handshake`: the far side is dialled once the peer is verified; `judged`: policies hold here.
    """
    connect = (
        tcp_proxy_pb2.ON_DOWNSTREAM_TLS_HANDSHAKE if after_handshake else tcp_proxy_pb2.IMMEDIATE
    )
    early = u32(_EARLY_BYTES) if after_handshake else None
    proxy = tcp_proxy_pb2.TcpProxy(
        stat_prefix=stat,
        access_log=tcp_logs(watch, judged=judged),
        access_log_options=_WHEN,
        idle_timeout=maybe_duration(idle_timeout),
        upstream_connect_mode=connect,
        max_early_data_bytes=early,
    )
    if by_source:
        proxy.hash_policy.add(source_ip=HashPolicy.SourceIp())
    if tunnel:
        proxy.tunneling_config.hostname = tunnel.target
        proxy.tunneling_config.use_post = tunnel.post
    if isinstance(cluster, str):
        proxy.cluster = cluster
    else:
        for name, weight in cluster:
            proxy.weighted_clusters.clusters.add(name=name, weight=weight)
    return Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))


def says_tcp() -> Filter:
    """Tell the far proxy that what follows is not HTTP, though the cluster's ALPN says it is."""
    return _noted(
        FilterStateValue(
            object_key="envoy.network.application_protocols",
            format_string=_text(ALPN_TCP),
            shared_with_upstream=FilterStateValue.ONCE,
        )
    )


def knows_who_connected() -> Filter:
    """Note the address of the other end, which HTTP forgets where proxies in front are believed."""
    return _noted(
        FilterStateValue(
            object_key=names.CONNECTED, factory_key="envoy.string", format_string=_text(CLIENT)
        )
    )


def _text(format: str) -> SubstitutionFormatString:
    return SubstitutionFormatString(text_format_source=DataSource(inline_string=format))


def _noted(value: FilterStateValue) -> Filter:
    config = set_filter_state_pb2.Config(on_new_connection=[value])
    return Filter(name="envoy.filters.network.set_filter_state", typed_config=packed(config))
