"""Scale what a HorizontalPodAutoscaler names to what the load asks for.

In: an autoscaler, its target and the target's pods, their usage, the past, the time.
Out: actions, and the past of the next step.
Before: cluster/replicacalc.py, cluster/scalingrules.py        After: stages/ (every SYNC_SECONDS)
Source: kubernetes pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from lateen.api.autoscaling import (
    ContainerResourceStatus,
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValue,
    ResourceMetric,
    ResourceStatus,
)
from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.quantity import exact
from lateen.base.errors import Bug
from lateen.cluster.actions import Action, PutObject, Tell
from lateen.cluster.replicacalc import TOLERANCE, Asked, NoWish, Usage, Wish, wish
from lateen.cluster.scalingrules import Allowed, Past, allowed, rules_down, rules_up
from lateen.cluster.statuses import say, timestamp, with_conditions

SYNC_SECONDS = 15.0  # between two looks at the usage, as in Kubernetes
_SELF = "horizontal-pod-autoscaler"
_DEFAULT = MetricSpec(
    type="Resource",
    resource=ResourceMetric(
        name="cpu", target=MetricTarget(type="Utilization", average_utilization=80)
    ),
)
_LIMITS = {
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
}
_STEADY = {
    "ScaleDownStabilized": "recent recommendations were higher than current one, applying the"
    " highest recent recommendation",
    "ScaleUpStabilized": "recent recommendations were lower than current one, applying the lowest"
    " recent recommendation",
}


class Step(Struct, frozen=True, kw_only=True):
    """What to do now, and what to remember until the next step."""

    actions: tuple[Action, ...]
    past: Past


class _Wishes(Struct, frozen=True, kw_only=True):
    """The largest wish, what was measured, and why a metric could not be read."""

    replicas: int | None
    measured: tuple[MetricStatus, ...]
    fault: str


def autoscaler_of(obj: Obj) -> HorizontalPodAutoscaler:
    """The typed autoscaler."""
    if not isinstance(obj.typed, HorizontalPodAutoscaler):
        raise Bug(f"{obj.key} is no HorizontalPodAutoscaler")
    return obj.typed


def autoscale(
    autoscaler: Obj,
    target: Obj | None,
    pods: Sequence[Obj],
    usage: Usage,
    past: Past,
    now: datetime,
) -> Step:
    """One look: what the metrics ask for, as far as it may be done now."""
    if target is None:
        reference = autoscaler_of(autoscaler).spec.scale_target_ref
        words = f'{reference.kind.lower()}s "{reference.name}" not found'
        unable = _condition("AbleToScale", "FailedGetScale", words, holds=False)
        return Step(actions=_said(autoscaler, None, None, [unable], now), past=past)
    current = _replicas(target)
    if current == 0:
        words = "scaling is disabled since the replica count of the target is zero"
        off = _condition("ScalingActive", "ScalingDisabled", words, holds=False)
        return Step(actions=_said(autoscaler, 0, 0, [_able(), off], now), past=past)
    wishes = _wishes(autoscaler, current, pods, usage, now)
    if wishes.replicas is None:
        failed = _condition("ScalingActive", "FailedGetResourceMetric", wishes.fault, holds=False)
        told = Tell(
            about=autoscaler,
            reason="FailedGetResourceMetric",
            message=wishes.fault,
            component=_SELF,
            warning=True,
        )
        said = _said(autoscaler, current, current, [_able(), failed], now)
        return Step(actions=(*said, told), past=past)
    past = past.wished(wishes.replicas, now)
    granted = allowed(autoscaler_of(autoscaler).spec, current, wishes.replicas, past, now)
    return _carried_out(autoscaler, target, current, wishes, granted, past, now)


def _carried_out(
    autoscaler: Obj,
    target: Obj,
    current: int,
    wishes: _Wishes,
    granted: Allowed,
    past: Past,
    now: datetime,
) -> Step:
    desired, conditions = granted.replicas, [_active(), _limited(granted)]
    if desired == current:
        conditions.append(_able(granted))
        said = _said(autoscaler, current, desired, conditions, now, wishes.measured)
        return Step(actions=said, past=past)
    direction = "above" if desired > current else "below"
    words = f"New size: {desired}; reason: resource metrics {direction} target"
    rescaled = f"the HPA controller was able to update the target scale to {desired}"
    conditions.append(_condition("AbleToScale", "SucceededRescale", rescaled, holds=True))
    spec = {**target.raw["spec"], "replicas": desired}
    told = Tell(about=autoscaler, reason="SuccessfulRescale", message=words, component=_SELF)
    said = _said(autoscaler, current, desired, conditions, now, wishes.measured, scaled=True)
    scaled = PutObject(raw={**target.raw, "spec": spec}, subresource="scale")
    actions = (scaled, told, *said)
    return Step(actions=actions, past=past.changed(desired - current, now))


def _wishes(
    autoscaler: Obj, current: int, pods: Sequence[Obj], usage: Usage, now: datetime
) -> _Wishes:
    """Of several metrics the largest wish; one that cannot be read forbids to scale down."""
    found: list[int] = []
    measured: list[MetricStatus] = []
    fault = ""
    for metric in autoscaler_of(autoscaler).spec.metrics or (_DEFAULT,):
        try:
            asked = _asked(autoscaler, metric)
            one = wish(current, pods, usage, asked, now)
        except NoWish as reason:
            fault = fault or f"failed to get {_name(metric)} utilization: {reason}"
            continue
        found.append(one.replicas)
        measured.append(_measured(metric, one))
    largest = max(found, default=None)
    if largest is None or (fault and largest < current):
        return _Wishes(replicas=None, measured=tuple(measured), fault=fault)
    return _Wishes(replicas=largest, measured=tuple(measured), fault="")


def _asked(autoscaler: Obj, metric: MetricSpec) -> Asked:
    spec = autoscaler_of(autoscaler).spec
    up, down = rules_up(spec).tolerance, rules_down(spec).tolerance
    source = metric.resource or metric.container_resource
    if source is None:
        raise NoWish(f"metrics of type {metric.type} are not measured by lateen")
    return Asked(
        resource=source.name,
        container=metric.container_resource.container if metric.container_resource else "",
        target=source.target,
        up=TOLERANCE if up is None else exact(up),
        down=TOLERANCE if down is None else exact(down),
    )


def _name(metric: MetricSpec) -> str:
    source = metric.resource or metric.container_resource
    return source.name if source else metric.type


def _measured(metric: MetricSpec, one: Wish) -> MetricStatus:
    scale, unit = (1000, "m") if _name(metric) == "cpu" else (1, "")
    average = f"{round(one.average * scale)}{unit}"
    value = MetricValue(average_utilization=one.utilization, average_value=average)
    if metric.container_resource is not None:
        source = metric.container_resource
        status = ContainerResourceStatus(
            name=source.name, container=source.container, current=value
        )
        return MetricStatus(type=metric.type, container_resource=status)
    return MetricStatus(
        type=metric.type, resource=ResourceStatus(name=_name(metric), current=value)
    )


def _replicas(target: Obj) -> int:
    replicas = (target.raw.get("spec") or {}).get("replicas", 1)
    return replicas if isinstance(replicas, int) else 1


def _condition(kind: str, reason: str, words: str, *, holds: bool) -> Condition:
    status = "True" if holds else "False"
    return Condition(type=kind, status=status, reason=reason, message=words)


def _active() -> Condition:
    words = "the HPA was able to successfully calculate a replica count from resource metrics"
    return _condition("ScalingActive", "ValidMetricFound", words, holds=True)


def _able(granted: Allowed | None = None) -> Condition:
    if granted is not None and granted.stabilized:
        words = _STEADY[granted.stabilized]
        return _condition("AbleToScale", granted.stabilized, words, holds=True)
    words = "recommended size matches current size"
    return _condition("AbleToScale", "ReadyForNewScale", words, holds=True)


def _limited(granted: Allowed) -> Condition:
    if granted.limited:
        return _condition("ScalingLimited", granted.limited, _LIMITS[granted.limited], holds=True)
    words = "the desired count is within the acceptable range"
    return _condition("ScalingLimited", "DesiredWithinRange", words, holds=False)


def _said(
    autoscaler: Obj,
    current: int | None,
    desired: int | None,
    conditions: Sequence[Condition],
    now: datetime,
    measured: tuple[MetricStatus, ...] = (),
    *,
    scaled: bool = False,
) -> tuple[Action, ...]:
    before = autoscaler_of(autoscaler).status
    status = msgspec.structs.replace(
        before,
        observed_generation=autoscaler.meta.generation,
        current_replicas=before.current_replicas if current is None else current,
        desired_replicas=before.desired_replicas if desired is None else desired,
        current_metrics=measured or before.current_metrics,
        last_scale_time=timestamp(now) if scaled else before.last_scale_time,
        conditions=with_conditions(before.conditions, conditions, now),
    )
    return say(autoscaler, status)
