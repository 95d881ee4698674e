"""Check one HorizontalPodAutoscaler or PodDisruptionBudget, in Kubernetes' words.

In: the object.       Out: problems.    Source: Kubernetes pkg/apis/autoscaling/validation, .../policy.
Before: check/at.py   After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.autoscaling import HorizontalPodAutoscaler, MetricSpec, ScalingRules
from lateen.api.policy import PodDisruptionBudget
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of
from lateen.check.sets import check_quantities
from lateen.check.workload import check_share

TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
SELECT = ("Disabled", "Max", "Min")
POLICIES = ("Percent", "Pods")


def check_autoscaler(autoscaler: HorizontalPodAutoscaler, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = autoscaler.spec, at.key("spec")
    yield from between(here.key("minReplicas"), spec.min_replicas, 1)
    yield from between(here.key("maxReplicas"), spec.max_replicas, 1)
    if spec.max_replicas < spec.min_replicas:
        words = "must be greater than or equal to `minReplicas`"
        yield here.key("maxReplicas").invalid(spec.max_replicas, words)
    if not spec.scale_target_ref.name:
        yield here.key("scaleTargetRef", "name").required()
    for index, metric in enumerate(spec.metrics):
        yield from _metric(metric, here.key("metrics").item(index))
    for name, rules in (
        ("scaleUp", spec.behavior.scale_up),
        ("scaleDown", spec.behavior.scale_down),
    ):
        if rules is not None:
            yield from _rules(rules, here.key("behavior", name))


def check_budget(budget: PodDisruptionBudget, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = budget.spec, at.key("spec")
    if spec.min_available is not None and spec.max_unavailable is not None:
        yield here.error("Invalid value: minAvailable and maxUnavailable cannot be both set")
    for name, share in (
        ("minAvailable", spec.min_available),
        ("maxUnavailable", spec.max_unavailable),
    ):
        if share is not None:
            yield from check_share(share, here.key(name))


def _metric(metric: MetricSpec, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("type"), metric.type, TYPES)
    source = metric.resource if metric.type == "Resource" else metric.container_resource
    if metric.type not in ("Resource", "ContainerResource"):
        yield at.key("type").warning(f"metrics of type {metric.type} are not measured by lateen")
        return
    name = "resource" if metric.type == "Resource" else "containerResource"
    if source is None:
        yield at.key(name).required("must populate information for the given metric source")
        return
    target, here = source.target, at.key(name, "target")
    if target.average_utilization is None and target.average_value is None:
        words = "must set either a target raw value or a target utilization"
        yield here.key("averageUtilization").required(words)
    yield from between(here.key("averageUtilization"), target.average_utilization, 1)
    if target.average_value is not None:
        yield from check_quantities({"averageValue": target.average_value}, here)


def _rules(rules: ScalingRules, at: At) -> Iterator[Problem]:
    window = rules.stabilization_window_seconds
    yield from between(at.key("stabilizationWindowSeconds"), window, 0, 3600)
    if rules.tolerance is not None:
        yield from check_quantities({"tolerance": rules.tolerance}, at)
    yield from one_of(at.key("selectPolicy"), rules.select_policy, SELECT)
    for index, policy in enumerate(rules.policies):
        here = at.key("policies").item(index)
        yield from one_of(here.key("type"), policy.type, POLICIES)
        yield from between(here.key("value"), policy.value, 1)
        yield from between(here.key("periodSeconds"), policy.period_seconds, 1, 1800)
