"""Check one DestinationRule as Istio does before it takes one.

In: DestinationRule.    Out: problems.    Source: Istio ValidateDestinationRule.
Before: check/at.py     After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.destinationrule import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    DestinationRule,
    HTTPSettings,
    LoadBalancerSettings,
    OutlierDetection,
    PortTrafficPolicy,
    TCPSettings,
    TrafficPolicy,
)
from lateen.api.names import label_fault, label_faults
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of, port_number
from lateen.check.hosts import wildcard_host_fault
from lateen.check.localities import NO_OUTLIERS, locality_faults
from lateen.check.routeparts import check_duration

SIMPLE = ("", "UNSPECIFIED", "ROUND_ROBIN", "LEAST_REQUEST", "LEAST_CONN", "RANDOM", "PASSTHROUGH")
TLS_MODES = ("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")
_MOST_PLACES = 5_000_011  # Envoy's limit for a Maglev table
H2_POLICIES = ("", "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE")


def check_destination_rule(rule: DestinationRule, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = rule.spec, at.key("spec")
    if spec.workload_selector:
        here = at.key("workloadSelector", "matchLabels")
        for key, text, words in label_faults(spec.workload_selector.match_labels):
            yield here.key(key).invalid(text, words)
    if fault := wildcard_host_fault(spec.host):
        yield at.key("host").error(fault)
    if spec.traffic_policy:
        yield from _policy(spec.traffic_policy, at.key("trafficPolicy"))
    names: set[str] = set()
    for index, subset in enumerate(spec.subsets):
        here = at.key("subsets").item(index)
        if subset.name in names:
            yield here.key("name").error(f"duplicate subset names: {subset.name}")
        names.add(subset.name)
        if not subset.name:
            yield here.key("name").error("subset name cannot be empty")
        elif label_fault(subset.name):
            yield here.key("name").error(f"subset name is invalid: {subset.name}")
        for key, text, words in label_faults(subset.labels):
            yield here.key("labels", key).invalid(text, words)
        if subset.traffic_policy:
            yield from _policy(subset.traffic_policy, here.key("trafficPolicy"))


def _policy(policy: TrafficPolicy, at: At) -> Iterator[Problem]:
    if policy == TrafficPolicy():
        yield at.error("traffic policy must have at least one field")
    yield from _settings(policy, at)
    if policy.tunnel:
        here = at.key("tunnel")
        yield from one_of(here.key("protocol"), policy.tunnel.protocol, ("", "CONNECT", "POST"))
        if not policy.tunnel.target_host:
            yield here.key("targetHost").required()
        yield from port_number(here.key("targetPort"), policy.tunnel.target_port)
    if policy.retry_budget:
        here = at.key("retryBudget")
        if not 0 <= (policy.retry_budget.percent or 0) <= 100:
            yield here.key("percent").error("percent must be in range [0, 100]")
        yield from between(
            here.key("minRetryConcurrency"), policy.retry_budget.min_retry_concurrency, 0
        )
    if policy.proxy_protocol:
        here = at.key("proxyProtocol", "version")
        yield from one_of(here, policy.proxy_protocol.version, ("V1", "V2"))
    for index, settings in enumerate(policy.port_level_settings):
        here = at.key("portLevelSettings").item(index)
        if settings.port is None:
            yield here.error("portTrafficPolicy must have valid port", "port: {number: 80}")
        else:
            yield from port_number(here.key("port", "number"), settings.port.number)
        if settings == PortTrafficPolicy(port=settings.port):
            yield here.error("port traffic policy must have at least one field")
        yield from _settings(settings, here)


def _settings(policy: TrafficPolicy | PortTrafficPolicy, at: At) -> Iterator[Problem]:
    if policy.load_balancer:
        here = at.key("loadBalancer")
        yield from one_of(here.key("simple"), policy.load_balancer.simple, SIMPLE)
        yield from _balancer(policy.load_balancer, here)
        if setting := policy.load_balancer.locality_lb_setting:
            here = here.key("localityLbSetting")
            yield from (here.error(words) for words in locality_faults(setting))
            if (setting.failover or setting.failover_priority) and not policy.outlier_detection:
                yield here.warning(NO_OUTLIERS, "outlierDetection: {consecutive5xxErrors: 5}")
    if policy.connection_pool:
        yield from check_pool(policy.connection_pool, at.key("connectionPool"))
    if policy.outlier_detection:
        yield from check_outliers(policy.outlier_detection, at.key("outlierDetection"))
    if policy.tls:
        yield from _tls(policy.tls, at.key("tls"))


def _balancer(balancer: LoadBalancerSettings, at: At) -> Iterator[Problem]:
    yield from check_duration(at.key("warmupDurationSecs"), balancer.warmup_duration_secs)
    if warmup := balancer.warmup:
        here = at.key("warmup")
        if warmup.duration is None:
            yield here.key("duration").required("how long an endpoint is new")
        yield from check_duration(here.key("duration"), warmup.duration)
        if not 0 <= (warmup.minimum_percent or 0) <= 100:
            yield here.key("minimumPercent").error("warmup.minimumPercent must be within [0, 100]")
        if warmup.aggression is not None and warmup.aggression < 1:
            yield here.key("aggression").error("warmup.aggression must be >= 1.0")
    hashing = balancer.consistent_hash
    if hashing is None:
        return
    here = at.key("consistentHash")
    if balancer.simple:
        yield at.error("only one of simple and consistentHash can be set")
    keys = (
        hashing.http_header_name,
        hashing.http_cookie,
        hashing.use_source_ip,
        hashing.http_query_parameter_name,
    )
    if sum(map(bool, keys)) != 1:
        words = "give one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName"
        yield here.error("consistent hash needs one thing to hash", words)
    if hashing.http_cookie and not hashing.http_cookie.name:
        yield here.key("httpCookie", "name").error("name required for HttpCookie")
    if hashing.maglev and hashing.maglev.table_size and not _is_prime(hashing.maglev.table_size):
        yield here.key("maglev", "tableSize").error("tableSize must be a prime number for maglev")


def _is_prime(number: int) -> bool:
    top = int(number**0.5)
    return number > 1 and number <= _MOST_PLACES and all(number % n for n in range(2, top + 1))


def check_pool(pool: ConnectionPoolSettings, at: At) -> Iterator[Problem]:
    """Limits of connections and requests."""
    if pool.http is None and pool.tcp is None:
        yield at.error("connection pool must have at least one field", "give tcp or http")
    if pool.tcp:
        yield from _tcp(pool.tcp, at.key("tcp"))
    if pool.http:
        yield from _http(pool.http, at.key("http"))


def _tcp(tcp: TCPSettings, at: At) -> Iterator[Problem]:
    yield from between(at.key("maxConnections"), tcp.max_connections, 0)
    yield from check_duration(at.key("connectTimeout"), tcp.connect_timeout)
    yield from check_duration(at.key("maxConnectionDuration"), tcp.max_connection_duration)
    yield from check_duration(at.key("idleTimeout"), tcp.idle_timeout, zero=True)
    if tcp.tcp_keepalive:
        here = at.key("tcpKeepalive")
        yield from between(here.key("probes"), tcp.tcp_keepalive.probes, 0)
        yield from check_duration(here.key("time"), tcp.tcp_keepalive.time)
        yield from check_duration(here.key("interval"), tcp.tcp_keepalive.interval)


def _http(http: HTTPSettings, at: At) -> Iterator[Problem]:
    for name, value in (
        ("http1MaxPendingRequests", http.http1_max_pending_requests),
        ("http2MaxRequests", http.http2_max_requests),
        ("maxRequestsPerConnection", http.max_requests_per_connection),
        ("maxRetries", http.max_retries),
        ("maxConcurrentStreams", http.max_concurrent_streams),
    ):
        yield from between(at.key(name), value, 0)
    yield from check_duration(at.key("idleTimeout"), http.idle_timeout)
    if ping := http.http2_keep_alive:
        here = at.key("http2KeepAlive")
        if ping.interval is None:
            yield here.key("interval").required("how often a ping is sent")
        if ping.timeout is None:
            yield here.key("timeout").required("how long its answer may take")
        yield from check_duration(here.key("interval"), ping.interval)
        yield from check_duration(here.key("timeout"), ping.timeout)
    yield from one_of(at.key("h2UpgradePolicy"), http.h2_upgrade_policy, H2_POLICIES)
    if http.h2_upgrade_policy == "UPGRADE" and http.use_client_protocol:
        words = "use client protocol must not be true when H2UpgradePolicy is UPGRADE"
        yield at.key("useClientProtocol").error(words)


def check_outliers(outliers: OutlierDetection, at: At) -> Iterator[Problem]:
    """Every fault of an outlier detection."""
    yield from check_duration(at.key("interval"), outliers.interval)
    yield from check_duration(at.key("baseEjectionTime"), outliers.base_ejection_time)
    for name, value in (
        ("consecutive5xxErrors", outliers.consecutive_5xx_errors),
        ("consecutiveGatewayErrors", outliers.consecutive_gateway_errors),
        ("consecutiveLocalOriginFailures", outliers.consecutive_local_origin_failures),
    ):
        yield from between(at.key(name), value, 0)
    if outliers.consecutive_local_origin_failures and not (
        outliers.split_external_local_origin_errors
    ):
        yield at.key("consecutiveLocalOriginFailures").error(
            "outlier detection consecutive local origin failures is specified, but split external"
            " local origin errors is set to false",
            "splitExternalLocalOriginErrors: true",
        )
    for index, code in enumerate(outliers.outlier_detection_http_error_codes):
        yield from between(at.key("outlierDetectionHttpErrorCodes").item(index), code, 100, 599)
    for name, value in (
        ("maxEjectionPercent", outliers.max_ejection_percent),
        ("minHealthPercent", outliers.min_health_percent),
    ):
        if value is not None and not 0 <= value <= 100:
            yield at.key(name).error(f"percentage {value} is not in range 0..100")


def _tls(tls: ClientTLSSettings, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("mode"), tls.mode, TLS_MODES)
    if tls.insecure_skip_verify and tls.mode in ("SIMPLE", "MUTUAL"):
        named = tls.credential_name and tls.mode == "SIMPLE"
        if tls.ca_certificates or tls.subject_alt_names or named:
            yield at.key("insecureSkipVerify").error(
                "cannot specify CaCertificates or CredentialName or SubjectAltNames when"
                " InsecureSkipVerify is set true"
            )
    files = tls.client_certificate or tls.private_key or tls.ca_certificates or tls.ca_crl
    if tls.mode in ("SIMPLE", "MUTUAL") and tls.credential_name:
        if files:
            yield at.key("credentialName").error(
                "cannot specify client certificates or CA certificate or CA CRL If credentialName"
                " is set"
            )
    elif tls.mode == "MUTUAL":
        if not tls.client_certificate:
            yield at.key("clientCertificate").error("client certificate required for mutual tls")
        if not tls.private_key:
            yield at.key("privateKey").error("private key required for mutual tls")
