"""Check one Deployment, ReplicaSet or Pod, in Kubernetes' words.

In: the object.         Out: problems.    Source: Kubernetes pkg/apis/apps/validation.
Before: check/pod.py    After: check/objects.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lateen.api.fields import IntOrString
from lateen.api.meta import LabelSelector
from lateen.api.names import label_faults, label_value_fault, qualified_fault
from lateen.api.pod import Pod, PodSpec, PodTemplateSpec
from lateen.api.workload import Deployment, DeploymentStrategy, ReplicaSet
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of
from lateen.check.ephemerals import forbid_ephemerals
from lateen.check.injected import check_injected
from lateen.check.meshconfig import check_proxy_annotation
from lateen.check.pod import check_pod_spec

STRATEGIES = ("Recreate", "RollingUpdate")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_PERCENT = re.compile(r"[0-9]+%")


def check_pod(pod: Pod, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    yield from check_pod_spec(pod.spec, at.key("spec"))
    yield from check_proxy_annotation(pod.metadata.annotations, at.key("metadata"))
    yield from check_injected(pod.metadata.annotations, at.key("metadata"))


def check_deployment(deployment: Deployment, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = deployment.spec, at.key("spec")
    yield from between(at.key("replicas"), spec.replicas, 0)
    yield from between(at.key("minReadySeconds"), spec.min_ready_seconds, 0)
    yield from between(at.key("revisionHistoryLimit"), spec.revision_history_limit, 0)
    deadline, least = spec.progress_deadline_seconds, spec.min_ready_seconds
    if deadline is not None and deadline <= least:
        words = "must be greater than minReadySeconds"
        yield at.key("progressDeadlineSeconds").invalid(deadline, words)
    yield from check_selector_and_template(spec.selector, spec.template, at)
    yield from _strategy(spec.strategy, at.key("strategy"))


def check_replica_set(replica_set: ReplicaSet, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = replica_set.spec, at.key("spec")
    yield from between(at.key("replicas"), spec.replicas, 0)
    yield from between(at.key("minReadySeconds"), spec.min_ready_seconds, 0)
    yield from check_selector_and_template(spec.selector, spec.template, at)


def check_selector_and_template(
    selector: LabelSelector, template: PodTemplateSpec, at: At
) -> Iterator[Problem]:
    """A selector that matches its template, whose pods are always restarted."""
    labels = template.metadata.labels
    where = at.key("selector")
    if selector == LabelSelector():
        yield where.error("Required value: empty selector is invalid for deployment")
    yield from check_label_selector(selector, where)
    if not selector.matches(labels):
        shown = ", ".join(f"{k}: {v}" for k, v in selector.match_labels.items())
        yield at.key("template", "metadata", "labels").error(
            f"Invalid value: {labels}: `selector` does not match template `labels`",
            f"labels: {{{shown}}}",
        )
    for key, text, words in label_faults(labels):
        yield at.key("template", "metadata", "labels", key).invalid(text, words)
    if template.spec.restart_policy != "Always":
        words = f'Unsupported value: "{template.spec.restart_policy}": supported values: "Always"'
        yield at.key("template", "spec", "restartPolicy").error(words)
    if template.spec.active_deadline_seconds is not None:
        words = "Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"
        yield at.key("template", "spec", "activeDeadlineSeconds").error(words)
    yield from check_pod_template(template.spec, at.key("template", "spec"))
    metadata = at.key("template", "metadata")
    yield from check_proxy_annotation(template.metadata.annotations, metadata)
    yield from check_injected(template.metadata.annotations, metadata)


def check_pod_template(spec: PodSpec, at: At) -> Iterator[Problem]:
    """Every fault of the spec that pods are made from."""
    yield from check_pod_spec(spec, at)
    yield from forbid_ephemerals(spec, at)


def check_label_selector(selector: LabelSelector, at: At) -> Iterator[Problem]:
    """Labels and requirements as they must be written, wherever a selector stands."""
    for key, text, words in label_faults(selector.match_labels):
        yield at.key("matchLabels", key).invalid(text, words)
    for index, requirement in enumerate(selector.match_expressions):
        here = at.key("matchExpressions").item(index)
        if complaint := qualified_fault(requirement.key):
            yield here.key("key").invalid(requirement.key, complaint)
        yield from one_of(here.key("operator"), requirement.operator, OPERATORS)
        if requirement.operator in ("In", "NotIn") and not requirement.values:
            words = "must be specified when `operator` is 'In' or 'NotIn'"
            yield here.key("values").required(words)
        if requirement.operator in ("Exists", "DoesNotExist") and requirement.values:
            words = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield here.key("values").error(f"Forbidden: {words}")
        for number, value in enumerate(requirement.values):
            if complaint := label_value_fault(value):
                yield here.key("values").item(number).invalid(value, complaint)


def _strategy(strategy: DeploymentStrategy, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("type"), strategy.type, STRATEGIES)
    rolling, here = strategy.rolling_update, at.key("rollingUpdate")
    if rolling is None:
        return
    if strategy.type == "Recreate":
        words = "may not be specified when strategy `type` is 'Recreate'"
        yield here.error(f"Forbidden: {words}")
        return
    yield from check_share(rolling.max_surge, here.key("maxSurge"))
    yield from check_share(rolling.max_unavailable, here.key("maxUnavailable"))
    if is_zero(rolling.max_surge) and is_zero(rolling.max_unavailable):
        words = "may not be 0 when `maxSurge` is 0"
        yield here.key("maxUnavailable").invalid(rolling.max_unavailable, words)


def check_share(value: IntOrString, at: At) -> Iterator[Problem]:
    """A number of pods, or a percentage."""
    if isinstance(value, int):
        yield from between(at, value, 0)
    elif not _PERCENT.fullmatch(value):
        words = "a valid percent string must be a numeric string followed by an ending '%'"
        yield at.invalid(value, words)


def is_zero(value: IntOrString) -> bool:
    """Whether it is none, as a number or a percentage."""
    return value in (0, "0%")
