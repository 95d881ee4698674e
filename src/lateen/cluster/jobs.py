"""Run a Job's pods until enough of them have succeeded, or it has failed.

In: a Job, its pods, the time.    Out: actions.
Before: cluster/jobpods.py, cluster/jobprogress.py        After: cluster/controllers.py
Source: kubernetes pkg/controller/job/job_controller.go, pkg/controller/ttlafterfinished.

A pod that has ended is counted once, when its finalizer TRACKING is taken away, in the transaction
that puts the new count into the Job's status.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lateen.api.batch import MANAGER, JobStatus
from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.cluster.actions import Action, DeleteObject, LookAgain, PutObject, Tell
from lateen.cluster.children import deleted, deletion_rank, made_pod, new_names
from lateen.cluster.indexes import index_of, indexes_of
from lateen.cluster.jobpods import counted, is_uncounted, job_of, job_pod, seconds_to_wait
from lateen.cluster.jobprogress import FAILING, Progress, Verdict, progress_of, verdict_on
from lateen.cluster.statuses import holds, moment, say, timestamp, with_conditions

_SELF = "job-controller"
_MOST_AT_ONCE = 500  # pods made in one step


def reconcile_job(job: Obj, pods: Sequence[Obj], now: datetime) -> tuple[Action, ...]:
    """Count what has ended, make the pods that are missing, delete those too many, say how it is."""
    if job.meta.deletion_timestamp or job_of(job).spec.managed_by not in ("", MANAGER):
        return ()
    if (complete := _with_selector(job)) != job.raw:
        return (PutObject(raw=complete),)
    if finish_of(job) is not None:
        return (*(counted(p) for p in pods if is_uncounted(p)), *_expired(job, now))
    progress = progress_of(job, pods)
    verdict = verdict_on(job, progress, now)
    status = _status(job, progress, verdict, now)
    actions: list[Action] = [counted(pod) for pod in progress.fresh]
    if verdict is not None:
        actions += [a for pod in progress.active for a in deleted(job, pod, _SELF)]
        actions += _finished(job, status)
    elif job_of(job).spec.suspend:
        actions += _removed(job, progress.active)
        actions += _turned(job, status, "Suspended", "Job suspended")
    else:
        actions += _turned(job, status, "Resumed", "Job resumed")
        actions += _managed(job, pods, progress, now)
        actions += _deadline(job, now)
    return (*actions, *say(job, status))


def finish_of(job: Obj) -> Condition | None:
    """The condition Complete or Failed of a Job that has ended."""
    conditions = job_of(job).status.conditions
    return next((c for c in conditions if c.type in FAILING.values() and c.status == "True"), None)


def _with_selector(job: Obj) -> dict[str, Any]:
    """The Job with the labels its pods are known by, as the API server would have added them."""
    spec = job.raw["spec"]
    if job_of(job).spec.manual_selector or spec.get("selector"):
        return dict(job.raw)
    uid, name = job.meta.uid, job.key.name
    marks = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = spec["template"]
    meta = template.get("metadata") or {}
    labels = {**(meta.get("labels") or {}), **marks}
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    made = {"selector": selector, "template": {**template, "metadata": {**meta, "labels": labels}}}
    return {**job.raw, "spec": {**spec, **made}}


def _expired(job: Obj, now: datetime) -> tuple[Action, ...]:
    seconds, finish = job_of(job).spec.ttl_seconds_after_finished, finish_of(job)
    ended = moment(finish.last_transition_time) if finish else None
    if seconds is None or ended is None:
        return ()
    left = (ended + timedelta(seconds=seconds) - now).total_seconds()
    return (LookAgain(after=left) if left > 0 else DeleteObject(key=job.key),)


def _managed(
    job: Obj, pods: Sequence[Obj], progress: Progress, now: datetime
) -> tuple[Action, ...]:
    """As many active pods as the Job wants, after a pause when some have failed."""
    wanted = progress.wanted_active
    if (surplus := _surplus(job, progress, wanted)) or len(progress.active) >= wanted:
        return _removed(job, surplus)
    waited_for = len(progress.terminating) if progress.replaces_failed_only else 0
    missing = min(wanted - len(progress.active) - waited_for, _MOST_AT_ONCE)
    if missing <= 0:
        return ()
    if wait := seconds_to_wait(pods, now):
        return (LookAgain(after=wait),)
    return _made(job, pods, progress, missing, now)


def _made(
    job: Obj, pods: Sequence[Obj], progress: Progress, missing: int, now: datetime
) -> tuple[Action, ...]:
    names = new_names(job, pods, missing, now)
    indexes: Sequence[int | None] = (None,) * missing
    if progress.is_indexed:
        indexes = _free_indexes(progress, missing)
        prefix = len(job.key.name)
        names = tuple(
            f"{job.key.name}-{i}{n[prefix:]}" for i, n in zip(indexes, names, strict=False)
        )
    made: list[Action] = []
    for name, index in zip(names, indexes, strict=False):
        made += [job_pod(job, name, index), made_pod(job, name, _SELF)]
    return tuple(made)


def _free_indexes(progress: Progress, count: int) -> tuple[int, ...]:
    taken = (
        progress.completed | progress.given_up | indexes_of(progress.active, progress.completions)
    )
    if progress.replaces_failed_only:
        taken |= indexes_of(progress.terminating, progress.completions)
    free = (index for index in range(progress.completions) if index not in taken)
    return tuple(index for index, _ in zip(free, range(count), strict=False))


def _surplus(job: Obj, progress: Progress, wanted: int) -> tuple[Obj, ...]:
    """Active pods too many, second ones of one index first."""
    ranked = sorted(progress.active, key=deletion_rank, reverse=True)
    double: list[Obj] = []
    if progress.is_indexed:
        seen: set[int] = set(progress.completed | progress.given_up)
        for pod in ranked:
            index = index_of(pod)
            if index is None or index in seen or index >= progress.completions:
                double.append(pod)
            else:
                seen.add(index)
    kept = [pod for pod in ranked if pod not in double]
    return (*double, *kept[wanted:])


def _removed(job: Obj, pods: Sequence[Obj]) -> tuple[Action, ...]:
    """Pods the Job no longer wants: their end is not to count."""
    return tuple(a for pod in pods for a in (counted(pod), *deleted(job, pod, _SELF)))


def _deadline(job: Obj, now: datetime) -> tuple[Action, ...]:
    typed = job_of(job)
    start, seconds = moment(typed.status.start_time) or now, typed.spec.active_deadline_seconds
    if seconds is None:
        return ()
    return (LookAgain(after=(start + timedelta(seconds=seconds) - now).total_seconds()),)


def _finished(job: Obj, status: JobStatus) -> tuple[Action, ...]:
    for condition in status.conditions:
        if condition.type == "Failed":
            words, reason = condition.message, condition.reason
            return (Tell(about=job, reason=reason, message=words, component=_SELF, warning=True),)
        if condition.type == "Complete":
            return (Tell(about=job, reason="Completed", message="Job completed", component=_SELF),)
    return ()


def _turned(job: Obj, status: JobStatus, reason: str, words: str) -> tuple[Action, ...]:
    """The word on a Job that is suspended, or no longer."""
    before = holds(job_of(job).status.conditions, "Suspended")
    if before == holds(status.conditions, "Suspended"):
        return ()
    return (Tell(about=job, reason=reason, message=words, component=_SELF),)


def _status(job: Obj, progress: Progress, verdict: Verdict | None, now: datetime) -> JobStatus:
    typed = job_of(job)
    gone = not progress.active and not progress.terminating
    news = _suspension(job) if verdict is None else verdict.conditions(ended=gone)
    conditions = with_conditions(typed.status.conditions, news, now)
    start = typed.status.start_time or timestamp(now)
    complete = any(c.type == "Complete" for c in conditions)
    return msgspec.structs.replace(
        typed.status,
        conditions=conditions,
        start_time=None if typed.spec.suspend and verdict is None else start,
        completion_time=timestamp(now) if complete else None,
        active=len(progress.active),
        ready=progress.ready,
        terminating=len(progress.terminating),
        succeeded=progress.succeeded,
        failed=progress.failed,
        completed_indexes=progress.completed_text,
        failed_indexes=progress.given_up_text,
    )


def _suspension(job: Obj) -> tuple[Condition, ...]:
    typed = job_of(job)
    if typed.spec.suspend:
        reason, words, status = "JobSuspended", "Job suspended", "True"
    elif any(c.type == "Suspended" for c in typed.status.conditions):
        reason, words, status = "JobResumed", "Job resumed", "False"
    else:
        return ()
    return (Condition(type="Suspended", status=status, reason=reason, message=words),)
