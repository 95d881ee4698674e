"""Who calls whom, for the console's graph.

In: Istio's families of all proxies.    Out: Edges.
Before: telemetry/istio.py              After: telemetry/collecting.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lateen.telemetry.promtext import Family

REQUESTS = "istio_requests_total"
CONNECTIONS = "istio_tcp_connections_opened_total"
DURATION_SUM = "istio_request_duration_milliseconds_sum"
DURATION_COUNT = "istio_request_duration_milliseconds_count"
DURATION = "istio_request_duration_milliseconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Requests from one workload to another since the proxies started.

    `requests` and `errors` (5xx) are the caller's, to whom a request tried again is one; `tries` and
    `tries_failed` are what arrived at the destination. `mutual` counts what arrived over mTLS and
    `plain` what did not, TCP connections included; `connections` are those that carry no HTTP.
    `milliseconds` is the mean time of an answer, None if nothing was timed yet.
    """

    source: str
    source_namespace: str
    destination: str
    destination_namespace: str
    version: str = ""
    requests: int = 0
    errors: int = 0
    tries: int = 0
    tries_failed: int = 0
    mutual: int = 0
    plain: int = 0
    connections: int = 0
    milliseconds: float | None = None


_Key = tuple[str, str, str, str, str]


def edges(families: Iterable[Family]) -> tuple[Edge, ...]:
    """Edges as their sources report them, for those see also what never arrived; as destinations do
    where the source has no proxy. Only a destination can tell whether the caller proved who it is.
    """
    counted: dict[str, dict[_Key, Edge]] = {"destination": {}, "source": {}}
    times: dict[tuple[str, _Key], list[float]] = {}
    for family in families:
        if family.name not in (REQUESTS, CONNECTIONS, DURATION):
            continue
        for sample in family.samples:
            labels = dict(sample.labels)
            reporter, key = labels.get("reporter", ""), _key(labels)
            if reporter not in counted:
                continue
            if sample.name in (REQUESTS, CONNECTIONS):
                known = counted[reporter].get(key) or _edge(key)
                counted[reporter][key] = _added(known, sample.name, sample.value, labels)
            elif sample.name in (DURATION_SUM, DURATION_COUNT):
                total = times.setdefault((reporter, key), [0.0, 0.0])
                total[sample.name == DURATION_COUNT] += sample.value
    made = []
    for key in sorted(counted["source"].keys() | counted["destination"].keys()):
        sent, taken = counted["source"].get(key), counted["destination"].get(key)
        reporter, edge = ("source", sent) if sent else ("destination", taken)
        if edge is not None:
            timed = _timed(edge, times.get((reporter, key)))
            made.append(_with_arrived(timed, taken))
    return tuple(made)


def _with_arrived(edge: Edge, taken: Edge | None) -> Edge:
    if taken is None:
        return replace(edge, mutual=0, plain=0)
    return replace(
        edge,
        tries=taken.requests,
        tries_failed=taken.errors,
        mutual=taken.mutual,
        plain=taken.plain,
    )


def _key(labels: Mapping[str, str]) -> _Key:
    return (
        labels.get("source_workload", "unknown"),
        labels.get("source_workload_namespace", "unknown"),
        _destination(labels),
        labels.get("destination_workload_namespace", "unknown"),
        labels.get("destination_version", ""),
    )


def _destination(labels: Mapping[str, str]) -> str:
    workload = labels.get("destination_workload", "unknown")
    return labels.get("destination_service", workload) if workload == "unknown" else workload


def _edge(key: _Key) -> Edge:
    source, source_namespace, destination, destination_namespace, version = key
    return Edge(
        source=source,
        source_namespace=source_namespace,
        destination=destination,
        destination_namespace=destination_namespace,
        version=version,
    )


def _added(edge: Edge, name: str, value: float, labels: Mapping[str, str]) -> Edge:
    number = int(value)
    mutual = labels.get("connection_security_policy") == "mutual_tls"
    edge = replace(
        edge,
        mutual=edge.mutual + (number if mutual else 0),
        plain=edge.plain + (0 if mutual else number),
    )
    if name == CONNECTIONS:
        return replace(edge, connections=edge.connections + number)
    failed = labels.get("response_code", "").startswith("5")
    return replace(
        edge,
        requests=edge.requests + number,
        errors=edge.errors + (number if failed else 0),
    )


def _timed(edge: Edge, total: list[float] | None) -> Edge:
    return replace(edge, milliseconds=total[0] / total[1]) if total and total[1] else edge
