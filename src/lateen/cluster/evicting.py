"""Keep a cordoned node's taint, and end pods that do not tolerate a NoExecute taint of their node.

In: nodes, pods, the time.    Out: actions.
Before: cluster/fitting.py        After: cluster/controllers.py, cluster/scheduling.py
Source: kubernetes pkg/controller/nodelifecycle, pkg/controller/tainteviction.

A tolerance in seconds counts from the taint's timeAdded, or from when the pod was placed if that was
later; a NoExecute taint that was given without a time gets the time it is first seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.placing import Taint, Toleration
from lateen.cluster.actions import Action, DeleteObject, LookAgain, PutObject, PutStatus, Tell
from lateen.cluster.fitting import UNSCHEDULABLE
from lateen.cluster.nodes import node_of
from lateen.cluster.plain import plain_tree
from lateen.cluster.pods import is_done, is_terminating, pod_of
from lateen.cluster.statuses import moment, timestamp, with_conditions

_SELF = "taint-eviction-controller"


def disrupted(pod: Obj, why: Condition, now: datetime) -> PutStatus:
    """The pod's status with the condition DisruptionTarget, said before it is deleted."""
    conditions = with_conditions(pod_of(pod).status.conditions, [why], now)
    tree = {**(pod.raw.get("status") or {}), "conditions": [plain_tree(c) for c in conditions]}
    return PutStatus(key=pod.key, status=tree)


def reconcile_taints(nodes: Sequence[Obj], now: datetime) -> tuple[Action, ...]:
    """Give cordoned nodes their taint and take it from others; date NoExecute taints."""
    actions: list[Action] = []
    for node in nodes:
        before = node_of(node).spec.taints
        after = _taints(before, timestamp(now), cordoned=node_of(node).spec.unschedulable)
        if after != before:
            spec = {**(node.raw.get("spec") or {}), "taints": [_tree(t) for t in after]}
            if not after:
                del spec["taints"]
            actions.append(PutObject(raw={**node.raw, "spec": spec}))
    return tuple(actions)


def _taints(before: tuple[Taint, ...], now: str, *, cordoned: bool) -> tuple[Taint, ...]:
    kept = [t for t in before if (t.key, t.effect) != (UNSCHEDULABLE.key, UNSCHEDULABLE.effect)]
    own = [t for t in before if t not in kept] or [_since(UNSCHEDULABLE, now)]
    dated = [t if t.effect != "NoExecute" or t.time_added else _since(t, now) for t in kept]
    return (*dated, *(own if cordoned else ()))


def _since(taint: Taint, now: str) -> Taint:
    return Taint(key=taint.key, value=taint.value, effect=taint.effect, time_added=now)


def _tree(taint: Taint) -> dict[str, str]:
    return {"key": taint.key, **plain_tree(taint), "effect": taint.effect}


def evict_intolerant(
    pods: Sequence[Obj], nodes: Sequence[Obj], now: datetime
) -> tuple[Action, ...]:
    """End the pods whose node has a NoExecute taint that they do not tolerate (any more)."""
    tainted = {
        node.key.name: taints
        for node in nodes
        if (taints := [t for t in node_of(node).spec.taints if t.effect == "NoExecute"])
    }
    actions: list[Action] = []
    for pod in pods if tainted else ():
        here = tainted.get(pod_of(pod).spec.node_name)
        if here is None or is_done(pod) or is_terminating(pod):
            continue
        left = _seconds_left(pod, here, now)
        if left is not None and left > 0:
            actions.append(LookAgain(after=left))
        elif left is not None:
            actions += _evicted(pod, now)
    return tuple(actions)


def _seconds_left(pod: Obj, taints: Iterable[Taint], now: datetime) -> float | None:
    """Seconds until the pod has to go, None if it may stay."""
    lefts: list[float] = []
    for taint in taints:
        tolerating = [t for t in pod_of(pod).spec.tolerations if t.tolerates(taint)]
        if not tolerating:
            return 0.0
        seconds = _shortest(tolerating)
        if seconds is not None:
            since = max(moment(taint.time_added) or now, _placed_at(pod) or now)
            lefts.append(max(0.0, seconds - (now - since).total_seconds()))
    return min(lefts, default=None)


def _shortest(tolerations: Iterable[Toleration]) -> int | None:
    given = [t.toleration_seconds for t in tolerations]
    return min((max(0, s) for s in given if s is not None), default=None)


def _placed_at(pod: Obj) -> datetime | None:
    conditions = pod_of(pod).status.conditions
    return next(
        (moment(c.last_transition_time) for c in conditions if c.type == "PodScheduled"), None
    )


def _evicted(pod: Obj, now: datetime) -> Iterator[Action]:
    why = Condition(
        type="DisruptionTarget",
        status="True",
        reason="DeletionByTaintManager",
        message="Taint manager: deleting due to NoExecute taint",
    )
    words = f"Marking for deletion Pod {pod.key.namespace}/{pod.key.name}"
    yield disrupted(pod, why, now)
    yield Tell(about=pod, reason="TaintManagerEviction", message=words, component=_SELF)
    yield DeleteObject(key=pod.key)
