"""Pods made for an owner: their names, their trees, the words about them, who goes first.

In: an owner with a template, its pods, the time.    Out: names, trees, actions, ranks.
Before: cluster/naming.py        After: cluster/replicasets.py, cluster/jobs.py, cluster/daemonsets.py
Source: kubernetes pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.cluster.actions import Action, DeleteObject, Tell
from lateen.cluster.naming import suffixed
from lateen.cluster.pods import is_ready, pod_of, ready_since

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def owner_reference(owner: Obj) -> dict[str, Any]:
    """The ownerReference of what this object controls."""
    return {
        "apiVersion": owner.raw["apiVersion"],
        "kind": owner.key.kind,
        "name": owner.key.name,
        "uid": owner.meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_tree(owner: Obj, name: str) -> dict[str, Any]:
    """A pod of the owner's template, which this object controls."""
    template = owner.raw["spec"]["template"]
    meta = template.get("metadata") or {}
    kept = {field: meta[field] for field in ("labels", "annotations") if meta.get(field)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{owner.key.name}-",
            "namespace": owner.key.namespace,
            **kept,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template["spec"],
    }


def new_names(owner: Obj, pods: Sequence[Obj], missing: int, now: datetime) -> tuple[str, ...]:
    """So many new names for pods of the owner, unlike those of its pods."""
    taken = {pod.key.name for pod in pods}
    salt = f"{owner.meta.uid}/{now.isoformat()}/{owner.revision}"
    made: list[str] = []
    for number in range(missing):
        made.append(suffixed(owner.key.name, f"{salt}/{number}", taken))
        taken.add(made[-1])
    return tuple(made)


def made_pod(owner: Obj, name: str, component: str) -> Tell:
    """The word on a pod that was made."""
    words = f"Created pod: {name}"
    return Tell(about=owner, reason="SuccessfulCreate", message=words, component=component)


def deleted(owner: Obj, pod: Obj, component: str) -> tuple[Action, ...]:
    """Delete a pod and say so."""
    words = f"Deleted pod: {pod.key.name}"
    told = Tell(about=owner, reason="SuccessfulDelete", message=words, component=component)
    return DeleteObject(key=pod.key), told


def deletion_rank(obj: Obj) -> tuple[bool, int, bool, int, float, int, float, str]:
    """Of pods too many these go first: the least started, the least ready, the cheapest, the newest."""
    pod: Pod = pod_of(obj)
    since = ready_since(obj)
    restarts = max((c.restart_count for c in pod.status.container_statuses), default=0)
    return (
        bool(pod.spec.node_name),
        _PHASE_ORDER.get(pod.status.phase, 1),
        is_ready(obj),
        _deletion_cost(obj),
        -since.timestamp() if since else 0.0,
        -restarts,
        -_number(obj.meta.creation_timestamp),
        obj.key.name,
    )


def _deletion_cost(obj: Obj) -> int:
    text = obj.meta.annotations.get(DELETION_COST, "0")
    return int(text) if text.lstrip("-").isdecimal() else 0


def _number(created: str | None) -> float:
    return datetime.fromisoformat(created).timestamp() if created else 0.0
