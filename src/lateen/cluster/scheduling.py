"""Give each new pod its node and its address, or say why it has to wait.

In: all pods, the nodes, priority classes, the time.    Out: actions.
Before: cluster/fitting.py, cluster/replicasets.py        After: stages/running.py
Source: core/v1 PodSpec, PodStatus; kubernetes pkg/scheduler.

An address stands in its pod's status and is free again when the pod object is gone. Pods of higher
priority are placed first; none is ever ended to make room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lateen.api.meta import Condition
from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.api.policy import PriorityClass
from lateen.cluster.actions import Action, PutObject, PutStatus, Tell
from lateen.cluster.addresses import HOST, PODS, free_addresses
from lateen.cluster.fitting import (
    Amounts,
    allocatable,
    bad_company,
    keeps_away,
    no_room,
    requests_of,
)
from lateen.cluster.nodes import node_of
from lateen.cluster.plain import plain_tree
from lateen.cluster.pods import is_active, is_done, pod_of
from lateen.cluster.qos import qos_class
from lateen.cluster.statuses import with_conditions

_SELF = "default-scheduler"
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


@dataclass(kw_only=True)
class _Placed:
    """What has been placed, while one round goes on."""

    nodes: Mapping[str, Node]
    held: dict[str, Amounts] = field(default_factory=dict)
    pods: list[tuple[Obj, Node]] = field(default_factory=list)

    def take(self, pod: Obj, name: str) -> None:
        """From now on this pod is on that node."""
        self.held[name] = self.held.get(name, Amounts()) + requests_of(pod_of(pod).spec)
        if name in self.nodes:
            self.pods.append((pod, self.nodes[name]))


def schedule(
    pods: Sequence[Obj], nodes: Sequence[Obj], classes: Sequence[Obj], now: datetime
) -> tuple[Action, ...]:
    """Place the pods that have no address yet; those that fit nowhere stay pending and say why."""
    new = [pod for pod in pods if is_active(pod) and not pod_of(pod).status.pod_ip]
    if not new or not nodes:
        return ()
    placed = _Placed(nodes={node.key.name: node_of(node) for node in nodes})
    for pod in pods:
        if pod_of(pod).status.pod_ip and not is_done(pod):
            placed.take(pod, pod_of(pod).spec.node_name)
    free = free_addresses(PODS, (pod_of(pod).status.pod_ip for pod in pods))
    actions: list[Action] = []
    for pod in sorted(new, key=lambda pod: _rank(pod, classes)):
        found = _node_for(pod, placed)
        address = next(free, "") if isinstance(found, str) else ""
        if isinstance(found, str) and address:
            placed.take(pod, found)
            words = f"Successfully assigned {pod.key.namespace}/{pod.key.name} to {found}"
            told = Tell(about=pod, reason="Scheduled", message=words, component=_SELF)
            raw = _with_place(pod, found, address, now)
            raw["spec"] |= _priority(pod, classes)
            actions += [PutObject(raw=raw), told]
        elif not isinstance(found, str):
            actions += _pending(pod, found, now)
    return tuple(actions)


def _rank(pod: Obj, classes: Sequence[Obj]) -> tuple[int, str, str]:
    """The most important first, then the oldest."""
    importance = _priority(pod, classes).get("priority", 0)
    return -importance, pod.meta.creation_timestamp or "", str(pod.key)


def _priority(pod: Obj, classes: Sequence[Obj]) -> dict[str, int]:
    """The priority of the pod's class, or of the one that is everybody's."""
    spec = pod_of(pod).spec
    if isinstance(spec.priority, int):
        return {"priority": spec.priority}
    for obj in classes:
        found = obj.typed
        if isinstance(found, PriorityClass) and (
            spec.priority_class_name == obj.key.name
            or (not spec.priority_class_name and found.global_default)
        ):
            return {"priority": found.value}
    system = _SYSTEM.get(str(spec.priority_class_name or ""))
    return {"priority": system} if system else {}


def _node_for(pod: Obj, placed: _Placed) -> str | Counter[str]:
    """The node, the emptiest of those that fit; or how many nodes there are against it, by reason."""
    spec = pod_of(pod).spec
    if spec.node_name:
        return spec.node_name
    wanted, against = requests_of(spec), Counter[str]()
    fitting: list[tuple[int, str]] = []
    for name, node in sorted(placed.nodes.items()):
        held = placed.held.get(name, Amounts())
        reason = keeps_away(spec, node) or bad_company(pod, node, placed.pods)
        lacking = (reason,) if reason else no_room(wanted, held, allocatable(node))
        against.update(lacking)
        if not lacking:
            fitting.append((held.pods, name))
    return min(fitting)[1] if fitting else against


def _pending(pod: Obj, against: Counter[str], now: datetime) -> list[Action]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(against.items()))
    nodes = max(against.values(), default=0)
    words = f"0/{nodes} nodes are available: {reasons}."
    unscheduled = Condition(
        type="PodScheduled", status="False", reason="Unschedulable", message=words
    )
    before = pod_of(pod).status
    conditions = with_conditions(before.conditions, [unscheduled], now)
    status = {
        **(pod.raw.get("status") or {}),
        "phase": before.phase,
        "conditions": [plain_tree(condition) for condition in conditions],
        "qosClass": qos_class(pod_of(pod).spec),
    }
    if status == pod.raw.get("status"):
        return []
    told = Tell(about=pod, reason="FailedScheduling", message=words, component=_SELF, warning=True)
    return [PutStatus(key=pod.key, status=status), told]


def _with_place(pod: Obj, node: str, address: str, now: datetime) -> dict[str, Any]:
    typed = pod_of(pod)
    spec = {**pod.raw["spec"], "nodeName": node}
    spec["serviceAccountName"] = typed.spec.service_account_name or "default"
    scheduled = with_conditions(
        typed.status.conditions, [Condition(type="PodScheduled", status="True")], now
    )
    status = {
        **(pod.raw.get("status") or {}),
        "phase": typed.status.phase,
        "conditions": [plain_tree(condition) for condition in scheduled],
        "hostIP": HOST,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "qosClass": qos_class(pod_of(pod).spec),
    }
    return {**pod.raw, "spec": spec, "status": status}
