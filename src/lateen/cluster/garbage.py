"""Collect what has lost its owners.

In: objects, and a way to look owners up.    Out: actions.
Before: cluster/deletion.py        After: cluster/controlling.py
Source: kubernetes pkg/controller/garbagecollector, background propagation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lateen.api.kinds import group_of, kind_of
from lateen.api.meta import OwnerReference
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import DeleteObject


def collect(
    objects: Iterable[Obj], find: Callable[[ObjectKey], Obj | None]
) -> tuple[DeleteObject, ...]:
    """Delete every object that names owners of which none exists any more."""
    return tuple(
        DeleteObject(key=obj.key)
        for obj in objects
        if obj.meta.owner_references
        and obj.meta.deletion_timestamp is None
        and not any(_exists(obj, owner, find) for owner in obj.meta.owner_references)
    )


def _exists(obj: Obj, owner: OwnerReference, find: Callable[[ObjectKey], Obj | None]) -> bool:
    kind = kind_of(group_of(owner.api_version), owner.kind)
    if kind is None:
        return True  # an owner of a kind lateen does not carry cannot be seen to be gone
    namespace = obj.key.namespace if kind.namespaced else ""
    key = ObjectKey(group=kind.group, kind=kind.kind, namespace=namespace, name=owner.name)
    found = find(key)
    return found is not None and found.meta.uid == owner.uid
