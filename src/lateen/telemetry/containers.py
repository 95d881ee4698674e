"""What containers use, under the names that cAdvisor gives it.

In: the node's account of its containers, the pods they are of.    Out: Families.
Before: node/protocol.py (through app/measuring.py)        After: app/measuring.py
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lateen.telemetry.promtext import Family, series


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerAccount:
    """Seconds of processor time since the container started, and bytes of memory it uses now."""

    namespace: str
    pod: str
    container: str
    image: str
    cpu: float
    memory: int


def container_families(accounts: Iterable[ContainerAccount]) -> tuple[Family, ...]:
    """Three metrics with a sample for each container."""
    rows = [
        (
            one,
            {
                "namespace": one.namespace,
                "pod": one.pod,
                "container": one.container,
                "image": one.image,
            },
        )
        for one in accounts
    ]
    cpu, used, rss = (
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "container_memory_usage_bytes",
    )
    return (
        Family(
            name=cpu,
            type="counter",
            help="Cumulative cpu time consumed in seconds.",
            samples=tuple(series(cpu, one.cpu, {**labels, "cpu": "total"}) for one, labels in rows),
        ),
        Family(
            name=used,
            type="gauge",
            help="Current working set in bytes.",
            samples=tuple(series(used, one.memory, labels) for one, labels in rows),
        ),
        Family(
            name=rss,
            type="gauge",
            help="Current memory usage in bytes.",
            samples=tuple(series(rss, one.memory, labels) for one, labels in rows),
        ),
    )
