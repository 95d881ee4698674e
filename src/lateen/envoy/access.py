"""What a proxy writes down of each request and connection: lines, and Istio's metrics.

In: Watch.                  Out: AccessLogs.
Before: watch.py, logs.py   After: http.py

Metrics come out as `envoy_istio_requests_total`; who reads :15090 strips `envoy_`. A histogram of Envoy knows its
values by bucket only, and its sum is up to 5 % off; so what sums are made of is counted beside it.

TCP bytes are counted when a connection ends. Of an open one Envoy tells the total so far, which a counter would add up
each time; so it is a gauge of that connection alone, 0 once it has ended, and who reads the page adds up gauges and counter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from google.protobuf.wrappers_pb2 import UInt64Value

from lateen.envoy import names
from lateen.envoy.logs import request_logs
from lateen.envoy.pb.envoy.config.accesslog.v3.accesslog_pb2 import (
    AccessLog,
    AccessLogFilter,
    AndFilter,
    ComparisonFilter,
    DurationFilter,
    LogTypeFilter,
    MetadataFilter,
)
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import RuntimeUInt32
from lateen.envoy.pb.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType
from lateen.envoy.pb.envoy.extensions.access_loggers.stats.v3.stats_pb2 import Config
from lateen.envoy.pb.envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from lateen.envoy.pb.envoy.type.v3.scope_pb2 import Scope
from lateen.envoy.watch import Watch
from lateen.envoy.wire import FALSE, packed, u32

_SCOPE = Scope(max_counters=u32(4000), max_histograms=u32(1500))
# Two gauges a connection; those that ended are forgotten within two of the bootstrap's evictions.
_LIVE_SCOPE = Scope(max_gauges=u32(2000), enable_eviction=True)


# Told per request by Envoy alone; who reads the page makes other labels of these, and must have them.
_PLAIN = ("request_protocol", "response_code", "response_flags", "grpc_response_status")


def _wanted(watch: Watch, name: str, tags: Mapping[str, str]) -> Mapping[str, str] | None:
    """The labels of a metric after what Telemetry changes of them; None for one that is off."""
    metrics = watch.reports.metrics
    if name in metrics.off:
        return None
    made, removed = dict(tags), []
    for metric, label, format in metrics.labels:
        if metric != name:
            continue
        if format is not None:
            made[label] = format
        elif label in _PLAIN:
            made.pop(label, None)
        else:
            removed.append(label)
    return made | ({names.REMOVED_LABELS: ",".join(removed)} if removed else {})


def _counters(
    watch: Watch, some: Iterable[tuple[str, Mapping[str, str], str]]
) -> list[Config.Counter]:
    """Counters by name: labels, and what is added ("": one)."""
    found = []
    for name, tags, value in some:
        wanted = _wanted(watch, name, tags)
        if wanted is None:
            continue
        one = UInt64Value(value=1) if not value else None
        found.append(Config.Counter(stat=_stat(name, wanted), value_fixed=one, value_format=value))
    return found


def _stat(name: str, tags: Mapping[str, str]) -> Config.Stat:
    made = [Config.Tag(name=tag, value_format=value) for tag, value in tags.items()]
    return Config.Stat(name=name, tags=made)


def _stats(config: Config, *types: AccessLogType.ValueType, scope: Scope = _SCOPE) -> AccessLog:
    config.stats_scope.CopyFrom(scope)
    made = AccessLog(name="envoy.access_loggers.stats", typed_config=packed(config))
    if types:
        made.filter.CopyFrom(_types(*types))
    return made


def http_logs(watch: Watch, noted: Sequence[str] = ()) -> list[AccessLog]:
    """A line and Istio's HTTP metrics for each request, and what policies noted of it."""
    tags = watch.tags
    full = {
        **tags,
        "request_protocol": "%PROTOCOL%",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "grpc_response_status": "%GRPC_STATUS_NUMBER%",
    }
    histograms = (
        ("istio_request_duration_milliseconds", Config.Histogram.Milliseconds, "%DURATION%"),
        ("istio_request_bytes", Config.Histogram.Bytes, "%BYTES_RECEIVED%"),
        ("istio_response_bytes", Config.Histogram.Bytes, "%BYTES_SENT%"),
    )
    config = Config(counters=_counters(watch, [("istio_requests_total", full, "")]))
    for name, unit, value in histograms:
        wanted = _wanted(watch, name, full)
        if wanted is None:
            continue
        stat, exact = _stat(name, wanted), _stat(f"{name}{names.EXACT_SUM}", wanted)
        config.histograms.append(Config.Histogram(stat=stat, unit=unit, value_format=value))
        config.counters.append(Config.Counter(stat=exact, value_format=value))
    lines = request_logs(watch.reports.logs, judged=bool(noted))
    return [*lines, _stats(config), *_decisions(tags, noted)]


# What a place's policies note, by the beginning of the key they note it under, and how it is counted.
_RESULTS = {
    names.ENFORCED: f"%DYNAMIC_METADATA({names.HTTP_RBAC}:{names.ENFORCED}engine_result)%",
    names.ASKED: "asked",
    names.AUDITED: "audited",
    names.DRY_DENY: "would be denied",
    names.DRY_ALLOW: "would be allowed",
}


