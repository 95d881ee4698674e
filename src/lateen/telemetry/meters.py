"""Count and time what happens in this process, as Prometheus' counters and histograms.

In: events, with labels.    Out: Families.
Before: -        After: app/measuring.py
"""

from __future__ import annotations

import os
import resource
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lateen.telemetry.promtext import Family, Sample, series

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MOST = 2000  # sets of labels, so that callers cannot fill the memory
Key = tuple[str, ...]


@dataclass(kw_only=True)
class Histogram:
    """How often and how long; `labels` names what each observation tells."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: Sequence[float] = SECONDS
    _counts: dict[Key, list[int]] = field(default_factory=dict)
    _sums: dict[Key, float] = field(default_factory=dict)

    def observe(self, value: float, *key: str) -> None:
        """One more."""
        if key not in self._counts and len(self._counts) >= _MOST:
            return
        counts = self._counts.setdefault(key, [0] * (len(self.bounds) + 1))
        counts[bisect_left(self.bounds, value)] += 1
        self._sums[key] = self._sums.get(key, 0.0) + value

    def family(self) -> Family:
        """All of it."""
        samples: list[Sample] = []
        for key, counts in sorted(self._counts.items()):
            labels = dict(zip(self.labels, key, strict=True))
            total = 0
            for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
                total += count
                le = "+Inf" if bound == float("inf") else f"{bound:g}"
                samples.append(series(f"{self.name}_bucket", total, labels | {"le": le}))
            samples.append(series(f"{self.name}_sum", self._sums[key], labels))
            samples.append(series(f"{self.name}_count", total, labels))
        return Family(name=self.name, type="histogram", help=self.help, samples=tuple(samples))


def gauge(name: str, help: str, value: float, labels: Mapping[str, str] | None = None) -> Family:
    """One value as it is now."""
    return Family(name=name, type="gauge", help=help, samples=(series(name, value, labels),))


def process_families(started: float) -> tuple[Family, ...]:
    """What this process uses; `started` in seconds since 1970."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = series("process_cpu_seconds_total", used.ru_utime + used.ru_stime)
    help = "Total user and system CPU time spent in seconds."
    return (
        Family(name=cpu.name, type="counter", help=help, samples=(cpu,)),
        gauge("process_resident_memory_bytes", "Resident memory size in bytes.", _resident()),
        gauge("process_start_time_seconds", "Start time since the epoch in seconds.", started),
    )


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
