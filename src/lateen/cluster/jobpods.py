"""The pods of a Job: what they look like, which of them count, which failures mean more.

In: a Job, its pods.    Out: trees of pods, verdicts on failures, seconds to wait.
Before: cluster/indexes.py        After: cluster/jobs.py
Source: kubernetes pkg/controller/job (job_controller.go, backoff_utils.go, pod_failure_policy.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lateen.api.batch import Job, JobSpec, OnExitCodes, PodFailureRule
from lateen.api.objects import Obj
from lateen.api.pod import ContainerStatus
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, PutObject
from lateen.cluster.children import pod_tree
from lateen.cluster.indexes import INDEX, index_of
from lateen.cluster.pods import is_done, pod_of
from lateen.cluster.statuses import holds, moment

TRACKING = "batch.kubernetes.io/job-tracking"  # the finalizer of a pod not yet counted
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 600.0  # seconds between a failure and the next try


def job_of(obj: Obj) -> Job:
    """The typed Job."""
    if not isinstance(obj.typed, Job):
        raise Bug(f"{obj.key} is no Job")
    return obj.typed


def is_uncounted(pod: Obj) -> bool:
    """Whether the Job's status does not yet speak of its end."""
    return TRACKING in pod.meta.finalizers


def counted(pod: Obj) -> PutObject:
    """The pod, no longer kept for being counted."""
    left = [name for name in pod.meta.finalizers if name != TRACKING]
    meta = {k: v for k, v in pod.raw["metadata"].items() if k != "finalizers"}
    return PutObject(raw={**pod.raw, "metadata": meta | ({"finalizers": left} if left else {})})


def release_orphans(pods: Sequence[Obj], jobs: Sequence[Obj]) -> tuple[PutObject, ...]:
    """The pods nobody will count any more, because their Job is gone."""
    living = {job.meta.uid for job in jobs}
    return tuple(
        counted(pod)
        for pod in pods
        if is_uncounted(pod)
        and not any(o.uid in living for o in pod.meta.owner_references if o.controller)
    )


def job_pod(job: Obj, name: str, index: int | None) -> PutObject:
    """A new pod of the Job, for this completion index if it is an Indexed one."""
    tree = pod_tree(job, name)
    meta = tree["metadata"] | {"finalizers": [TRACKING]}
    if index is None:
        return PutObject(raw=tree | {"metadata": meta}, source=CONTROLLERS)
    mark = {INDEX: str(index)}
    meta["annotations"] = meta.get("annotations", {}) | mark
    meta["labels"] = meta.get("labels", {}) | mark
    meta["generateName"] = f"{job.key.name}-{index}-"
    spec = tree["spec"] | {"hostname": f"{job.key.name}-{index}"}
    for field in ("containers", "initContainers"):
        if field in spec:
            spec[field] = [_with_index(container) for container in spec[field]]
    return PutObject(raw=tree | {"metadata": meta, "spec": spec}, source=CONTROLLERS)


def _with_index(container: dict[str, Any]) -> dict[str, Any]:
    env = container.get("env") or []
    if any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in env):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
    return container | {"env": [*env, {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]}


def failures_of(pods: Sequence[Obj], spec: JobSpec) -> dict[int, int]:
    """How often each index has failed, as far as its pods are still there."""
    found: dict[int, int] = {}
    for pod in pods:
        index = index_of(pod)
        if index is None or not has_failed(pod):
            continue
        rule = matching_rule(pod, spec)
        if rule is None or rule[1].action != "Ignore":
            found[index] = found.get(index, 0) + 1
        if rule is not None and rule[1].action == "FailIndex":
            found[index] += spec.backoff_limit_per_index or 0
    return found


def has_failed(pod: Obj) -> bool:
    """Whether it has ended, and not well."""
    return pod_of(pod).status.phase == "Failed"


def has_succeeded(pod: Obj) -> bool:
    """Whether it has ended well."""
    return pod_of(pod).status.phase == "Succeeded"


def finished_at(pod: Obj, now: datetime) -> datetime:
    """When its last container ended, or else when it was to end."""
    ends = [
        c.state.terminated.finished_at
        for c in pod_of(pod).status.container_statuses
        if c.state.terminated
    ]
    known = [at for text in ends if (at := moment(text))]
    return max(known, default=moment(pod.meta.deletion_timestamp) or now)


def seconds_to_wait(pods: Sequence[Obj], now: datetime) -> float:
    """Before new pods: 10 s after a failure, twice that after each further one, at most 600 s."""
    ended = sorted((p for p in pods if is_done(p)), key=lambda p: finished_at(p, now), reverse=True)
    failures = 0
    for pod in ended:
        if not has_failed(pod):
            break
        failures += 1
    if not failures:
        return 0.0
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures - 1, 10))
    return max(0.0, wait - (now - finished_at(ended[0], now)).total_seconds())


def matching_rule(pod: Obj, spec: JobSpec) -> tuple[int, PodFailureRule, str] | None:
    """The rule of the podFailurePolicy for this failed pod: its number, itself, and what it matched."""
    for number, rule in enumerate(spec.pod_failure_policy.rules if spec.pod_failure_policy else ()):
        if words := _matched(pod, rule):
            return number, rule, f"{words} matching {rule.action} rule at index {number}"
    return None


def _matched(pod: Obj, rule: PodFailureRule) -> str:
    name, status = f"{pod.key.namespace}/{pod.key.name}", pod_of(pod).status
    if rule.on_exit_codes is not None:
        everything = (*status.init_container_statuses, *status.container_statuses)
        for container in everything:
            if _has_code(container, rule.on_exit_codes):
                code = container.state.terminated.exit_code if container.state.terminated else 0
                return f"Container {container.name} for pod {name} failed with exit code {code}"
        return ""
    for wanted in rule.on_pod_conditions:
        if holds(status.conditions, wanted.type) == (wanted.status == "True"):
            return f"Pod {name} has condition {wanted.type}"
    return ""


def _has_code(container: ContainerStatus, wanted: OnExitCodes) -> bool:
    ended = container.state.terminated
    if ended is None or ended.exit_code == 0:
        return False
    if wanted.container_name not in ("", container.name):
        return False
    return (ended.exit_code in wanted.values) == (wanted.operator == "In")
