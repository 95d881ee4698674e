"""Figures that only rise, of pages that are read while they change.

In: the values of one look after another.    Out: the same, but none lower than before for one look.
Before: telemetry/istio.py        After: telemetry/pages.py, telemetry/podpages.py

A connection's bytes go from its gauge to a counter when it ends, and Envoy shows counters before gauges: what ends in
between is in neither. What has fallen at the next look, too, has: then the proxy began anew.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

MOVED = ("istio_tcp_received_bytes_total", "istio_tcp_sent_bytes_total")
K = TypeVar("K", bound=Hashable)


class Steady(Generic[K]):
    """What was seen at the last look, by series."""

    def __init__(self) -> None:
        self._last: dict[K, tuple[float, bool]] = {}

    def held(self, values: Mapping[K, float]) -> dict[K, float]:
        """The values of a look; one that is lower than at the last stays as it was, once."""
        made: dict[K, tuple[float, bool]] = {}
        for key, value in values.items():
            before, doubted = self._last.get(key, (value, False))
            fell = value < before and not doubted
            made[key] = (before, True) if fell else (value, False)
        self._last = made
        return {key: value for key, (value, _) in made.items()}
