"""VerticalPodAutoscaler: requests that follow what containers use.

In: -    Out: VerticalPodAutoscaler.    Source: autoscaling.k8s.io/v1.
Before: api/autoscaling.py, api/quantity.py       After: cluster/recommending.py, check/resizing.py
"""

from __future__ import annotations

from lateen.api.autoscaling import ScaleTargetRef
from lateen.api.fields import Api, NotYet
from lateen.api.meta import Condition, ObjectMeta
from lateen.api.quantity import Quantity

VERTICAL = "autoscaling.k8s.io"
EVERY = "*"  # the container policy of those without one
Resources = dict[str, Quantity]


class UpdatePolicy(Api, frozen=True, kw_only=True):
    """Off only recommends, Initial sizes new pods, Recreate and Auto end pods of another size, too."""

    update_mode: str = "Auto"
    min_replicas: int | None = None
    eviction_requirements: NotYet = None


class ContainerPolicy(Api, frozen=True, kw_only=True):
    """Bounds of one container's recommendation, or of all others'; with mode Off it has none."""

    container_name: str = ""
    mode: str = "Auto"
    min_allowed: Resources = {}
    max_allowed: Resources = {}
    controlled_resources: tuple[str, ...] | None = None
    controlled_values: str = "RequestsAndLimits"


class ResourcePolicy(Api, frozen=True, kw_only=True):
    """The policies of containers."""

    container_policies: tuple[ContainerPolicy, ...] = ()

    def of(self, container: str) -> ContainerPolicy:
        """The container's own, or that of every one."""
        named = {policy.container_name: policy for policy in self.container_policies}
        return named.get(container) or named.get(EVERY) or ContainerPolicy()


class VerticalSpec(Api, frozen=True, kw_only=True):
    """Whose pods, and how they get what is recommended."""

    target_ref: ScaleTargetRef
    update_policy: UpdatePolicy = UpdatePolicy()
    resource_policy: ResourcePolicy = ResourcePolicy()
    recommenders: NotYet = None


class ContainerRecommendation(Api, frozen=True, kw_only=True):
    """What to ask for; between the bounds a pod may stay as it is."""

    container_name: str
    target: Resources = {}
    lower_bound: Resources = {}
    upper_bound: Resources = {}
    uncapped_target: Resources = {}


class Recommendation(Api, frozen=True, kw_only=True):
    """Of each container."""

    container_recommendations: tuple[ContainerRecommendation, ...] = ()


class VerticalStatus(Api, frozen=True, kw_only=True):
    """What is recommended, if anything is."""

    recommendation: Recommendation | None = None
    conditions: tuple[Condition, ...] = ()


class VerticalPodAutoscaler(Api, frozen=True, kw_only=True):
    """autoscaling.k8s.io/v1 VerticalPodAutoscaler."""

    api_version: str = "autoscaling.k8s.io/v1"
    kind: str = "VerticalPodAutoscaler"
    metadata: ObjectMeta
    spec: VerticalSpec
    status: VerticalStatus = VerticalStatus()
