"""Istio DestinationRule: what happens to traffic after routing.

In: -    Out: DestinationRule.    Source: networking.istio.io DestinationRule.
Before: api/meta.py               After: check/, translate/
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api, Duration, Informative, Labels, NotYet
from lateen.api.meta import ObjectMeta
from lateen.api.virtualservice import PortSelector


class LoadBalancerSettings(Api, frozen=True, kw_only=True):
    """`simple`: ROUND_ROBIN, LEAST_REQUEST, RANDOM, PASSTHROUGH, LEAST_CONN, UNSPECIFIED."""

    simple: str = ""
    consistent_hash: NotYet = None
    locality_lb_setting: NotYet = None
    warmup_duration_secs: NotYet = None
    warmup: NotYet = None
    backend_utilization: NotYet = None
    zone_aware_lb_setting: NotYet = None


class TcpKeepalive(Api, frozen=True, kw_only=True):
    """TCP keepalive: probes, and times in Istio's duration form."""

    probes: int | None = None
    time: Duration | None = None
    interval: Duration | None = None


class TCPSettings(Api, frozen=True, kw_only=True):
    """Limits for connections."""

    max_connections: int | None = None
    connect_timeout: Duration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: Duration | None = None
    idle_timeout: Duration | None = None


class HTTPSettings(Api, frozen=True, kw_only=True):
    """Limits for requests; `h2_upgrade_policy`: DEFAULT, DO_NOT_UPGRADE, UPGRADE."""

    http1_max_pending_requests: int | None = None
    http2_max_requests: int | None = None
    max_requests_per_connection: int | None = None
    max_retries: int | None = None
    idle_timeout: Duration | None = None
    h2_upgrade_policy: str = ""
    use_client_protocol: bool = False
    max_concurrent_streams: int | None = None
    http2_keep_alive: NotYet = None


class ConnectionPoolSettings(Api, frozen=True, kw_only=True):
    """Limits."""

    tcp: TCPSettings | None = None
    http: HTTPSettings | None = None


class OutlierDetection(Api, frozen=True, kw_only=True):
    """When to stop sending to an endpoint, and for how long."""

    consecutive_5xx_errors: int | None = msgspec.field(default=None, name="consecutive5xxErrors")
    consecutive_gateway_errors: int | None = None
    consecutive_local_origin_failures: int | None = None
    split_external_local_origin_errors: bool = False
    interval: Duration | None = None
    base_ejection_time: Duration | None = None
    max_ejection_percent: int | None = None
    min_health_percent: int | None = None
    consecutive_errors: NotYet = None
    outlier_detection_http_error_codes: NotYet = None


class ClientTLSSettings(Api, frozen=True, kw_only=True):
    """TLS towards the destination: DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL."""

    mode: str = "DISABLE"
    sni: str = ""
    subject_alt_names: tuple[str, ...] = ()
    insecure_skip_verify: bool = False
    credential_name: NotYet = None
    client_certificate: NotYet = None
    private_key: NotYet = None
    ca_certificates: NotYet = None
    ca_crl: NotYet = None


class PortTrafficPolicy(Api, frozen=True, kw_only=True):
    """A traffic policy for one port; it replaces the settings above it, field by field."""

    port: PortSelector | None = None
    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


class TrafficPolicy(Api, frozen=True, kw_only=True):
    """Load balancing, pools, outlier detection and TLS for a host or subset."""

    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: NotYet = None
    proxy_protocol: NotYet = None
    retry_budget: NotYet = None


class Subset(Api, frozen=True, kw_only=True):
    """Pods of the host that carry these labels."""

    name: str
    labels: Labels = {}
    traffic_policy: TrafficPolicy | None = None


class DestinationRuleSpec(Api, frozen=True, kw_only=True):
    """Policies for one host."""

    host: str
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: NotYet = None
    workload_selector: NotYet = None


class DestinationRule(Api, frozen=True, kw_only=True):
    """networking.istio.io DestinationRule."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "DestinationRule"
    metadata: ObjectMeta
    spec: DestinationRuleSpec
    status: Informative = None
