"""PersistentVolumeClaim, PersistentVolume and StorageClass: folders that outlive pods.

In: -    Out: the structs.    Source: core/v1, storage.k8s.io/v1.
Before: api/meta.py, api/event.py       After: cluster/claims.py, api/sets.py
"""

from __future__ import annotations

from lateen.api.event import ObjectReference
from lateen.api.fields import Api, Informative, NotYet
from lateen.api.meta import Condition, LabelSelector, ObjectMeta
from lateen.api.pod import HostPathVolume, ResourceRequirements
from lateen.api.quantity import Quantity


class ClaimSpec(Api, frozen=True, kw_only=True):
    """What is wanted. `storage_class_name` None means the default class, "" means none."""

    access_modes: tuple[str, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    storage_class_name: str | None = None
    volume_name: str = ""
    volume_mode: str = "Filesystem"
    selector: LabelSelector | None = None
    data_source: NotYet = None
    data_source_ref: NotYet = None
    volume_attributes_class_name: NotYet = None


class ClaimStatus(Api, frozen=True, kw_only=True):
    """Pending, Bound or Lost."""

    phase: str = ""
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, Quantity] = {}
    conditions: tuple[Condition, ...] = ()
    allocated_resources: Informative = None
    allocated_resource_statuses: Informative = None


class PersistentVolumeClaim(Api, frozen=True, kw_only=True):
    """core/v1 PersistentVolumeClaim."""

    api_version: str = "v1"
    kind: str = "PersistentVolumeClaim"
    metadata: ObjectMeta = ObjectMeta()
    spec: ClaimSpec
    status: ClaimStatus = ClaimStatus()


class LocalVolume(Api, frozen=True, kw_only=True):
    """A folder of this machine."""

    path: str
    fs_type: Informative = None


class VolumeSpec(Api, frozen=True, kw_only=True):
    """A folder, and the claim it is for. The size is not enforced."""

    capacity: dict[str, Quantity] = {}
    access_modes: tuple[str, ...] = ()
    storage_class_name: str = ""
    persistent_volume_reclaim_policy: str = "Retain"
    volume_mode: str = "Filesystem"
    claim_ref: ObjectReference | None = None
    local: LocalVolume | None = None
    host_path: HostPathVolume | None = None
    node_affinity: Informative = None
    mount_options: Informative = None
    csi: NotYet = None
    nfs: NotYet = None
    iscsi: NotYet = None
    fc: NotYet = None
    rbd: NotYet = None
    cephfs: NotYet = None
    cinder: NotYet = None
    aws_elastic_block_store: NotYet = None
    gce_persistent_disk: NotYet = None
    azure_disk: NotYet = None
    azure_file: NotYet = None
    volume_attributes_class_name: NotYet = None


class VolumeStatus(Api, frozen=True, kw_only=True):
    """Available, Bound, Released or Failed."""

    phase: str = ""
    message: str = ""
    reason: str = ""
    last_phase_transition_time: str | None = None


class PersistentVolume(Api, frozen=True, kw_only=True):
    """core/v1 PersistentVolume."""

    api_version: str = "v1"
    kind: str = "PersistentVolume"
    metadata: ObjectMeta
    spec: VolumeSpec
    status: VolumeStatus = VolumeStatus()


class StorageClass(Api, frozen=True, kw_only=True):
    """storage.k8s.io/v1 StorageClass. Whatever its provisioner, claims get a folder on local disk."""

    api_version: str = "storage.k8s.io/v1"
    kind: str = "StorageClass"
    metadata: ObjectMeta
    provisioner: str = ""
    reclaim_policy: str = "Delete"
    volume_binding_mode: str = "Immediate"
    allow_volume_expansion: bool = False
    parameters: Informative = None
    mount_options: Informative = None
    allowed_topologies: Informative = None
