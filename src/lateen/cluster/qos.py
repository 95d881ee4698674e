"""How a pod is treated when memory runs short: Guaranteed, Burstable or BestEffort.

In: PodSpec.    Out: `qos_class`.    Source: kubernetes pkg/apis/core/v1/helper/qos, ComputePodQOS.
Before: api/quantity.py        After: cluster/podstatus.py
"""

from __future__ import annotations

from fractions import Fraction

from lateen.api.pod import PodSpec
from lateen.api.quantity import Quantity, exact

_COMPUTE = ("cpu", "memory")


def qos_class(spec: PodSpec) -> str:
    """The class that the requests and limits of all containers, init containers too, amount to."""
    every = [c.resources for c in (*spec.containers, *spec.init_containers)]
    pairs = [
        (_above_zero(r.limits), _above_zero(r.limits) | _above_zero(r.requests)) for r in every
    ]
    if not any(requests for _, requests in pairs):
        return "BestEffort"
    complete = all(limits.keys() == set(_COMPUTE) and limits == asked for limits, asked in pairs)
    return "Guaranteed" if complete else "Burstable"


def _above_zero(given: dict[str, Quantity]) -> dict[str, Fraction]:
    amounts = {name: exact(given[name]) for name in _COMPUTE if name in given}
    return {name: amount for name, amount in amounts.items() if amount > 0}
