"""Say how the mesh is doing, in plain JSON data.

In: store objects, what proxies acknowledged, builds, problems.    Out: dicts for `lateen status`.
Before: app/control.py       After: apiserver/ (GET /lateen/v1/status), cli/, console/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from lateen.api.objects import Obj
from lateen.api.pod import ContainerStatus, Pod
from lateen.cluster.applying import Applied

UNSCHEDULABLE = "Unschedulable"


def applied_json(applied: Applied) -> dict[str, Any]:
    """What reading the files anew did to the store."""
    return {
        "created": [str(key) for key in applied.created],
        "changed": [str(key) for key in applied.changed],
        "deleted": [str(key) for key in applied.deleted],
        "unchanged": len(applied.unchanged),
    }


def pod_json(obj: Obj, *, now: datetime, proxy: str, building: Mapping[str, str]) -> dict[str, Any]:
    """One pod as a row: `ready` is `2/2`; `state` is Kubernetes' STATUS column; `age` in seconds."""
    pod = obj.typed
    assert isinstance(pod, Pod)  # noqa: S101 - the caller lists pods
    statuses = pod.status.container_statuses
    wanted = max(len(pod.spec.containers), len(statuses))
    ready = sum(status.ready for status in statuses)
    state, message = _state(pod, statuses)
    progress = [building[c.image] for c in pod.spec.containers if c.image in building]
    return {
        "namespace": pod.metadata.namespace,
        "name": pod.metadata.name,
        "ready": f"{ready}/{wanted}",
        "isReady": _is_ready(pod),
        "state": state,
        "phase": pod.status.phase,
        "transient": any(owner.kind == "Job" for owner in pod.metadata.owner_references),
        "message": progress[0] if progress else message,
        "restarts": sum(status.restart_count for status in statuses),
        "ip": pod.status.pod_ip,
        "proxy": proxy,
        "age": age_of(pod.metadata.creation_timestamp, now),
    }


def _is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def _state(pod: Pod, statuses: Iterable[ContainerStatus]) -> tuple[str, str]:
    if pod.metadata.deletion_timestamp:
        return "Terminating", ""
    for status in statuses:
        waiting = status.state.waiting
        if waiting is not None and waiting.reason:
            return waiting.reason, waiting.message + _last_end(status)
    for status in statuses:
        ended = status.state.terminated
        if ended is not None and ended.reason:
            return ended.reason, ended.message
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.reason == UNSCHEDULABLE:
            return condition.reason, condition.message
    return pod.status.reason or pod.status.phase, pod.status.message


def _last_end(status: ContainerStatus) -> str:
    """How the run before ended, which tells more than that there will be another."""
    ended = status.last_state.terminated
    if ended is None:
        return ""
    words = f"; the last run ended with exit code {ended.exit_code} ({ended.reason})"
    return f"{words}: {ended.message}" if ended.message else words


def age_of(stamp: str | None, now: datetime) -> float:
    """Seconds since a Kubernetes timestamp; 0 without one."""
    if not stamp:
        return 0.0
    return max(0.0, (now - datetime.fromisoformat(stamp)).total_seconds())


def phase_of(pods: Iterable[Mapping[str, Any]], *, applied: bool, sound: bool) -> str:
    """`starting`, `ready`, or `degraded` when some pod cannot get ready by itself.

    `sound` is False when the proxies cannot be given what they should run; that is degraded, too. The
    pods of Jobs come and go: nobody waits for them.
    """
    if not applied:
        return "starting"
    if not sound:
        return "degraded"
    ended = ("Succeeded", "Failed")
    rows = [
        pod
        for pod in pods
        if pod["state"] != "Terminating" and pod["phase"] not in ended and not pod["transient"]
    ]
    if all(row["isReady"] for row in rows):
        return "ready"
    stuck = (
        "BuildFailed",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "RunContainerError",
        UNSCHEDULABLE,
    )
    waiting = [row for row in rows if not row["isReady"]]
    return "degraded" if all(row["state"] in stuck for row in waiting) else "starting"
