"""How far a Job is, and whether that is its end.

In: a Job and its pods.    Out: Progress, Verdict.
Before: cluster/jobpods.py        After: cluster/jobs.py
Source: kubernetes pkg/controller/job (job_controller.go, indexed_job_utils.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.cluster.indexes import indexes_of, parse_indexes, written_indexes
from lateen.cluster.jobpods import (
    failures_of,
    has_failed,
    has_succeeded,
    is_uncounted,
    job_of,
    matching_rule,
)
from lateen.cluster.pods import is_active, is_done, is_ready, is_terminating, pod_of
from lateen.cluster.statuses import moment

# What is said while the last pods end, and what is said then.
FAILING = {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}


class Verdict(Struct, frozen=True, kw_only=True):
    """The Job's end: `target` is a key of FAILING."""

    target: str
    reason: str
    message: str

    def conditions(self, *, ended: bool) -> tuple[Condition, ...]:
        """What the status says of it; `ended` when no pod is left."""
        types = (self.target, FAILING[self.target]) if ended else (self.target,)
        return tuple(
            Condition(type=t, status="True", reason=self.reason, message=self.message)
            for t in types
        )


class Progress(Struct, frozen=True, kw_only=True):
    """A Job in numbers; `fresh` are pods that have ended and are counted in them for the first time.

    `completions` is 0 for a Job without; `completed` and `given_up` are indexes of an Indexed Job.
    """

    active: tuple[Obj, ...]
    terminating: tuple[Obj, ...]
    fresh: tuple[Obj, ...]
    succeeded: int
    failed: int
    ready: int
    parallelism: int
    completions: int
    is_indexed: bool
    replaces_failed_only: bool
    completed: frozenset[int]
    given_up: frozenset[int]
    per_index: bool

    @property
    def wanted_active(self) -> int:
        """How many pods should be active now."""
        if not self.completions:
            return len(self.active) if self.succeeded else self.parallelism
        left = self.completions - self.succeeded - len(self.given_up)
        return max(0, min(left, self.parallelism))

    @property
    def completed_text(self) -> str:
        """As the status writes it."""
        return written_indexes(self.completed)

    @property
    def given_up_text(self) -> str:
        """As the status writes it."""
        return written_indexes(self.given_up)


def progress_of(job: Obj, pods: Sequence[Obj]) -> Progress:
    """Count the pods; those that ended since the last time are added to what the status says."""
    typed = job_of(job)
    spec, status = typed.spec, typed.status
    fresh = tuple(pod for pod in pods if is_done(pod) and is_uncounted(pod))
    indexed = spec.completion_mode == "Indexed"
    completions = spec.completions or 0
    done = parse_indexes(status.completed_indexes, completions)
    done |= indexes_of((p for p in fresh if has_succeeded(p)), completions)
    given_up = parse_indexes(status.failed_indexes, completions)
    if spec.backoff_limit_per_index is not None:
        failures = failures_of(pods, spec)
        limit = spec.backoff_limit_per_index
        given_up |= {i for i, n in failures.items() if n > limit and i < completions}
    failed = [p for p in fresh if has_failed(p)]
    rules = [matching_rule(pod, spec) for pod in failed]
    ignored = sum(1 for rule in rules if rule is not None and rule[1].action == "Ignore")
    succeeded = status.succeeded + sum(has_succeeded(pod) for pod in fresh)
    active = tuple(pod for pod in pods if is_active(pod))
    policy = spec.pod_replacement_policy or ("Failed" if spec.pod_failure_policy else "")
    return Progress(
        active=active,
        terminating=tuple(p for p in pods if is_terminating(p) and not is_done(p)),
        fresh=fresh,
        succeeded=len(done) if indexed else succeeded,
        failed=status.failed + len(failed) - ignored,
        ready=sum(is_ready(pod) for pod in active),
        parallelism=spec.parallelism,
        completions=completions,
        is_indexed=indexed,
        replaces_failed_only=policy == "Failed",
        completed=done if indexed else frozenset(),
        given_up=frozenset(given_up - done),
        per_index=spec.backoff_limit_per_index is not None,
    )


def verdict_on(job: Obj, progress: Progress, now: datetime) -> Verdict | None:
    """Why the Job has ended, None while it has not. A verdict once given stands."""
    for condition in job_of(job).status.conditions:
        if condition.type in FAILING and condition.status == "True":
            return Verdict(
                target=condition.type, reason=condition.reason, message=condition.message
            )
    if failure := _failure(job, progress, now):
        return Verdict(target="FailureTarget", reason=failure[0], message=failure[1])
    if words := _policy_met(job, progress):
        return Verdict(target="SuccessCriteriaMet", reason="SuccessPolicy", message=words)
    if _is_complete(progress):
        words = "Reached expected number of succeeded pods"
        return Verdict(target="SuccessCriteriaMet", reason="CompletionsReached", message=words)
    return None


def _policy_met(job: Obj, progress: Progress) -> str:
    """Which rule of the successPolicy holds, in the Job controller's words; "" if none does."""
    policy = job_of(job).spec.success_policy
    for number, rule in enumerate(policy.rules if policy else ()):
        meant, needed = progress.completed, rule.succeeded_count
        if rule.succeeded_indexes is not None:
            indexes = parse_indexes(rule.succeeded_indexes, progress.completions)
            meant = progress.completed & indexes
            needed = len(indexes) if needed is None else needed
        if needed and len(meant) >= needed:
            return f"Matched rules at index {number}"
    return ""


def _is_complete(progress: Progress) -> bool:
    if progress.completions:
        return progress.succeeded >= progress.completions
    return progress.succeeded > 0 and not progress.active


def _failure(job: Obj, progress: Progress, now: datetime) -> tuple[str, str] | None:
    """Reason and message; the first that holds, in the order of the Job controller."""
    spec = job_of(job).spec
    for pod in progress.fresh:
        rule = matching_rule(pod, spec) if has_failed(pod) else None
        if rule is not None and rule[1].action == "FailJob":
            return "PodFailurePolicy", rule[2]
    if progress.failed > spec.backoff_limit or _restarts_exceeded(job, progress):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    start, seconds = moment(job_of(job).status.start_time), spec.active_deadline_seconds
    if (
        start
        and seconds is not None
        and not spec.suspend
        and now >= start + timedelta(seconds=seconds)
    ):
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    return _failed_indexes(job, progress)


def _restarts_exceeded(job: Obj, progress: Progress) -> bool:
    """With restartPolicy OnFailure it is the containers' restarts that count."""
    spec = job_of(job).spec
    if spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(
        container.restart_count
        for pod in progress.active
        if pod_of(pod).status.phase in ("Running", "Pending")
        for container in pod_of(pod).status.container_statuses
        if container.name != "istio-proxy"
    )
    return restarts > 0 if spec.backoff_limit == 0 else restarts >= spec.backoff_limit


def _failed_indexes(job: Obj, progress: Progress) -> tuple[str, str] | None:
    most = job_of(job).spec.max_failed_indexes
    if not progress.per_index:
        return None
    if most is not None and len(progress.given_up) > most:
        words = "Job has exceeded the specified maximal number of failed indexes"
        return "MaxFailedIndexesExceeded", words
    if progress.given_up and len(progress.given_up | progress.completed) >= progress.completions:
        return "FailedIndexes", "Job has failed indexes"
    return None
