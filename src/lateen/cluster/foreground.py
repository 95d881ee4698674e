"""Foreground deletion: an owner goes after all that it owns.

In: objects.    Out: actions: what is owned is deleted, and at last the owner is let go.
Before: cluster/actions.py        After: cluster/controllers.py
Source: Kubernetes "Garbage Collection", foreground cascading deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lateen.api.objects import Obj
from lateen.cluster.actions import Action, DeleteObject, PutObject

FOREGROUND = "foregroundDeletion"  # the finalizer the API sets when it is asked for this


def reconcile_foreground(objects: Sequence[Obj]) -> tuple[Action, ...]:
    """Delete what leaving owners own, each with its own first, and let go of those with nothing left."""
    leaving = {o.meta.uid: o for o in objects if _leaves_last(o)}
    if not leaving:
        return ()
    owners = {ref.uid for obj in objects for ref in obj.meta.owner_references}
    owned = [o for o in objects if any(r.uid in leaving for r in o.meta.owner_references)]
    made: list[Action] = []
    for obj in owned:
        if obj.meta.deletion_timestamp is not None:
            continue
        if obj.meta.uid in owners and FOREGROUND not in obj.meta.finalizers:
            made.append(PutObject(raw=_with_finalizers(obj, (*obj.meta.finalizers, FOREGROUND))))
        made.append(DeleteObject(key=obj.key))
    held = {ref.uid for obj in owned for ref in obj.meta.owner_references}
    for uid, owner in leaving.items():
        if uid not in held:
            left = tuple(f for f in owner.meta.finalizers if f != FOREGROUND)
            made.append(PutObject(raw=_with_finalizers(owner, left)))
    return tuple(made)


def _leaves_last(obj: Obj) -> bool:
    return obj.meta.deletion_timestamp is not None and FOREGROUND in obj.meta.finalizers


def _with_finalizers(obj: Obj, finalizers: tuple[str, ...]) -> dict[str, Any]:
    return {**obj.raw, "metadata": {**obj.raw["metadata"], "finalizers": list(finalizers)}}
