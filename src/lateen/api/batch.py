"""Job and CronJob: pods that run to an end, once or by the clock.

In: -    Out: Job, CronJob.    Source: batch/v1.
Before: api/pod.py, api/event.py       After: cluster/jobs.py, cluster/cronjobs.py
"""

from __future__ import annotations

from lateen.api.event import ObjectReference
from lateen.api.fields import Api, Informative
from lateen.api.meta import Condition, LabelSelector, ObjectMeta
from lateen.api.pod import PodTemplateSpec

MANAGER = "kubernetes.io/job-controller"


class OnExitCodes(Api, frozen=True, kw_only=True):
    """A failed container's exit code is In, or NotIn, `values`; of any container if none is named."""

    operator: str
    values: tuple[int, ...] = ()
    container_name: str = ""


class OnPodCondition(Api, frozen=True, kw_only=True):
    """The failed pod has this condition."""

    type: str
    status: str = "True"


class PodFailureRule(Api, frozen=True, kw_only=True):
    """What a pod's failure means: FailJob, FailIndex, Ignore or Count."""

    action: str
    on_exit_codes: OnExitCodes | None = None
    on_pod_conditions: tuple[OnPodCondition, ...] = ()


class PodFailurePolicy(Api, frozen=True, kw_only=True):
    """The first rule that matches decides; a failure none matches counts."""

    rules: tuple[PodFailureRule, ...]


class SuccessRule(Api, frozen=True, kw_only=True):
    """So many of these indexes have succeeded: all of them, or of all indexes so many."""

    succeeded_indexes: str | None = None
    succeeded_count: int | None = None


class SuccessPolicy(Api, frozen=True, kw_only=True):
    """An Indexed Job is complete as soon as one of the rules holds."""

    rules: tuple[SuccessRule, ...]


class JobSpec(Api, frozen=True, kw_only=True):
    """Pods of a template until so many have succeeded. Times are in seconds.

    `completions` None means: until one has succeeded, and then all have ended. With another `managed_by`
    than MANAGER somebody else sees to it.
    """

    template: PodTemplateSpec
    parallelism: int = 1
    completions: int | None = None
    backoff_limit: int = 6
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    completion_mode: str = "NonIndexed"
    suspend: bool = False
    selector: LabelSelector | None = None
    manual_selector: bool = False
    pod_failure_policy: PodFailurePolicy | None = None
    pod_replacement_policy: str = ""
    success_policy: SuccessPolicy | None = None
    managed_by: str = ""


class JobStatus(Api, frozen=True, kw_only=True):
    """How far a Job is; indexes are written as in `1,3-5`."""

    conditions: tuple[Condition, ...] = ()
    start_time: str | None = None
    completion_time: str | None = None
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    completed_indexes: str = ""
    failed_indexes: str = ""
    uncounted_terminated_pods: Informative = None


class Job(Api, frozen=True, kw_only=True):
    """batch/v1 Job."""

    api_version: str = "batch/v1"
    kind: str = "Job"
    metadata: ObjectMeta
    spec: JobSpec
    status: JobStatus = JobStatus()


class JobTemplateSpec(Api, frozen=True, kw_only=True):
    """What a CronJob's Jobs look like."""

    metadata: ObjectMeta = ObjectMeta()
    spec: JobSpec


class CronJobSpec(Api, frozen=True, kw_only=True):
    """A Job at every time of the schedule; without `time_zone` times are UTC."""

    schedule: str
    job_template: JobTemplateSpec
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = "Allow"
    suspend: bool = False
    successful_jobs_history_limit: int = 3
    failed_jobs_history_limit: int = 1


class CronJobStatus(Api, frozen=True, kw_only=True):
    """The Jobs under way, and when one was last started and last succeeded."""

    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJob(Api, frozen=True, kw_only=True):
    """batch/v1 CronJob."""

    api_version: str = "batch/v1"
    kind: str = "CronJob"
    metadata: ObjectMeta
    spec: CronJobSpec
    status: CronJobStatus = CronJobStatus()
