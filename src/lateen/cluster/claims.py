"""Bind claims to volumes, and make a folder on this machine for each claim that has none.

In: claims, volumes, storage classes, pods, the folder for volumes, the time.    Out: actions.
Before: api/storage.py        After: cluster/controllers.py, stages/podvolumes.py
Source: kubernetes pkg/controller/volume/persistentvolume, .../pvcprotection.

Whatever provisioner a class names, its claims get a folder; a claim is bound at once. A folder whose
volume goes (reclaim policy Delete) is removed by app/reclaiming.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from lateen.api.objects import Obj
from lateen.api.quantity import exact
from lateen.api.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, PROVIDED, Action, DeleteObject, PutObject, Tell
from lateen.cluster.nodes import NODE
from lateen.cluster.pods import is_done, pod_of
from lateen.cluster.statuses import timestamp

PROTECTION = "kubernetes.io/pvc-protection"
PROVISIONER = "lateen.dev/local-path"
DEFAULT_CLASS = "local-path"  # the name K3s gives its own
_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_SELF = "persistentvolume-controller"


def claim_of(obj: Obj) -> PersistentVolumeClaim:
    """The typed claim."""
    if not isinstance(obj.typed, PersistentVolumeClaim):
        raise Bug(f"{obj.key} is no PersistentVolumeClaim")
    return obj.typed


def volume_of(obj: Obj) -> PersistentVolume:
    """The typed volume."""
    if not isinstance(obj.typed, PersistentVolume):
        raise Bug(f"{obj.key} is no PersistentVolume")
    return obj.typed


def provided_classes(classes: Sequence[Obj]) -> tuple[Action, ...]:
    """The class `local-path`, unless there is one of that name."""
    if any(c.key.name == DEFAULT_CLASS for c in classes):
        return ()
    metadata = {"name": DEFAULT_CLASS, "annotations": {_IS_DEFAULT: "true"}}
    tree = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": metadata,
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }
    return (PutObject(raw=tree, source=PROVIDED),)


def reconcile_claims(
    claims: Sequence[Obj],
    volumes: Sequence[Obj],
    classes: Sequence[Obj],
    folder: str,
    now: datetime,
) -> tuple[Action, ...]:
    """Give every claim that has none a volume; `folder` is where folders for volumes are made."""
    actions: list[Action] = []
    taken: set[str] = set()
    for claim in sorted(claims, key=lambda c: (c.meta.creation_timestamp or "", c.key)):
        if claim.meta.deletion_timestamp is None:
            actions += _claim_steps(claim, volumes, classes, folder, taken)
    bound = {claim.meta.uid for claim in claims}
    for volume in volumes:
        actions += _volume_steps(volume, bound, now)
    return tuple(actions)


def release_claims(claims: Sequence[Obj], pods: Sequence[Obj]) -> tuple[Action, ...]:
    """Let the claims go that were asked to and that no pod uses any more."""
    used = {
        (pod.key.namespace, volume.persistent_volume_claim.claim_name)
        for pod in pods
        if not is_done(pod)
        for volume in pod_of(pod).spec.volumes
        if volume.persistent_volume_claim is not None
    }
    return tuple(
        PutObject(raw=_without_protection(claim))
        for claim in claims
        if claim.meta.deletion_timestamp
        and PROTECTION in claim.meta.finalizers
        and (claim.key.namespace, claim.key.name) not in used
    )


def _claim_steps(
    claim: Obj, volumes: Sequence[Obj], classes: Sequence[Obj], folder: str, taken: set[str]
) -> list[Action]:
    spec = claim_of(claim).spec
    if spec.volume_name:
        volume = next((v for v in volumes if v.key.name == spec.volume_name), None)
        return _bound(claim, volume, classes)
    name = _class_name(claim, classes)
    if found := _matching(claim, name, volumes, taken):
        taken.add(found.key.name)
        return [PutObject(raw=_protected(claim, volumeName=found.key.name, storageClassName=name))]
    made = next((c for c in classes if name and c.key.name == name), None)
    if made is None or not folder:
        return _waiting(claim, name)
    volume_tree = _volume_tree(claim, made, folder)
    volume_name = volume_tree["metadata"]["name"]
    words = f"Successfully provisioned volume {volume_name}"
    return [
        PutObject(raw=volume_tree, source=CONTROLLERS),
        PutObject(raw=_protected(claim, volumeName=volume_name, storageClassName=name)),
        Tell(about=claim, reason="ProvisioningSucceeded", message=words, component=PROVISIONER),
    ]


def _class_name(claim: Obj, classes: Sequence[Obj]) -> str:
    """The class asked for, or the default one: of several the newest."""
    asked = claim_of(claim).spec.storage_class_name
    if asked is not None:
        return asked
    defaults = [c for c in classes if c.meta.annotations.get(_IS_DEFAULT) == "true"]
    newest = max(
        defaults, key=lambda c: (c.meta.creation_timestamp or "", c.key.name), default=None
    )
    return newest.key.name if newest else ""


def _matching(claim: Obj, name: str, volumes: Sequence[Obj], taken: Collection[str]) -> Obj | None:
    """The smallest free volume that is large enough, or the one kept for this claim."""
    spec = claim_of(claim).spec
    size = exact(spec.resources.requests.get("storage", 0))
    fitting: list[tuple[int, Any, str, Obj]] = []
    for volume in volumes:
        typed = volume_of(volume)
        capacity = exact(typed.spec.capacity.get("storage", 0))
        ref = typed.spec.claim_ref
        kept = ref is not None and (ref.namespace, ref.name) == (
            claim.key.namespace,
            claim.key.name,
        )
        if volume.meta.deletion_timestamp or volume.key.name in taken:
            continue
        if ref is not None and (not kept or ref.uid not in ("", claim.meta.uid)):
            continue
        if typed.spec.storage_class_name != name or capacity < size:
            continue
        if not set(spec.access_modes) <= set(typed.spec.access_modes):
            continue
        if spec.selector is not None and not spec.selector.matches(volume.meta.labels):
            continue
        fitting.append((0 if kept else 1, capacity, volume.key.name, volume))
    return min(fitting, key=lambda f: f[:3])[3] if fitting else None


def _bound(claim: Obj, volume: Obj | None, classes: Sequence[Obj]) -> list[Action]:
    """Both sides name each other, and the claim says what it got; without its volume it is Lost."""
    if volume is None:
        return _phase(claim, {"phase": "Lost"})
    actions: list[Action] = []
    typed = volume_of(volume)
    grown = _grown(claim, volume, classes)
    reference = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "namespace": claim.key.namespace,
        "name": claim.key.name,
        "uid": claim.meta.uid,
    }
    spec = {**volume.raw["spec"], "claimRef": reference, "capacity": grown}
    if typed.spec.claim_ref is not None and typed.spec.claim_ref.uid not in ("", claim.meta.uid):
        return _phase(claim, {"phase": "Pending"})
    if spec != volume.raw["spec"]:
        actions.append(PutObject(raw={**volume.raw, "spec": spec}))
    if PROTECTION not in claim.meta.finalizers:
        actions.append(PutObject(raw=_protected(claim)))
        return actions
    modes = list(typed.spec.access_modes)
    return actions + _phase(claim, {"phase": "Bound", "accessModes": modes, "capacity": grown})


def _grown(claim: Obj, volume: Obj, classes: Sequence[Obj]) -> dict[str, Any]:
    """The volume's capacity, or the claim's new one where its class lets it grow."""
    capacity = dict(volume_of(volume).spec.capacity)
    wanted = claim_of(claim).spec.resources.requests.get("storage", 0)
    name = volume_of(volume).spec.storage_class_name
    of_class = next((c.typed for c in classes if c.key.name == name), None)
    may_grow = isinstance(of_class, StorageClass) and of_class.allow_volume_expansion
    if may_grow and exact(wanted) > exact(capacity.get("storage", 0)):
        capacity["storage"] = wanted
    return capacity


def _waiting(claim: Obj, name: str) -> list[Action]:
    words = "no persistent volumes available for this claim and no storage class is set"
    reason, warning = "FailedBinding", False
    if name:
        words, reason, warning = (
            f'storageclass.storage.k8s.io "{name}" not found',
            "ProvisioningFailed",
            True,
        )
    told = Tell(
        about=claim, reason=reason, message=words, component=_SELF, warning=warning, once=True
    )
    return [told, *_phase(claim, {"phase": "Pending"})]


def _phase(claim: Obj, status: dict[str, Any]) -> list[Action]:
    if (claim.raw.get("status") or {}) == status:
        return []
    return [PutObject(raw={**claim.raw, "status": status})]


def _protected(claim: Obj, **fields: str) -> dict[str, Any]:
    meta = claim.raw["metadata"]
    finalizers = list(dict.fromkeys((*claim.meta.finalizers, PROTECTION)))
    spec = {**claim.raw["spec"], **fields}
    return {**claim.raw, "metadata": {**meta, "finalizers": finalizers}, "spec": spec}


def _without_protection(claim: Obj) -> dict[str, Any]:
    left = [name for name in claim.meta.finalizers if name != PROTECTION]
    return {**claim.raw, "metadata": {**claim.raw["metadata"], "finalizers": left}}


def _volume_tree(claim: Obj, made: Obj, folder: str) -> dict[str, Any]:
    typed, name = claim_of(claim), f"pvc-{claim.meta.uid}"
    of_class = made.typed
    policy = of_class.reclaim_policy if isinstance(of_class, StorageClass) else "Delete"
    on_this_node = {
        "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "capacity": {"storage": typed.spec.resources.requests.get("storage", "0")},
            "accessModes": list(typed.spec.access_modes),
            "storageClassName": made.key.name,
            "persistentVolumeReclaimPolicy": policy,
            "volumeMode": typed.spec.volume_mode,
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "apiVersion": "v1",
                "namespace": claim.key.namespace,
                "name": claim.key.name,
                "uid": claim.meta.uid,
            },
            "local": {"path": f"{folder}/{name}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [on_this_node]}},
        },
    }


def _volume_steps(volume: Obj, claims: Collection[str], now: datetime) -> list[Action]:
    """Available, Bound, or Released: then it is deleted if that is its policy."""
    typed = volume_of(volume)
    if volume.meta.deletion_timestamp:
        return []
    ref = typed.spec.claim_ref
    if ref is None or not ref.uid:
        phase = "Available"
    elif ref.uid in claims:
        phase = "Bound"
    elif typed.spec.persistent_volume_reclaim_policy == "Delete":
        return [DeleteObject(key=volume.key)]
    else:
        phase = "Released"
    if typed.status.phase == phase:
        return []
    status = {"phase": phase, "lastPhaseTransitionTime": timestamp(now)}
    return [PutObject(raw={**volume.raw, "status": status})]
