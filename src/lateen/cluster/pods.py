"""What controllers ask of a pod: is it live, ready, available, on its way out.

In: a Pod object.    Out: booleans and seconds.    Source: kubernetes pkg/api/v1/pod.
Before: cluster/statuses.py        After: cluster/replicasets.py, cluster/endpoints.py
"""

from __future__ import annotations

from datetime import datetime

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.base.errors import Bug
from lateen.cluster.statuses import holds, moment

_DONE = ("Succeeded", "Failed")


def pod_of(obj: Obj) -> Pod:
    """The typed pod."""
    if not isinstance(obj.typed, Pod):
        raise Bug(f"{obj.key} is no pod")
    return obj.typed


def is_done(obj: Obj) -> bool:
    """Whether all its containers have ended for good."""
    return pod_of(obj).status.phase in _DONE


def is_terminating(obj: Obj) -> bool:
    """Whether it has been asked to go."""
    return obj.meta.deletion_timestamp is not None


def is_active(obj: Obj) -> bool:
    """Whether it counts as one of a ReplicaSet's replicas."""
    return not is_done(obj) and not is_terminating(obj)


def is_ready(obj: Obj) -> bool:
    """Whether its condition Ready is True."""
    return holds(pod_of(obj).status.conditions, "Ready")


def ready_since(obj: Obj) -> datetime | None:
    """When it became ready, None if it is not or nobody noted when."""
    for condition in pod_of(obj).status.conditions:
        if condition.type == "Ready" and condition.status == "True":
            return moment(condition.last_transition_time)
    return None


def available_in(obj: Obj, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until it has been ready for so long; 0 if it has, None if it is not ready."""
    if not is_ready(obj):
        return None
    since = ready_since(obj)
    if since is None:
        return 0.0
    return max(0.0, min_ready_seconds - (now - since).total_seconds())


def was_started(obj: Obj) -> bool:
    """Whether any process of it was ever started."""
    status = pod_of(obj).status
    ran = (
        c.state.running or c.state.terminated or c.restart_count for c in status.container_statuses
    )
    return status.start_time is not None or any(ran)
