"""Take in what the node says of a pod.

In: a stored pod, the node's PodStatus, the time.    Out: the pod's next status, as a tree.
Before: node/protocol.py (its PodReport)        After: stages/running.py
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.pod import ContainerState, ContainerStateWaiting, ContainerStatus, PodStatus
from lateen.cluster.plain import plain_tree
from lateen.cluster.pods import is_done, pod_of
from lateen.cluster.qos import qos_class
from lateen.cluster.statuses import timestamp, with_conditions

BUILD_FAILED = "BuildFailed"


def merge_report(pod: Obj, report: PodStatus, now: datetime) -> dict[str, Any]:
    """The stored status with the report in it: containers, phase and conditions are the node's word.

    Addresses and what other conditions there are stay, and so does the QoS class once it is known.
    The conditions Ready and ContainersReady follow from the containers where the report has none.
    startTime is when the first process was started. A pod that has ended stays so; the ends of its
    proxy and sidecars are still taken in.
    """
    before = pod_of(pod).status
    if is_done(pod) and report.phase != before.phase:
        return dict(pod.raw.get("status") or {})
    said = {c.type for c in report.conditions}
    derived = tuple(c for c in _conditions(report) if c.type not in said)
    started = any(_has_run(c) for c in report.container_statuses)
    first = report.start_time or (timestamp(now) if started else None)
    status = msgspec.structs.replace(
        before,
        phase=report.phase,
        message=report.message,
        reason=report.reason,
        container_statuses=report.container_statuses,
        init_container_statuses=report.init_container_statuses,
        ephemeral_container_statuses=_beside(before, report),
        qos_class=before.qos_class or qos_class(pod_of(pod).spec),
        start_time=before.start_time or first,
        conditions=with_conditions(before.conditions, (*derived, *report.conditions), now),
    )
    return {"phase": status.phase, **plain_tree(status)}


def waiting(pod: Obj, reason: str, message: str, now: datetime) -> dict[str, Any]:
    """The status of a pod none of whose containers can start, and why: `BuildFailed`, in words."""
    state = ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))
    containers = tuple(
        ContainerStatus(name=c.name, image=c.image, state=state)
        for c in pod_of(pod).spec.containers
    )
    return merge_report(pod, PodStatus(phase="Pending", container_statuses=containers), now)


def waiting_beside(pod: Obj, name: str, why: ContainerStateWaiting) -> dict[str, Any]:
    """The status with an ephemeral container that cannot start yet."""
    before = pod_of(pod).status
    image = next((c.image for c in pod_of(pod).spec.ephemeral_containers if c.name == name), "")
    one = ContainerStatus(name=name, image=image, state=ContainerState(waiting=why))
    others = (s for s in before.ephemeral_container_statuses if s.name != name)
    status = msgspec.structs.replace(before, ephemeral_container_statuses=(*others, one))
    return {"phase": status.phase, **plain_tree(status)}


def _beside(before: PodStatus, report: PodStatus) -> tuple[ContainerStatus, ...]:
    """The ephemeral containers: those the node does not know yet are as they were."""
    known = {s.name for s in report.ephemeral_container_statuses}
    waiting_still = (s for s in before.ephemeral_container_statuses if s.name not in known)
    return (*report.ephemeral_container_statuses, *waiting_still)


def _has_run(container: ContainerStatus) -> bool:
    return bool(container.state.running or container.state.terminated or container.restart_count)


def _conditions(report: PodStatus) -> Sequence[Condition]:
    unready = [c.name for c in report.container_statuses if not c.ready]
    ready = bool(report.container_statuses) and not unready
    status = "True" if ready else "False"
    reason = "" if ready else "ContainersNotReady"
    words = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    return (
        Condition(type="Initialized", status="True"),
        Condition(type="Ready", status=status, reason=reason, message=words),
        Condition(type="ContainersReady", status=status, reason=reason, message=words),
    )
