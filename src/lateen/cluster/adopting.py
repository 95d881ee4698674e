"""Give what a selector finds without a controller to its owner, and let go what it finds no more.

In: children, possible owners.    Out: actions.
Before: cluster/children.py        After: cluster/controllers.py, and through the store every set's controller
Source: kubernetes pkg/controller/controller_ref_manager.go.

Of several owners that could adopt an orphan the first by kind and name does. A pod whose labels are changed
leaves its set, which makes another: that is how a pod is taken aside to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lateen.api.batch import Job
from lateen.api.meta import LabelSelector
from lateen.api.objects import Obj
from lateen.api.sets import DaemonSet, StatefulSet
from lateen.api.workload import Deployment, ReplicaSet
from lateen.cluster.actions import Action, PutObject
from lateen.cluster.children import owner_reference
from lateen.cluster.pods import is_done
from lateen.cluster.statefulpods import ordinal_of

OWNERS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("DaemonSet", "Job", "ReplicaSet", "StatefulSet"),
    "ReplicaSet": ("Deployment",),
    "ControllerRevision": ("DaemonSet", "StatefulSet"),
}


def reconcile_owners(children: Sequence[Obj], owners: Sequence[Obj]) -> tuple[Action, ...]:
    """Adopt and release; owners on their way out do neither."""
    staying = [owner for owner in owners if not owner.meta.deletion_timestamp]
    by_uid = {owner.meta.uid: owner for owner in staying}
    by_space: dict[str, list[Obj]] = {}
    for owner in staying:
        by_space.setdefault(owner.key.namespace, []).append(owner)
    return tuple(
        action
        for child in children
        for action in _claimed(child, by_uid, by_space.get(child.key.namespace, []))
    )


def _claimed(child: Obj, by_uid: Mapping[str, Obj], beside: Sequence[Obj]) -> Iterator[PutObject]:
    uid = next((ref.uid for ref in child.meta.owner_references if ref.controller), None)
    if uid is None:
        if adopter := next((o for o in beside if _would_adopt(o, child)), None):
            references = [*_references(child), owner_reference(adopter)]
            yield _with_references(child, references)
    elif (owner := by_uid.get(uid)) is not None and not _selects(owner, child):
        left = [ref for ref in _references(child) if ref.get("uid") != uid]
        yield _with_references(child, left)


def _would_adopt(owner: Obj, child: Obj) -> bool:
    if child.meta.deletion_timestamp or not _selects(owner, child):
        return False
    if child.key.kind != "Pod":
        return True
    if owner.key.kind == "StatefulSet" and ordinal_of(owner, child) is None:
        return False
    return owner.key.kind == "Job" or not is_done(child)


def _selects(owner: Obj, child: Obj) -> bool:
    selector = selector_of(owner)
    return selector is not None and selector.matches(child.meta.labels)


def selector_of(owner: Obj) -> LabelSelector | None:
    """What a set knows its children by; None for a Job that has none yet."""
    match owner.typed:
        case Deployment() | ReplicaSet() | StatefulSet() | DaemonSet() | Job() as typed:
            return typed.spec.selector
    return None


def _references(child: Obj) -> list[dict[str, Any]]:
    return list(child.raw["metadata"].get("ownerReferences") or [])


def _with_references(child: Obj, references: list[dict[str, Any]]) -> PutObject:
    meta = {k: v for k, v in child.raw["metadata"].items() if k != "ownerReferences"}
    meta |= {"ownerReferences": references} if references else {}
    return PutObject(raw={**child.raw, "metadata": meta})
