"""Start a CronJob's Jobs when their time has come, and keep its history short.

In: a CronJob, its Jobs, the time.    Out: actions.
Before: api/schedules.py        After: cluster/jobs.py, cluster/controllers.py
Source: kubernetes pkg/controller/cronjob/cronjob_controllerv2.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lateen.api.batch import CronJob, CronJobStatus
from lateen.api.defaults import with_defaults
from lateen.api.event import ObjectReference
from lateen.api.objects import Obj
from lateen.api.schedules import BadSchedule, Schedule, last_time, next_time, parse_schedule
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, LookAgain, PutObject, Tell
from lateen.cluster.children import owner_reference
from lateen.cluster.jobpods import job_of
from lateen.cluster.jobs import finish_of
from lateen.cluster.statuses import moment, say, timestamp

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_SELF = "cronjob-controller"


def cronjob_of(obj: Obj) -> CronJob:
    """The typed CronJob."""
    if not isinstance(obj.typed, CronJob):
        raise Bug(f"{obj.key} is no CronJob")
    return obj.typed


def reconcile_cronjob(cronjob: Obj, jobs: Sequence[Obj], now: datetime) -> tuple[Action, ...]:
    """Start what is due, delete finished Jobs beyond the history limits, say what is under way."""
    if cronjob.meta.deletion_timestamp:
        return ()
    typed = cronjob_of(cronjob)
    running = tuple(job for job in jobs if finish_of(job) is None)
    status = _status(typed, jobs, running)
    seen = _seen(cronjob, jobs)
    tidied = _tidied(cronjob, jobs)
    try:
        schedule = parse_schedule(typed.spec.schedule, typed.spec.time_zone)
    except BadSchedule as fault:
        words = f"unparseable schedule: {typed.spec.schedule!r} : {fault}"
        told = _tell(cronjob, "UnparseableSchedule", words, warning=True)
        return (*seen, *tidied, told, *say(cronjob, status))
    if typed.spec.suspend:
        return (*seen, *tidied, *say(cronjob, status))
    due = last_time(schedule, _earliest(cronjob, now), now)
    served = due is not None and job_name(cronjob.key.name, due) in {j.key.name for j in jobs}
    started = _started(cronjob, due, running) if due is not None and not served else ()
    if due is not None and (served or any(isinstance(a, PutObject) for a in started)):
        status = msgspec.structs.replace(status, last_schedule_time=timestamp(due))
    coming = _coming(schedule, due, now)
    return (*seen, *tidied, *started, *say(cronjob, status), *coming)


def job_name(cronjob: str, at: datetime) -> str:
    """One name for each time, so that no time is ever served twice."""
    return f"{cronjob}-{int(at.timestamp()) // 60}"


def _coming(schedule: Schedule, due: datetime | None, now: datetime) -> tuple[Action, ...]:
    upcoming = next_time(schedule, due or now)
    while upcoming is not None and upcoming <= now:
        upcoming = next_time(schedule, upcoming)
    if upcoming is None:
        return ()
    return (LookAgain(after=(upcoming - now).total_seconds()),)


def _earliest(cronjob: Obj, now: datetime) -> datetime:
    """Times up to this one are past: they were served, or are too long ago."""
    typed = cronjob_of(cronjob)
    last = moment(typed.status.last_schedule_time)
    earliest = last or moment(cronjob.meta.creation_timestamp) or now
    deadline = typed.spec.starting_deadline_seconds
    return earliest if deadline is None else max(earliest, now - timedelta(seconds=deadline))


def _started(cronjob: Obj, due: datetime, running: Sequence[Obj]) -> tuple[Action, ...]:
    spec = cronjob_of(cronjob).spec
    name = job_name(cronjob.key.name, due)
    if spec.concurrency_policy == "Forbid" and running:
        words = (
            "Not starting job because prior execution is running and concurrency policy is Forbid"
        )
        return (_tell(cronjob, "JobAlreadyActive", words),)
    replaced = running if spec.concurrency_policy == "Replace" else ()
    told = _tell(cronjob, "SuccessfulCreate", f"Created job {name}")
    made = PutObject(raw=_job_tree(cronjob, name, due), source=CONTROLLERS)
    return (*(a for job in replaced for a in _deleted(cronjob, job)), made, told)


def _job_tree(cronjob: Obj, name: str, due: datetime) -> dict[str, Any]:
    template = cronjob.raw["spec"]["jobTemplate"]
    meta = template.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {}), SCHEDULED: timestamp(due)}
    tree = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": cronjob.key.namespace,
            "labels": meta.get("labels") or {},
            "annotations": annotations,
            "ownerReferences": [owner_reference(cronjob)],
        },
        "spec": template["spec"],
    }
    return with_defaults("batch", "Job", tree)


def _status(typed: CronJob, jobs: Sequence[Obj], running: Sequence[Obj]) -> CronJobStatus:
    ends = [job_of(j).status.completion_time for j in jobs]
    successes = [text for text in (typed.status.last_successful_time, *ends) if text]
    return CronJobStatus(
        active=tuple(
            ObjectReference(
                kind="Job",
                namespace=job.key.namespace,
                name=job.key.name,
                uid=job.meta.uid,
                api_version="batch/v1",
            )
            for job in running
        ),
        last_schedule_time=typed.status.last_schedule_time,
        last_successful_time=max(successes, default=None),
    )


def _seen(cronjob: Obj, jobs: Sequence[Obj]) -> tuple[Action, ...]:
    """Words on the Jobs that were under way and are no more."""
    there = {job.meta.uid: job for job in jobs}
    told: list[Action] = []
    for reference in cronjob_of(cronjob).status.active:
        job = there.get(reference.uid)
        if job is None:
            words = f"Active job went missing: {reference.name}"
            told.append(_tell(cronjob, "MissingJob", words))
        elif finish := finish_of(job):
            words = f"Saw completed job: {job.key.name}, condition: {finish.type}"
            told.append(_tell(cronjob, "SawCompletedJob", words))
    return tuple(told)


def _tidied(cronjob: Obj, jobs: Sequence[Obj]) -> tuple[Action, ...]:
    spec = cronjob_of(cronjob).spec
    limits = {
        "Complete": spec.successful_jobs_history_limit,
        "Failed": spec.failed_jobs_history_limit,
    }
    made: list[Action] = []
    for end, limit in limits.items():
        ended = [j for j in jobs if (finish := finish_of(j)) and finish.type == end]
        by_age = sorted(ended, key=lambda j: (job_of(j).status.start_time or "", j.key.name))
        for job in by_age[: max(0, len(by_age) - limit)]:
            made += _deleted(cronjob, job)
    return tuple(made)


def _deleted(cronjob: Obj, job: Obj) -> tuple[Action, ...]:
    told = _tell(cronjob, "SuccessfulDelete", f"Deleted job {job.key.name}")
    return DeleteObject(key=job.key), told


def _tell(cronjob: Obj, reason: str, words: str, *, warning: bool = False) -> Tell:
    return Tell(
        about=cronjob, reason=reason, message=words, component=_SELF, warning=warning, once=True
    )
