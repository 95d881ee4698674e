"""How far a Deployment is, and the conditions that say so.

In: a Deployment, its ReplicaSets, the time.    Out: DeploymentStatus.
Before: cluster/rollouts.py        After: cluster/deployments.py
Source: kubernetes pkg/controller/deployment (sync.go, progress.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.workload import Deployment, DeploymentStatus
from lateen.base.errors import Bug
from lateen.cluster.replicasets import replicaset_of
from lateen.cluster.rollouts import limits_of
from lateen.cluster.statuses import moment, timestamp, with_conditions

COMPLETE = "NewReplicaSetAvailable"
_TIMED_OUT = "ProgressDeadlineExceeded"
_PAUSED, _RESUMED = "DeploymentPaused", "DeploymentResumed"


def deployment_of(obj: Obj) -> Deployment:
    """The typed Deployment."""
    if not isinstance(obj.typed, Deployment):
        raise Bug(f"{obj.key} is no Deployment")
    return obj.typed


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Whether all replicas have the template of now and are available, and no other is left."""
    wanted = deployment.spec.replicas
    return wanted == status.updated_replicas == status.replicas == status.available_replicas


def status_of(
    deployment: Obj, new: Obj | None, replicasets: Sequence[Obj], now: datetime
) -> DeploymentStatus:
    """The status; `new` is the ReplicaSet of the template of now, among all of them."""
    typed = deployment_of(deployment)
    sets = [replicaset_of(r) for r in replicasets]
    available = sum(s.status.available_replicas for s in sets)
    status = DeploymentStatus(
        observed_generation=deployment.meta.generation,
        replicas=sum(s.status.replicas for s in sets),
        updated_replicas=replicaset_of(new).status.replicas if new else 0,
        ready_replicas=sum(s.status.ready_replicas for s in sets),
        available_replicas=available,
        unavailable_replicas=max(0, sum(s.spec.replicas for s in sets) - available),
        collision_count=typed.status.collision_count,
    )
    news = (_availability(typed, available), _progress(deployment, new, status, now))
    conditions = with_conditions(typed.status.conditions, news, now, dated=True)
    return msgspec.structs.replace(status, conditions=conditions)


def deadline_in(deployment: Obj, status: DeploymentStatus, now: datetime) -> float | None:
    """Seconds until the rollout under way has made no progress for too long; None: that cannot be."""
    spec = deployment_of(deployment).spec
    progressing = _condition(status.conditions)
    if progressing is None or spec.paused or spec.progress_deadline_seconds is None:
        return None
    if progressing.reason in (COMPLETE, _TIMED_OUT):
        return None
    since = moment(progressing.last_update_time) or now
    left = since + timedelta(seconds=spec.progress_deadline_seconds) - now
    return max(0.0, left.total_seconds())


def _condition(conditions: Sequence[Condition]) -> Condition | None:
    return next((c for c in conditions if c.type == "Progressing"), None)


def _availability(deployment: Deployment, available: int) -> Condition:
    enough = available >= limits_of(deployment.spec).min_available
    return Condition(
        type="Available",
        status="True" if enough else "False",
        reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        message=f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    )


def _progress(
    deployment: Obj, new: Obj | None, status: DeploymentStatus, now: datetime
) -> Condition:
    """A finished rollout stays finished, whatever becomes of its pods, until the next one begins.

    Progress is what moves lastUpdateTime on; too long without it, and the rollout has timed out.
    """
    typed = deployment_of(deployment)
    before = _condition(typed.status.conditions)
    if typed.spec.paused:
        return _said("Unknown", _PAUSED, "Deployment is paused")
    if before is not None and before.reason == _PAUSED:
        return _said("Unknown", _RESUMED, "Deployment is resumed")
    name = new.key.name if new else ""
    subject = f'ReplicaSet "{name}"' if name else f'Deployment "{deployment.key.name}"'
    done = f'ReplicaSet "{name}" has successfully progressed.'
    finished = before is not None and before.reason == COMPLETE and before.message == done
    if is_complete(typed, status) or finished:
        return _said("True", COMPLETE, done)
    progressing = _said("True", "ReplicaSetUpdated", f"{subject} is progressing.")
    if before is None or _moved(typed.status, status) or subject not in before.message:
        moved = timestamp(now)
        return msgspec.structs.replace(progressing, last_update_time=moved)
    if _is_late(typed, before, now):
        return _said("False", _TIMED_OUT, f"{subject} has timed out progressing.")
    return progressing


def _is_late(deployment: Deployment, before: Condition, now: datetime) -> bool:
    if before.reason == _TIMED_OUT:
        return True
    seconds, since = deployment.spec.progress_deadline_seconds, moment(before.last_update_time)
    if seconds is None or since is None or before.reason == _RESUMED:
        return False
    return now >= since + timedelta(seconds=seconds)


def _moved(before: DeploymentStatus, now: DeploymentStatus) -> bool:
    return (
        now.updated_replicas > before.updated_replicas
        or now.replicas - now.updated_replicas < before.replicas - before.updated_replicas
        or now.ready_replicas > before.ready_replicas
        or now.available_replicas > before.available_replicas
    )


def _said(status: str, reason: str, words: str) -> Condition:
    return Condition(type="Progressing", status=status, reason=reason, message=words)
