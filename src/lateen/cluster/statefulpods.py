"""The numbered pods of a StatefulSet: their names, trees and claims.

In: a StatefulSet, an ordinal, a template.    Out: trees of pods and claims.
Before: cluster/children.py        After: cluster/statefulsets.py
Source: kubernetes pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lateen.api.objects import Obj
from lateen.api.sets import StatefulSet
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, PutObject
from lateen.cluster.children import owner_reference
from lateen.cluster.revisions import REVISION_LABEL

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


def statefulset_of(obj: Obj) -> StatefulSet:
    """The typed StatefulSet."""
    if not isinstance(obj.typed, StatefulSet):
        raise Bug(f"{obj.key} is no StatefulSet")
    return obj.typed


def ordinal_of(owner: Obj, pod: Obj) -> int | None:
    """The number at the end of a pod's name, None if it is not one of this set's names."""
    stem, _, number = pod.key.name.rpartition("-")
    if stem != owner.key.name or not (number.isascii() and number.isdecimal()):
        return None
    return int(number)


def revision_of(pod: Obj) -> str:
    """The name of the revision a pod was made of."""
    return pod.meta.labels.get(REVISION_LABEL, "")


def numbered_pod(owner: Obj, ordinal: int, template: Mapping[str, Any], revision: str) -> PutObject:
    """A new pod of that number, of that template."""
    name = f"{owner.key.name}-{ordinal}"
    meta = template.get("metadata") or {}
    marks = {REVISION_LABEL: revision, POD_NAME: name, POD_INDEX: str(ordinal)}
    metadata: dict[str, Any] = {
        "name": name,
        "generateName": f"{owner.key.name}-",
        "namespace": owner.key.namespace,
        "labels": {**(meta.get("labels") or {}), **marks},
        "ownerReferences": [owner_reference(owner)],
    }
    if meta.get("annotations"):
        metadata["annotations"] = meta["annotations"]
    spec = {**template["spec"], "hostname": name}
    if service := statefulset_of(owner).spec.service_name:
        spec["subdomain"] = service
    if volumes := _volumes(owner, ordinal, spec.get("volumes") or []):
        spec["volumes"] = volumes
    tree = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return PutObject(raw=tree, source=CONTROLLERS)


def claim_names(owner: Obj, ordinal: int) -> dict[str, str]:
    """The claim of each volumeClaimTemplate, by the template's name."""
    templates = statefulset_of(owner).spec.volume_claim_templates
    return {t.metadata.name: f"{t.metadata.name}-{owner.key.name}-{ordinal}" for t in templates}


def claim_trees(owner: Obj, ordinal: int) -> dict[str, dict[str, Any]]:
    """The claims of that number, by name; with policy Delete they go with the StatefulSet."""
    spec = statefulset_of(owner).spec
    names = claim_names(owner, ordinal)
    made: dict[str, dict[str, Any]] = {}
    for template in owner.raw["spec"].get("volumeClaimTemplates") or ():
        meta = template.get("metadata") or {}
        metadata: dict[str, Any] = {
            "name": names[meta["name"]],
            "namespace": owner.key.namespace,
            "labels": {**(meta.get("labels") or {}), **spec.selector.match_labels},
        }
        if meta.get("annotations"):
            metadata["annotations"] = meta["annotations"]
        if spec.persistent_volume_claim_retention_policy.when_deleted == "Delete":
            metadata["ownerReferences"] = [owner_reference(owner)]
        made[metadata["name"]] = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": template["spec"],
        }
    return made


def _volumes(owner: Obj, ordinal: int, written: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    claims = claim_names(owner, ordinal)
    own = [
        {"name": name, "persistentVolumeClaim": {"claimName": claim}}
        for name, claim in claims.items()
    ]
    return [*own, *(volume for volume in written if volume["name"] not in claims)]
