"""HorizontalPodAutoscaler: as many replicas as the load asks for.

In: -    Out: HorizontalPodAutoscaler.    Source: autoscaling/v2.
Before: api/quantity.py       After: cluster/autoscaling.py
"""

from __future__ import annotations

from lateen.api.fields import Api, NotYet
from lateen.api.meta import Condition, ObjectMeta
from lateen.api.quantity import Quantity


class ScaleTargetRef(Api, frozen=True, kw_only=True):
    """What is scaled."""

    kind: str
    name: str
    api_version: str = ""


class MetricTarget(Api, frozen=True, kw_only=True):
    """Utilization (per cent of the requests), AverageValue (of each pod) or Value."""

    type: str
    average_utilization: int | None = None
    average_value: Quantity | None = None
    value: Quantity | None = None


class ResourceMetric(Api, frozen=True, kw_only=True):
    """cpu or memory of all containers of each pod."""

    name: str
    target: MetricTarget


class ContainerResourceMetric(Api, frozen=True, kw_only=True):
    """cpu or memory of one container of each pod."""

    name: str
    container: str
    target: MetricTarget


class MetricSpec(Api, frozen=True, kw_only=True):
    """One source of a wish; the largest wish counts."""

    type: str
    resource: ResourceMetric | None = None
    container_resource: ContainerResourceMetric | None = None
    pods: NotYet = None
    object: NotYet = None
    external: NotYet = None


class ScalingPolicy(Api, frozen=True, kw_only=True):
    """At most so many pods, or so many per cent, in a period of seconds."""

    type: str
    value: int
    period_seconds: int


class ScalingRules(Api, frozen=True, kw_only=True):
    """How fast, and how long a wish must last (seconds)."""

    stabilization_window_seconds: int | None = None
    select_policy: str = "Max"
    policies: tuple[ScalingPolicy, ...] = ()
    tolerance: Quantity | None = None


class Behavior(Api, frozen=True, kw_only=True):
    """The rules for each direction."""

    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class AutoscalerSpec(Api, frozen=True, kw_only=True):
    """Between so many replicas; without metrics 80 per cent of the cpu asked for."""

    scale_target_ref: ScaleTargetRef
    max_replicas: int
    min_replicas: int = 1
    metrics: tuple[MetricSpec, ...] = ()
    behavior: Behavior = Behavior()


class MetricValue(Api, frozen=True, kw_only=True):
    """What was measured."""

    average_utilization: int | None = None
    average_value: Quantity | None = None
    value: Quantity | None = None


class ResourceStatus(Api, frozen=True, kw_only=True):
    """cpu or memory, as measured."""

    name: str
    current: MetricValue


class ContainerResourceStatus(Api, frozen=True, kw_only=True):
    """cpu or memory of one container, as measured."""

    name: str
    container: str
    current: MetricValue


class MetricStatus(Api, frozen=True, kw_only=True):
    """One source, as measured."""

    type: str
    resource: ResourceStatus | None = None
    container_resource: ContainerResourceStatus | None = None


class AutoscalerStatus(Api, frozen=True, kw_only=True):
    """How many there are, should be, and why."""

    observed_generation: int | None = None
    last_scale_time: str | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: tuple[MetricStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class HorizontalPodAutoscaler(Api, frozen=True, kw_only=True):
    """autoscaling/v2 HorizontalPodAutoscaler."""

    api_version: str = "autoscaling/v2"
    kind: str = "HorizontalPodAutoscaler"
    metadata: ObjectMeta
    spec: AutoscalerSpec
    status: AutoscalerStatus = AutoscalerStatus()
