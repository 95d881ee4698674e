"""Keep as many pods as a ReplicaSet wants.

In: a ReplicaSet, its pods, the time.    Out: actions.    Source: kubernetes pkg/controller/replicaset.
Before: cluster/deployments.py        After: cluster/scheduling.py
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lateen.api.objects import Obj
from lateen.api.workload import ReplicaSet, ReplicaSetStatus
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, Action, LookAgain, PutObject
from lateen.cluster.children import deleted, deletion_rank, made_pod, new_names, pod_tree
from lateen.cluster.pods import available_in, is_active, is_ready
from lateen.cluster.statuses import say

_SELF = "replicaset-controller"


def replicaset_of(obj: Obj) -> ReplicaSet:
    """The typed ReplicaSet."""
    if not isinstance(obj.typed, ReplicaSet):
        raise Bug(f"{obj.key} is no ReplicaSet")
    return obj.typed


def reconcile_replicaset(replicaset: Obj, pods: Sequence[Obj], now: datetime) -> tuple[Action, ...]:
    """Make the pods that are missing, delete those too many, say how many there are."""
    if replicaset.meta.deletion_timestamp:
        return ()
    spec = replicaset_of(replicaset).spec
    active = [pod for pod in pods if is_active(pod)]
    missing = spec.replicas - len(active)
    actions: list[Action] = [*_created(replicaset, pods, missing, now)]
    if missing < 0:
        unwanted = sorted(active, key=deletion_rank)[:-missing]
        actions += [action for pod in unwanted for action in deleted(replicaset, pod, _SELF)]
    waits = [available_in(pod, spec.min_ready_seconds, now) for pod in active]
    actions += say(replicaset, _status(replicaset, active, waits))
    if coming := [wait for wait in waits if wait]:
        actions.append(LookAgain(after=min(coming)))
    return tuple(actions)


def _created(replicaset: Obj, pods: Sequence[Obj], missing: int, now: datetime) -> list[Action]:
    made: list[Action] = []
    for name in new_names(replicaset, pods, missing, now):
        put = PutObject(raw=pod_tree(replicaset, name), source=CONTROLLERS)
        made += [put, made_pod(replicaset, name, _SELF)]
    return made


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
