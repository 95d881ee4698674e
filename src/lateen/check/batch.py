"""Check one Job or CronJob, in Kubernetes' words.

In: the object.         Out: problems.    Source: Kubernetes pkg/apis/batch/validation.
Before: check/pod.py    After: check/objects.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lateen.api.batch import CronJob, Job, JobSpec
from lateen.api.schedules import BadSchedule, parse_schedule
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of
from lateen.check.workload import check_pod_template

MODES = ("Indexed", "NonIndexed")
POLICIES = ("Allow", "Forbid", "Replace")
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_INDEXES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_CRONJOB_NAME = 52  # leaves room for the name of each Job: 11 characters more


def check_job(job: Job, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    return _job_spec(job.spec, at.key("spec"))


def check_cron_job(cronjob: CronJob, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = cronjob.spec, at.key("spec")
    if len(cronjob.metadata.name) > _CRONJOB_NAME:
        words = f"must be no more than {_CRONJOB_NAME} characters"
        yield at.key("metadata", "name").invalid(cronjob.metadata.name, words)
    try:
        parse_schedule(spec.schedule, None)
    except BadSchedule as fault:
        yield here.key("schedule").invalid(spec.schedule, str(fault))
    if spec.time_zone is not None:
        try:
            parse_schedule("@daily", spec.time_zone)
        except BadSchedule as fault:
            yield here.key("timeZone").invalid(spec.time_zone, str(fault))
    yield from one_of(here.key("concurrencyPolicy"), spec.concurrency_policy, POLICIES)
    for field, value in (
        ("startingDeadlineSeconds", spec.starting_deadline_seconds),
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ):
        yield from between(here.key(field), value, 0)
    yield from _job_spec(spec.job_template.spec, here.key("jobTemplate", "spec"))


def _job_spec(spec: JobSpec, at: At) -> Iterator[Problem]:
    for field, value in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("backoffLimit", spec.backoff_limit),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
    ):
        yield from between(at.key(field), value, 0)
    yield from one_of(at.key("completionMode"), spec.completion_mode, MODES)
    if spec.completion_mode == "Indexed" and spec.completions is None:
        yield at.key("completions").required("when completion mode is Indexed")
    if spec.backoff_limit_per_index is not None and spec.completion_mode != "Indexed":
        words = "requires indexed completion mode"
        yield at.key("backoffLimitPerIndex").invalid(spec.backoff_limit_per_index, words)
    yield from _failure_policy(spec, at.key("podFailurePolicy", "rules"))
    yield from _success_policy(spec, at.key("successPolicy"))
    here = at.key("template", "spec")
    if spec.template.spec.restart_policy == "Always":
        words = 'valid values: "OnFailure", "Never"'
        yield here.key("restartPolicy").required(words)
    yield from check_pod_template(spec.template.spec, here)


def _success_policy(spec: JobSpec, at: At) -> Iterator[Problem]:
    if spec.success_policy is None:
        return
    if spec.completion_mode != "Indexed":
        yield at.error("Invalid value: requires indexed completion mode")
    if not spec.success_policy.rules:
        words = "at least one rules must be specified when the successPolicy is specified"
        yield at.key("rules").required(words)
    for number, rule in enumerate(spec.success_policy.rules):
        here = at.key("rules").item(number)
        if rule.succeeded_count is None and rule.succeeded_indexes is None:
            words = "at least one of succeededCount or succeededIndexes must be specified"
            yield here.required(words)
        if rule.succeeded_count is not None:
            most = spec.completions or 0
            yield from between(here.key("succeededCount"), rule.succeeded_count, 1, most)
        if rule.succeeded_indexes is not None and not _INDEXES.fullmatch(rule.succeeded_indexes):
            words = "cannot convert string to integer for index"
            yield here.key("succeededIndexes").invalid(rule.succeeded_indexes, words)


def _failure_policy(spec: JobSpec, at: At) -> Iterator[Problem]:
    if spec.pod_failure_policy is None:
        return
    if spec.template.spec.restart_policy == "OnFailure":
        words = 'only "Never" is supported when podFailurePolicy is specified'
        yield at.invalid(spec.template.spec.restart_policy, words)
    for number, rule in enumerate(spec.pod_failure_policy.rules):
        here = at.item(number)
        yield from one_of(here.key("action"), rule.action, ACTIONS)
        if rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
            yield here.key("action").invalid(
                rule.action, "requires the backoffLimitPerIndex to be set"
            )
        if (rule.on_exit_codes is None) == (not rule.on_pod_conditions):
            words = "specifying one of OnExitCodes and OnPodConditions is required"
            yield here.error(f"Invalid value: {words}")
        if codes := rule.on_exit_codes:
            yield from one_of(here.key("onExitCodes", "operator"), codes.operator, ("In", "NotIn"))
            if codes.operator == "In" and 0 in codes.values:
                words = "must not be 0 for the In operator"
                yield here.key("onExitCodes", "values").invalid(0, words)
