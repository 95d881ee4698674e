"""A proxy's own basic counters, out of its plain stats page.

In: lines of `name: value`.    Out: ProxyCounters.
Before: -        After: telemetry/collecting.py

Source: Envoy's statistics of HTTP connection managers, clusters, outlier detection and TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# The regular expression handed to Envoy: only what is read below travels.
FILTER = (
    r"^(http\.(in|out)bound_.*\.downstream_rq_(total|5xx)"
    r"|cluster\..*\.(upstream_(cx|rq_pending|rq_retry)_overflow"
    r"|outlier_detection\.ejections_(enforced_total|active))"
    r"|(cluster|listener)\..*ssl\.handshake)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyCounters:
    """Counts since the proxy started; `ejected` is how many endpoints are out right now."""

    inbound_requests: int = 0
    inbound_errors: int = 0  # answered 5xx
    outbound_requests: int = 0
    outbound_errors: int = 0
    overflows: int = 0  # turned away by a circuit breaker's limit
    ejections: int = 0  # by outlier detection
    ejected: int = 0
    mtls_in: int = 0  # TLS handshakes as a server
    mtls_out: int = 0  # TLS handshakes as a client


def count(page: str) -> ProxyCounters:
    """Sum up one proxy's page."""
    totals: dict[str, int] = {}
    for name, value in _stats(page):
        if field := _field_of(name):
            totals[field] = totals.get(field, 0) + value
    return ProxyCounters(**totals)


def _stats(page: str) -> Iterator[tuple[str, int]]:
    for line in page.splitlines():
        name, _, value = line.strip().rpartition(": ")
        if name and value.isdecimal():
            yield name, int(value)


def _field_of(name: str) -> str:
    if name.startswith(("http.inbound_", "http.outbound_")):
        side = "inbound" if name.startswith("http.in") else "outbound"
        if name.endswith(".downstream_rq_total"):
            return f"{side}_requests"
        return f"{side}_errors" if name.endswith(".downstream_rq_5xx") else ""
    if name.endswith("ssl.handshake"):
        return "mtls_in" if name.startswith("listener.") else "mtls_out"
    if name.endswith("_overflow"):
        return "overflows"
    if name.endswith(".ejections_enforced_total"):
        return "ejections"
    return "ejected" if name.endswith(".ejections_active") else ""
