"""One DestinationRule's settings in the words of the IR.

In: LoadBalancerSettings, ConnectionPoolSettings, OutlierDetection.    Out: Balance, Limits, Ejection.
Before: api/destinationrule.py                                         After: translate/backends.py

A number that is zero counts as not set, as in Istio, whose API cannot tell the two apart.
"""

from __future__ import annotations

from msgspec.structs import replace

from lateen.api.destinationrule import (
    ConnectionPoolSettings,
    LoadBalancerSettings,
    OutlierDetection,
    RetryBudget,
    TunnelSettings,
)
from lateen.api.fields import Duration
from lateen.base.origin import Origin
from lateen.ir.backends import Balance, Ejection, Hashing, Limits, Tunnel, Warmup
from lateen.ir.routes import CookieHash, HashBy, HeaderHash, QueryHash, SourceHash
from lateen.translate.destinations import Destinations
from lateen.translate.meshwide import NOTHING_SAID, MeshWide, keepalive_of

_BALANCES = {
    "ROUND_ROBIN": Balance.ROUND_ROBIN,
    "RANDOM": Balance.RANDOM,
    "PASSTHROUGH": Balance.PASSTHROUGH,
}
_RING = 1024  # Istio's smallest ring


def seconds(duration: Duration | None) -> float | None:
    """A duration in seconds, or None."""
    return None if duration is None else duration.seconds


def balance_of(settings: LoadBalancerSettings | None) -> Balance:
    """How an endpoint is chosen; LEAST_REQUEST unless something else is asked for."""
    return _BALANCES.get(settings.simple if settings else "", Balance.LEAST_REQUEST)


def hashing_of(settings: LoadBalancerSettings | None) -> Hashing | None:
    """The table requests are looked up in; Istio's smallest ring unless another is asked for."""
    said = settings.consistent_hash if settings else None
    if said is None:
        return None
    if said.maglev:
        return Hashing(maglev=True, size=_set(said.maglev.table_size))
    if said.ring_hash:
        return Hashing(size=_set(said.ring_hash.minimum_ring_size))
    return Hashing(size=_set(said.minimum_ring_size) or _RING)


def warmup_of(settings: LoadBalancerSettings | None) -> Warmup | None:
    """How new endpoints are spared; `warmupDurationSecs` is the older form."""
    if settings is None:
        return None
    said = settings.warmup
    if said and said.duration:
        percent, aggression = said.minimum_percent, said.aggression
        return Warmup(
            window=said.duration.seconds,
            percent=10.0 if percent is None else percent,
            aggression=1.0 if aggression is None else aggression,
        )
    window = seconds(settings.warmup_duration_secs)
    return None if window is None else Warmup(window=window)


def hash_of(rules: Destinations, port: int, subset: str) -> HashBy | None:
    """What of a request is hashed on its way to a port of a host."""
    balance = rules.effective(port, subset).balance
    said = balance.value.consistent_hash if balance else None
    if said is None:
        return None
    if said.http_header_name:
        return HeaderHash(said.http_header_name.lower())
    if cookie := said.http_cookie:
        return CookieHash(
            name=cookie.name,
            path=cookie.path,
            ttl=seconds(cookie.ttl),
            attributes=tuple((each.name, each.value) for each in cookie.attributes),
        )
    if said.http_query_parameter_name:
        return QueryHash(said.http_query_parameter_name)
    return SourceHash() if said.use_source_ip else None


def tunnel_of(tunnel: TunnelSettings | None) -> Tunnel | None:
    """Where raw connections are tunnelled to."""
    if tunnel is None:
        return None
    target = f"{tunnel.target_host}:{tunnel.target_port}"
    return Tunnel(target=target, post=tunnel.protocol == "POST")


def limits_of(
    pool: ConnectionPoolSettings | None,
    budget: RetryBudget | None = None,
    mesh: MeshWide = NOTHING_SAID,
) -> Limits:
    """What a connection pool, a budget of retries and the mesh's settings allow."""
    made = _pool(pool or ConnectionPoolSettings(), mesh)
    if budget is None:
        return made
    percent = 20.0 if budget.percent is None else budget.percent
    least = _set(budget.min_retry_concurrency) or made.retry_least
    over = seconds(budget.budget_interval)
    return replace(made, retry_percent=percent, retry_least=least, retry_over=over)


def _pool(pool: ConnectionPoolSettings, mesh: MeshWide) -> Limits:
    tcp, http = pool.tcp, pool.http
    ping = http.http2_keep_alive if http else None
    idle = seconds(http.idle_timeout) if http else None
    tcp_idle = seconds(tcp.idle_timeout) if tcp else None
    connect = seconds(tcp.connect_timeout) if tcp else None
    return Limits(
        connect_timeout=mesh.connect_timeout if connect is None else connect,
        max_connections=_set(tcp.max_connections) if tcp else None,
        max_pending=_set(http.http1_max_pending_requests) if http else None,
        max_requests=_set(http.http2_max_requests) if http else None,
        max_retries=_set(http.max_retries) if http else None,
        max_requests_per_connection=_set(http.max_requests_per_connection) if http else None,
        max_concurrent_streams=_set(http.max_concurrent_streams) if http else None,
        ping=(ping.interval.seconds, ping.timeout.seconds)
        if ping and ping.interval and ping.timeout
        else None,
        idle_timeout=tcp_idle if idle is None else idle,
        tcp_idle_timeout=tcp_idle,
        max_connection_duration=seconds(tcp.max_connection_duration) if tcp else None,
        keepalive=keepalive_of(tcp.tcp_keepalive if tcp else None, mesh.keepalive),
    )


def ejection_of(outlier: OutlierDetection, origin: Origin) -> Ejection:
    """When an endpoint is left out, with Envoy's own defaults where nothing is said."""
    split = outlier.split_external_local_origin_errors
    five = outlier.consecutive_5xx_errors
    interval, base = seconds(outlier.interval), seconds(outlier.base_ejection_time)
    return Ejection(
        consecutive_5xx=5 if five is None else five,
        consecutive_gateway=outlier.consecutive_gateway_errors,
        consecutive_local_origin=_set(outlier.consecutive_local_origin_failures) if split else None,
        split_local_origin=split,
        interval=10.0 if interval is None else interval,
        base_time=30.0 if base is None else base,
        max_percent=outlier.max_ejection_percent or 10,
        min_health_percent=outlier.min_health_percent or 0,
        error_codes=outlier.outlier_detection_http_error_codes,
        origin=origin,
    )


def _set(number: int | None) -> int | None:
    return number if number and number > 0 else None
