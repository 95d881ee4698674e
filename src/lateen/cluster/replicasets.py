"""Keep as many pods as a ReplicaSet wants.

In: a ReplicaSet, its pods, the time.    Out: actions.    Source: kubernetes pkg/controller/replicaset.
Before: cluster/deployments.py        After: cluster/scheduling.py
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.workload import ReplicaSet, ReplicaSetStatus
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, LookAgain, PutObject
from lateen.cluster.naming import suffixed
from lateen.cluster.pods import available_in, is_active, is_ready, pod_of, ready_since
from lateen.cluster.statuses import say

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def replicaset_of(obj: Obj) -> ReplicaSet:
    """The typed ReplicaSet."""
    if not isinstance(obj.typed, ReplicaSet):
        raise Bug(f"{obj.key} is no ReplicaSet")
    return obj.typed


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


def reconcile_replicaset(replicaset: Obj, pods: Sequence[Obj], now: datetime) -> tuple[Action, ...]:
    """Make the pods that are missing, delete those too many, say how many there are."""
    if replicaset.meta.deletion_timestamp:
        return ()
    spec = replicaset_of(replicaset).spec
    active = [pod for pod in pods if is_active(pod)]
    missing = spec.replicas - len(active)
    actions: list[Action] = [*_created(replicaset, pods, missing, now)]
    if missing < 0:
        unwanted = sorted(active, key=_deletion_rank)[:-missing]
        actions += [DeleteObject(key=pod.key) for pod in unwanted]
    waits = [available_in(pod, spec.min_ready_seconds, now) for pod in active]
    actions += say(replicaset, _status(replicaset, active, waits))
    if coming := [wait for wait in waits if wait]:
        actions.append(LookAgain(after=min(coming)))
    return tuple(actions)


def _created(replicaset: Obj, pods: Sequence[Obj], missing: int, now: datetime) -> list[PutObject]:
    taken = {pod.key.name for pod in pods}
    made: list[PutObject] = []
    for _ in range(missing):
        salt = f"{replicaset.meta.uid}/{now.isoformat()}/{replicaset.revision}"
        name = suffixed(replicaset.key.name, salt, taken)
        taken.add(name)
        made.append(PutObject(raw=_pod_tree(replicaset, name), source=CONTROLLERS))
    return made


def _pod_tree(replicaset: Obj, name: str) -> dict[str, Any]:
    template = replicaset.raw["spec"]["template"]
    meta = template.get("metadata") or {}
    kept = {field: meta[field] for field in ("labels", "annotations") if meta.get(field)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{replicaset.key.name}-",
            "namespace": replicaset.key.namespace,
            **kept,
            "ownerReferences": [owner_reference(replicaset)],
        },
        "spec": template["spec"],
    }


def _deletion_rank(obj: Obj) -> tuple[bool, int, bool, int, float, int, float, str]:
    """Who goes first: the least started, the least ready, the cheapest, the newest (in this order)."""
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


def _status(
    replicaset: Obj, active: Sequence[Obj], waits: Sequence[float | None]
) -> ReplicaSetStatus:
    labels = replicaset_of(replicaset).spec.template.metadata.labels
    return ReplicaSetStatus(
        replicas=len(active),
        fully_labeled_replicas=sum(labels.items() <= pod.meta.labels.items() for pod in active),
        ready_replicas=sum(is_ready(pod) for pod in active),
        available_replicas=sum(wait == 0 for wait in waits),
        observed_generation=replicaset.meta.generation,
        conditions=replicaset_of(replicaset).status.conditions,
    )
