"""StatefulSet, DaemonSet and ControllerRevision: pods with a place, and what their template was.

In: -    Out: the structs.    Source: apps/v1.
Before: api/pod.py, api/storage.py       After: cluster/statefulsets.py, cluster/daemonsets.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, IntOrString
from lateen.api.meta import Condition, LabelSelector, ObjectMeta
from lateen.api.pod import PodTemplateSpec
from lateen.api.storage import PersistentVolumeClaim


class StatefulRollingUpdate(Api, frozen=True, kw_only=True):
    """Only ordinals from `partition` on are updated, the highest first.

    One after the other, or so that up to `max_unavailable` are away at a time.
    """

    partition: int = 0
    max_unavailable: IntOrString | None = None


class StatefulStrategy(Api, frozen=True, kw_only=True):
    """RollingUpdate or OnDelete."""

    type: str = "RollingUpdate"
    rolling_update: StatefulRollingUpdate = StatefulRollingUpdate()


class ClaimRetention(Api, frozen=True, kw_only=True):
    """What becomes of the claims: Retain or Delete."""

    when_deleted: str = "Retain"
    when_scaled: str = "Retain"


class Ordinals(Api, frozen=True, kw_only=True):
    """The number of the first pod."""

    start: int = 0


class StatefulSetSpec(Api, frozen=True, kw_only=True):
    """Numbered pods, each with a name, and claims, of its own."""

    selector: LabelSelector
    template: PodTemplateSpec
    service_name: str = ""
    replicas: int = 1
    volume_claim_templates: tuple[PersistentVolumeClaim, ...] = ()
    pod_management_policy: str = "OrderedReady"
    update_strategy: StatefulStrategy = StatefulStrategy()
    revision_history_limit: int = 10
    min_ready_seconds: int = 0
    persistent_volume_claim_retention_policy: ClaimRetention = ClaimRetention()
    ordinals: Ordinals = Ordinals()


class StatefulSetStatus(Api, frozen=True, kw_only=True):
    """How far a StatefulSet is; revisions are names of ControllerRevisions."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    current_replicas: int = 0
    updated_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()


class StatefulSet(Api, frozen=True, kw_only=True):
    """apps/v1 StatefulSet."""

    api_version: str = "apps/v1"
    kind: str = "StatefulSet"
    metadata: ObjectMeta
    spec: StatefulSetSpec
    status: StatefulSetStatus = StatefulSetStatus()


class DaemonRollingUpdate(Api, frozen=True, kw_only=True):
    """How many nodes may be without their pod, or with two, during an update."""

    max_unavailable: IntOrString = 1
    max_surge: IntOrString = 0


class DaemonStrategy(Api, frozen=True, kw_only=True):
    """RollingUpdate or OnDelete."""

    type: str = "RollingUpdate"
    rolling_update: DaemonRollingUpdate = DaemonRollingUpdate()


class DaemonSetSpec(Api, frozen=True, kw_only=True):
    """One pod on each node that the template's node selector and tolerations allow."""

    selector: LabelSelector
    template: PodTemplateSpec
    update_strategy: DaemonStrategy = DaemonStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10


class DaemonSetStatus(Api, frozen=True, kw_only=True):
    """How far a DaemonSet is, in nodes."""

    current_number_scheduled: int = 0
    number_misscheduled: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()


class DaemonSet(Api, frozen=True, kw_only=True):
    """apps/v1 DaemonSet."""

    api_version: str = "apps/v1"
    kind: str = "DaemonSet"
    metadata: ObjectMeta
    spec: DaemonSetSpec
    status: DaemonSetStatus = DaemonSetStatus()


class ControllerRevision(Api, frozen=True, kw_only=True):
    """apps/v1 ControllerRevision: the template a set had, as a patch that brings it back."""

    api_version: str = "apps/v1"
    kind: str = "ControllerRevision"
    metadata: ObjectMeta
    data: Informative = None
    revision: int = 0
