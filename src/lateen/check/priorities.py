"""Give a new pod the priority of its class, and the tolerations that every pod has.

In: a pod's tree, the priority classes.    Out: the tree, or why the pod may not come.
Before: api/policy.py        After: check/newcomers.py, cluster/importance.py
Source: kubernetes plugin/pkg/admission/priority, plugin/pkg/admission/defaulttolerationseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.api.meta import ObjectMeta
from lateen.api.objects import Obj
from lateen.api.policy import PriorityClass

Tree = Mapping[str, Any]
SYSTEM = {
    name: PriorityClass(metadata=ObjectMeta(name=name), value=value)
    for name, value in (
        ("system-cluster-critical", 2_000_000_000),
        ("system-node-critical", 2_000_001_000),
    )
}
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_STAY = 300  # seconds a pod stays on a node that went away


def class_of(name: str, classes: Iterable[Obj]) -> PriorityClass | None:
    """The class of that name; without a name the one that is everybody's, if there is one."""
    known = [(c.key.name, c.typed) for c in classes if isinstance(c.typed, PriorityClass)]
    found = (c for own, c in known if own == name or (not name and c.global_default))
    return next(found, None) or SYSTEM.get(name)


def with_priority(pod: Tree, classes: Iterable[Obj]) -> tuple[dict[str, Any], str]:
    """The pod with its priority, or the words of the refusal."""
    spec = pod["spec"]
    name = spec.get("priorityClassName") or ""
    found = class_of(name, classes)
    if name and found is None:
        return dict(pod), f"no PriorityClass with name {name} was found"
    value = found.value if found else 0
    given = spec.get("priority")
    if given is not None and given != value:
        return dict(pod), (
            f"the integer value of priority ({given}) must not be provided in pod spec; priority "
            f"admission controller computed {value} from the given PriorityClass name"
        )
    made = {**spec, "priority": value}
    if found is not None:
        made["priorityClassName"] = found.metadata.name
    policy = found.preemption_policy if found else "PreemptLowerPriority"
    made.setdefault("preemptionPolicy", policy)
    return {**pod, "spec": made}, ""


def with_usual_tolerations(pod: Tree) -> dict[str, Any]:
    """The pod tolerating for a while that its node is away, unless it says how long itself."""
    given = list(pod["spec"].get("tolerations") or ())
    missing = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _STAY}
        for key in _TAINTS
        if not any(_speaks_of(toleration, key) for toleration in given)
    ]
    return {**pod, "spec": {**pod["spec"], "tolerations": [*given, *missing]}}


def _speaks_of(toleration: Tree, key: str) -> bool:
    effect = toleration.get("effect") or "NoExecute"
    return effect == "NoExecute" and (toleration.get("key") or key) == key
