"""Istio DestinationRule: what happens to traffic after routing.

In: -    Out: DestinationRule.    Source: networking.istio.io DestinationRule.
Before: api/meta.py               After: check/, translate/
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api, Duration, Informative, Labels, NotYet
from lateen.api.meta import ObjectMeta
from lateen.api.virtualservice import PortSelector


class CookieAttribute(Api, frozen=True, kw_only=True):
    """A further attribute of a cookie, such as SameSite."""

    name: str
    value: str = ""


class HTTPCookie(Api, frozen=True, kw_only=True):
    """A cookie to hash; with a `ttl` it is made where a request has none."""

    name: str
    path: str = ""
    ttl: Duration | None = None
    attributes: tuple[CookieAttribute, ...] = ()


class RingHash(Api, frozen=True, kw_only=True):
    """A ring with at least so many places."""

    minimum_ring_size: int | None = None


class MagLev(Api, frozen=True, kw_only=True):
    """A Maglev table; its size is a prime."""

    table_size: int | None = None


class ConsistentHashLB(Api, frozen=True, kw_only=True):
    """Requests alike in one thing go to one endpoint: a header, a cookie, the source, a parameter."""

    http_header_name: str = ""
    http_cookie: HTTPCookie | None = None
    use_source_ip: bool | None = None
    http_query_parameter_name: str = ""
    ring_hash: RingHash | None = None
    maglev: MagLev | None = None
    minimum_ring_size: int | None = None


class WarmupConfiguration(Api, frozen=True, kw_only=True):
    """How a new endpoint's share grows, from `minimum_percent` on."""

    duration: Duration | None = None
    minimum_percent: float | None = None
    aggression: float | None = None


class LocalityDistribution(Api, frozen=True, kw_only=True):
    """Shares in percent, by place, of what comes from one place (`region/zone/*`)."""

    from_: str = msgspec.field(default="", name="from")
    to: dict[str, int] = {}


class LocalityFailover(Api, frozen=True, kw_only=True):
    """The region that takes over when one's own has nobody left."""

    from_: str = msgspec.field(default="", name="from")
    to: str = ""


class LocalityLoadBalancerSetting(Api, frozen=True, kw_only=True):
    """Which endpoints come first by where they are; on unless `enabled` is false."""

    distribute: tuple[LocalityDistribution, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    enabled: bool | None = None


class LoadBalancerSettings(Api, frozen=True, kw_only=True):
    """`simple`: ROUND_ROBIN, LEAST_REQUEST, RANDOM, PASSTHROUGH, LEAST_CONN, UNSPECIFIED."""

    simple: str = ""
    consistent_hash: ConsistentHashLB | None = None
    locality_lb_setting: LocalityLoadBalancerSetting | None = None
    warmup_duration_secs: Duration | None = None
    warmup: WarmupConfiguration | None = None
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


class ConnectionKeepalive(Api, frozen=True, kw_only=True):
    """HTTP/2 pings: how often, and how long an answer may take."""

    interval: Duration | None = None
    timeout: Duration | None = None


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
    http2_keep_alive: ConnectionKeepalive | None = None


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
    outlier_detection_http_error_codes: tuple[int, ...] = ()


class ClientTLSSettings(Api, frozen=True, kw_only=True):
    """TLS towards the destination: DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL.

    Certificates are in a Secret beside the pod, or at paths where the proxy has one mounted.
    """

    mode: str = "DISABLE"
    sni: str = ""
    subject_alt_names: tuple[str, ...] = ()
    insecure_skip_verify: bool = False
    credential_name: str = ""
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""


class PortTrafficPolicy(Api, frozen=True, kw_only=True):
    """A traffic policy for one port; it replaces the settings above it, field by field."""

    port: PortSelector | None = None
    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


class TunnelSettings(Api, frozen=True, kw_only=True):
    """Raw connections inside CONNECT (or POST) to this host, sent to the destination."""

    protocol: str = "CONNECT"
    target_host: str = ""
    target_port: int = 0


class RetryBudget(Api, frozen=True, kw_only=True):
    """Retries at once, as a percentage of the requests under way; never fewer than the minimum."""

    percent: float | None = None
    min_retry_concurrency: int | None = None
    budget_interval: Duration | None = None


class ProxyProtocol(Api, frozen=True, kw_only=True):
    """A PROXY protocol header before everything: V1 or V2."""

    version: str = "V1"


class WorkloadSelector(Api, frozen=True, kw_only=True):
    """Pods of the rule's namespace that carry these labels."""

    match_labels: Labels = {}


class TrafficPolicy(Api, frozen=True, kw_only=True):
    """Load balancing, pools, outlier detection and TLS for a host or subset."""

    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: TunnelSettings | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


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
    export_to: tuple[str, ...] = ()
    workload_selector: WorkloadSelector | None = None


class DestinationRule(Api, frozen=True, kw_only=True):
    """networking.istio.io DestinationRule."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "DestinationRule"
    metadata: ObjectMeta
    spec: DestinationRuleSpec
    status: Informative = None
