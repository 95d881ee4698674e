"""Give each new pod its node and its address, or say why it has to wait.

In: all pods, the nodes, priority classes, budgets, the time.    Out: actions.
Before: cluster/scoring.py, cluster/preempting.py        After: stages/running.py
Source: core/v1 PodSpec, PodStatus; kubernetes pkg/scheduler.

An address stands in its pod's status and is free again when the pod object is gone. Pods of higher
priority are placed first, and where there is no room for one, less important pods end for it: until
they have gone the room is kept (status.nominatedNodeName).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.cluster.actions import SCHEDULER, Action, DeleteObject, PutObject, PutStatus, Tell
from lateen.cluster.addresses import HOST, PODS, free_addresses
from lateen.cluster.evicting import disrupted
from lateen.cluster.fitting import Against
from lateen.cluster.grounds import Ground, against, settler_of
from lateen.cluster.importance import Importance, importance_of
from lateen.cluster.nodes import node_of
from lateen.cluster.plain import plain_tree
from lateen.cluster.pods import is_active, is_done, is_terminating, pod_of
from lateen.cluster.preempting import Victims, no_node, preempt
from lateen.cluster.qos import qos_class
from lateen.cluster.scoring import best_node
from lateen.cluster.statuses import with_conditions

_SELF = "default-scheduler"
_GATED = "Scheduling is blocked due to non-empty scheduling gates"


class Scene(Struct, frozen=True, kw_only=True):
    """What the scheduler looks at."""

    pods: Sequence[Obj]
    nodes: Sequence[Obj]
    classes: Sequence[Obj] = ()
    namespaces: Sequence[Obj] = ()
    budgets: Sequence[Obj] = ()


def schedule(scene: Scene, now: datetime) -> tuple[Action, ...]:
    """Place the pods that have no address yet; those that fit nowhere stay pending and say why."""
    new = [pod for pod in scene.pods if is_active(pod) and not pod_of(pod).status.pod_ip]
    if not new or not scene.nodes:
        return ()
    important = {p.meta.uid: importance_of(p, scene.classes) for p in scene.pods}
    ground = _ground(scene, important)
    free = free_addresses(PODS, (pod_of(pod).status.pod_ip for pod in scene.pods))
    nominated = [pod for pod in new if pod_of(pod).status.nominated_node_name]
    actions: list[Action] = []
    for pod in sorted(new, key=lambda pod: _rank(pod, important[pod.meta.uid])):
        mine = important[pod.meta.uid]
        if pod_of(pod).spec.scheduling_gates:
            actions += _gated(pod, now)
            continue
        found = _node_for(pod, ground, _promised(pod, nominated, important))
        if isinstance(found, str):
            address = next(free, "") if found in ground.nodes else ""
            if address:
                ground = ground.joined([settler_of(pod, found, mine.value)])
                actions += _bound(pod, found, address, mine, now)
            continue
        chosen = preempt(
            settler_of(pod, "", mine.value), ground, found, scene.budgets, never=mine.never
        )
        if isinstance(chosen, Victims):
            actions += _ended(pod, chosen, now)
            ground = ground.joined([settler_of(pod, chosen.node, mine.value)])
        actions += _pending(pod, found, chosen, now)
    return tuple(actions)


def _ground(scene: Scene, important: Mapping[str, Importance]) -> Ground:
    ground = Ground(
        nodes={node.key.name: node_of(node) for node in scene.nodes if not is_terminating(node)},
        namespaces={space.key.name: space.meta.labels for space in scene.namespaces},
    )
    return ground.joined(
        settler_of(pod, pod_of(pod).spec.node_name, important[pod.meta.uid].value)
        for pod in scene.pods
        if pod_of(pod).status.pod_ip and not is_done(pod)
    )


def _rank(pod: Obj, importance: Importance) -> tuple[int, str, str]:
    """The most important first, then the oldest."""
    return -importance.value, pod.meta.creation_timestamp or "", str(pod.key)


def _promised(
    pod: Obj, nominated: Sequence[Obj], important: Mapping[str, Importance]
) -> Iterator[tuple[Obj, str, int]]:
    """Others for whom room is kept that this pod may not take: those at least as important."""
    for other in nominated:
        value, node = important[other.meta.uid].value, pod_of(other).status.nominated_node_name
        if other is not pod and value >= important[pod.meta.uid].value:
            yield other, node, value


def _node_for(
    pod: Obj, ground: Ground, promised: Iterator[tuple[Obj, str, int]]
) -> str | Mapping[str, tuple[Against, ...]]:
    """The node, the best of those that fit; or what is against each."""
    spec, status = pod_of(pod).spec, pod_of(pod).status
    if spec.node_name:
        return spec.node_name
    if kept := list(promised):
        there = {s.obj.meta.uid for settlers in ground.settlers.values() for s in settlers}
        ground = ground.joined(settler_of(*who) for who in kept if who[0].meta.uid not in there)
    reasons = against(pod, ground)
    fitting = [name for name, some in reasons.items() if not some]
    if status.nominated_node_name in fitting:
        return status.nominated_node_name
    return best_node(pod, ground, sorted(fitting)) if fitting else reasons


def _bound(
    pod: Obj, node: str, address: str, importance: Importance, now: datetime
) -> list[Action]:
    words = f"Successfully assigned {pod.key.namespace}/{pod.key.name} to {node}"
    told = Tell(about=pod, reason="Scheduled", message=words, component=_SELF)
    raw = _with_place(pod, node, address, now)
    if importance.value:
        raw["spec"]["priority"] = importance.value
    return [PutObject(raw=raw, manager=SCHEDULER), told]


def _ended(pod: Obj, victims: Victims, now: datetime) -> Iterator[Action]:
    """The victims go, unless they are going already."""
    why = Condition(
        type="DisruptionTarget",
        status="True",
        reason="PreemptionByScheduler",
        message=f"{_SELF}: preempting to accommodate a higher priority pod",
    )
    words = f"Preempted by pod {pod.meta.uid} on node {victims.node}"
    for victim in (s.obj for s in victims.pods if not is_terminating(s.obj)):
        yield disrupted(victim, why, now)
        yield Tell(about=victim, reason="Preempted", message=words, component=_SELF)
        yield DeleteObject(key=victim.key)


def _gated(pod: Obj, now: datetime) -> list[Action]:
    unscheduled = Condition(
        type="PodScheduled", status="False", reason="SchedulingGated", message=_GATED
    )
    status = _status(pod, unscheduled, now)
    return [] if status == pod.raw.get("status") else [PutStatus(key=pod.key, status=status)]


def _pending(
    pod: Obj,
    reasons: Mapping[str, tuple[Against, ...]],
    chosen: Victims | str,
    now: datetime,
) -> list[Action]:
    counted = Counter(reason.words for some in reasons.values() for reason in some)
    words = no_node(len(reasons), counted)
    if isinstance(chosen, str):
        words = f"{words} {chosen}"
    unscheduled = Condition(
        type="PodScheduled", status="False", reason="Unschedulable", message=words
    )
    status = _status(pod, unscheduled, now)
    if isinstance(chosen, Victims):
        status["nominatedNodeName"] = chosen.node
    elif "terminating" not in chosen:
        status.pop("nominatedNodeName", None)
    if status == pod.raw.get("status"):
        return []
    told = Tell(about=pod, reason="FailedScheduling", message=words, component=_SELF, warning=True)
    return [PutStatus(key=pod.key, status=status), told]


def _status(pod: Obj, scheduled: Condition, now: datetime) -> dict[str, Any]:
    before = pod_of(pod).status
    conditions = with_conditions(before.conditions, [scheduled], now)
    return {
        **(pod.raw.get("status") or {}),
        "phase": before.phase,
        "conditions": [plain_tree(condition) for condition in conditions],
        "qosClass": qos_class(pod_of(pod).spec),
    }


def _with_place(pod: Obj, node: str, address: str, now: datetime) -> dict[str, Any]:
    spec = {**pod.raw["spec"], "nodeName": node}
    spec["serviceAccountName"] = pod_of(pod).spec.service_account_name or "default"
    status = {
        **_status(pod, Condition(type="PodScheduled", status="True"), now),
        "hostIP": HOST,
        "podIP": address,
        "podIPs": [{"ip": address}],
    }
    status.pop("nominatedNodeName", None)
    return {**pod.raw, "spec": spec, "status": status}
