"""Deployment and ReplicaSet: how many pods of which template.

In: -    Out: Deployment, ReplicaSet.    Source: apps/v1.
Before: api/pod.py       After: cluster/
"""

from __future__ import annotations

from lateen.api.fields import Api, IntOrString
from lateen.api.meta import Condition, LabelSelector, ObjectMeta
from lateen.api.pod import PodTemplateSpec


class RollingUpdate(Api, frozen=True, kw_only=True):
    """How many pods more or fewer than wanted may exist during an update; number or percentage."""

    max_surge: IntOrString = "25%"
    max_unavailable: IntOrString = "25%"


class DeploymentStrategy(Api, frozen=True, kw_only=True):
    """RollingUpdate or Recreate."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Api, frozen=True, kw_only=True):
    """Replicas of a template, and how to go from one template to the next."""

    selector: LabelSelector
    template: PodTemplateSpec
    replicas: int = 1
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    progress_deadline_seconds: int | None = 600
    paused: bool = False


class DeploymentStatus(Api, frozen=True, kw_only=True):
    """How far a Deployment is."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: tuple[Condition, ...] = ()
    collision_count: int | None = None


class Deployment(Api, frozen=True, kw_only=True):
    """apps/v1 Deployment."""

    api_version: str = "apps/v1"
    kind: str = "Deployment"
    metadata: ObjectMeta
    spec: DeploymentSpec
    status: DeploymentStatus = DeploymentStatus()


class ReplicaSetSpec(Api, frozen=True, kw_only=True):
    """That many pods of that template."""

    selector: LabelSelector
    template: PodTemplateSpec
    replicas: int = 1
    min_ready_seconds: int = 0


class ReplicaSetStatus(Api, frozen=True, kw_only=True):
    """How many there are."""

    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    fully_labeled_replicas: int = 0
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Api, frozen=True, kw_only=True):
    """apps/v1 ReplicaSet."""

    api_version: str = "apps/v1"
    kind: str = "ReplicaSet"
    metadata: ObjectMeta
    spec: ReplicaSetSpec
    status: ReplicaSetStatus = ReplicaSetStatus()
