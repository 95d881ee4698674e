"""How important a pod is, from its PriorityClass.

In: a pod, priority classes.    Out: Importance.
Before: check/priorities.py        After: cluster/scheduling.py

A pod that came by the API or from a controller has its priority in its spec; one of a file has not.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.check.priorities import class_of
from lateen.cluster.pods import pod_of


class Importance(Struct, frozen=True, kw_only=True):
    """A pod's priority, and whether others are never to end for it."""

    value: int = 0
    never: bool = False


def importance_of(pod: Obj, classes: Sequence[Obj]) -> Importance:
    """By the pod's own fields, its class, or the class that is everybody's."""
    spec = pod_of(pod).spec
    found = class_of(spec.priority_class_name, classes)
    policy = spec.preemption_policy or (found.preemption_policy if found else "")
    value = spec.priority
    if value is None:
        value = found.value if found else 0
    return Importance(value=value, never=policy == "Never")
