"""How important a pod is, from its PriorityClass.

In: a pod, priority classes.    Out: Importance.
Before: api/policy.py        After: cluster/scheduling.py
Source: kubernetes plugin/pkg/admission/priority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lateen.api.objects import Obj
from lateen.api.policy import PriorityClass
from lateen.cluster.pods import pod_of

_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """A pod's priority, and whether others are never to end for it."""

    value: int = 0
    never: bool = False


def importance_of(pod: Obj, classes: Sequence[Obj]) -> Importance:
    """By the pod's own fields, its class, or the class that is everybody's."""
    spec = pod_of(pod).spec
    found = _class_of(spec.priority_class_name, classes)
    policy = spec.preemption_policy or (found.preemption_policy if found else "")
    value = spec.priority
    if value is None:
        value = found.value if found else _SYSTEM.get(spec.priority_class_name, 0)
    return Importance(value=value, never=policy == "Never")


def _class_of(name: str, classes: Sequence[Obj]) -> PriorityClass | None:
    known = [(c.key.name, c.typed) for c in classes if isinstance(c.typed, PriorityClass)]
    return next(
        (c for own, c in known if own == name or (not name and c.global_default)),
        None,
    )