def _decisions(tags: Mapping[str, str], noted: Iterable[str]) -> Iterator[AccessLog]:
    """Requests counted by the rule that decided, and by those that only noted them."""
    for prefix in noted:
        key = prefix if prefix == names.ENFORCED else f"{prefix}shadow_"
        policy = f"%DYNAMIC_METADATA({names.HTTP_RBAC}:{key}effective_policy_id)%"
        counter = _decision({**tags, "policy": policy, "result": _RESULTS[prefix]})
        made = _stats(Config(counters=[counter]))
        # What no rule decided is counted where it is enforced, and else was not noted at all.
        present = "engine_result" if prefix == names.ENFORCED else "effective_policy_id"
        matcher = MetadataMatcher(
            filter=names.HTTP_RBAC,
            path=[MetadataMatcher.PathSegment(key=f"{key}{present}")],
            value=ValueMatcher(present_match=True),
        )
        made.filter.metadata_filter.CopyFrom(
            MetadataFilter(matcher=matcher, match_if_key_not_found=FALSE)
        )
        yield made


def _decision(tags: Mapping[str, str]) -> Config.Counter:
    return Config.Counter(
        stat=_stat("lateen_policy_decisions_total", tags), value_fixed=UInt64Value(value=1)
    )


def _at_end(line: AccessLog) -> AccessLog:
    """Only once the connection has ended, besides what the line's own filter says."""
    only = _types(AccessLogType.TcpConnectionEnd)
    if line.HasField("filter"):
        only = AccessLogFilter(and_filter=AndFilter(filters=[line.filter, only]))
    made = AccessLog()
    made.CopyFrom(line)
    made.filter.CopyFrom(only)
    return made


_BYTES = {
    "istio_tcp_received_bytes_total": "%BYTES_RECEIVED%",
    "istio_tcp_sent_bytes_total": "%BYTES_SENT%",
}
_ZERO = "%RESPONSE_CODE%"  # of a connection; a gauge cannot be set to a fixed 0


def _live(watch: Watch, tags: Mapping[str, str]) -> Iterator[AccessLog]:
    """The bytes so far of connections that stay open."""
    config = Config()
    for name, value in _BYTES.items():
        wanted = _wanted(watch, name, tags)
        if wanted is None:
            continue
        own = {**wanted, names.CONNECTION: "%CONNECTION_ID%"}
        stat = _stat(name.removesuffix("_total") + names.LIVE, own)
        for when, what in (
            (AccessLogType.TcpPeriodic, value),
            (AccessLogType.TcpConnectionEnd, _ZERO),
        ):
            one = Config.Gauge(stat=stat, value_format=what, set=Config.Gauge.Set(log_type=when))
            config.gauges.append(one)
    if config.gauges:
        made = _stats(config, scope=_LIVE_SCOPE)
        made.filter.or_filter.filters.extend([_types(AccessLogType.TcpPeriodic), _long_ended()])
        yield made


def _types(*types: AccessLogType.ValueType) -> AccessLogFilter:
    return AccessLogFilter(log_type_filter=LogTypeFilter(types=types))


def _long_ended() -> AccessLogFilter:
    """The end of a connection that was told of while it was open; others have no gauge to set."""
    milliseconds = RuntimeUInt32(
        default_value=int(names.LIVE_AFTER * 1000), runtime_key="lateen.live_after"
    )
    comparison = ComparisonFilter(op=ComparisonFilter.GE, value=milliseconds)
    lasted = AccessLogFilter(duration_filter=DurationFilter(comparison=comparison))
    ended = _types(AccessLogType.TcpConnectionEnd)
    return AccessLogFilter(and_filter=AndFilter(filters=[ended, lasted]))


def tcp_logs(watch: Watch, *, judged: bool = False) -> list[AccessLog]:
    """A line and Istio's TCP metrics for each connection; `judged`: where policies hold.

    What refused a connection stands in how it ended, which telemetry/istio.py makes a label of.
    """
    tags = watch.tags
    full = {**tags, "request_protocol": "tcp", "response_flags": "%RESPONSE_FLAGS%"}
    moved = {**full, "response_flags": "-"}  # how it ends is not known while bytes are counted
    opened = Config(counters=_counters(watch, [("istio_tcp_connections_opened_total", tags, "")]))
    closed = Config(
        counters=_counters(
            watch,
            [
                ("istio_tcp_connections_closed_total", full, ""),
                *((name, moved, value) for name, value in _BYTES.items()),
            ],
        )
    )
    if judged:
        ended = "%CONNECTION_TERMINATION_DETAILS%"
        closed.counters.append(_decision({**tags, "policy": ended}))
    lines = [_at_end(line) for line in request_logs(watch.reports.logs)]
    return [
        *lines,
        _stats(opened, AccessLogType.TcpUpstreamConnected),
        _stats(closed, AccessLogType.TcpConnectionEnd),
        *_live(watch, moved),
    ]
