"""What is kept of what is observed, and where it is handed on to.

In: -    Out: Observing.
Before: -        After: sources/telemetry.py, app/settings.py, telemetry/
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

HOUR, MIB = 3600.0, 1024 * 1024


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How long (seconds) and how much (bytes on disk, number of series) at most; the oldest goes first."""

    metrics_age: float = 12 * HOUR
    metrics_bytes: int = 512 * MIB
    metrics_series: int = 200_000
    traces_age: float = 6 * HOUR
    traces_bytes: int = 256 * MIB
    logs_age: float = 7 * 24 * HOUR
    logs_bytes: int = 1024 * MIB


class Collector(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, by OTLP over HTTP: the address without its path (`http://127.0.0.1:4318`), headers to send along."""

    endpoint: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Observing(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; without a collector nothing is handed on."""

    kept: Kept = msgspec.field(default_factory=Kept)
    collector: Collector | None = None
