"""Delete objects as Kubernetes does: pods with grace, namespaces with all that is in them.

In: a store and a key.    Out: the store, changed.
Before: store/interface.py        After: cluster/performing.py, cluster/applying.py, apiserver/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from lateen.api.customkinds import is_built_in
from lateen.api.definition import CustomResourceDefinition
from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.base.clock import Clock
from lateen.base.errors import NotFound, StoreError
from lateen.base.origin import ObjectKey
from lateen.cluster.pods import is_done, is_terminating, pod_of, was_started
from lateen.cluster.statuses import moment, timestamp
from lateen.store.interface import Store

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
ALWAYS_THERE = ("default", "istio-system")  # namespaces that cannot be deleted


def delete_object(store: Store, key: ObjectKey, clock: Clock, grace: int | None = None) -> Obj:
    """Delete, or begin to; the object as it is now, or as it was if it is gone.

    A pod that was started is only marked (deletionTimestamp: the end of its grace, in seconds, its own
    terminationGracePeriodSeconds unless given) until the node reports it gone; asked again, its grace
    can only get shorter. A namespace is marked until it is empty, an object with finalizers until it
    has none. What the object owned is collected by the controllers. Raises NotFound, and StoreError for a namespace that must stay.
    """
    obj = store.get(key)
    if obj is None:
        raise NotFound(str(key))
    with store.transaction():
        if key.group == "" and key.kind == "Pod":
            return _delete_pod(store, obj, clock, grace)
        if key.group == "" and key.kind == "Namespace":
            return _delete_namespace(store, obj, clock)
        if isinstance(obj.typed, CustomResourceDefinition):
            return _delete_definition(store, obj, obj.typed, clock)
        if not obj.meta.finalizers:
            return store.delete(key)
        if is_terminating(obj):
            return obj
        return store.put(_with_metadata(obj, deletionTimestamp=timestamp(clock.now())))


def pod_gone(store: Store, uid: str, clock: Clock) -> Obj | None:
    """The node no longer has this pod: remove it if it was to go; the pod, or None if there is none.

    A pod nobody asked to delete stays: the node will be told to run it again. One with finalizers
    stays, too, as a pod that has ended.
    """
    for obj in store.list(group="", kind="Pod"):
        if obj.meta.uid == uid:
            return _remove_pod(store, obj, clock) if is_terminating(obj) else obj
    return None


def is_released(obj: Obj) -> bool:
    """Whether it was asked to go and nothing holds it any more (a namespace: whatever is in it).

    A pod is held until the node has reported it gone, which is when its grace becomes 0.
    """
    if obj.meta.deletion_timestamp is None or obj.meta.finalizers or obj.key.kind == "Namespace":
        return False
    return not isinstance(obj.typed, Pod) or (
        is_done(obj) and obj.meta.deletion_grace_period_seconds == 0
    )


def finish_deletion(store: Store, keys: Iterable[ObjectKey]) -> bool:
    """Remove those of the objects that nothing holds any more; whether there was one."""
    with store.transaction():
        free = [o for key in keys if (o := store.get(key)) is not None and is_released(o)]
        for obj in free:
            store.delete(obj.key)
    return bool(free)


def _delete_pod(store: Store, obj: Obj, clock: Clock, grace: int | None) -> Obj:
    if is_done(obj) or not was_started(obj):
        return _remove_pod(store, obj, clock)
    wanted = pod_of(obj).spec.termination_grace_period_seconds if grace is None else grace
    wanted = max(0, wanted)
    end = clock.now() + timedelta(seconds=wanted)
    planned = moment(obj.meta.deletion_timestamp)
    if planned is not None and (grace is None or planned <= end):
        return obj
    return store.put(
        _with_metadata(obj, deletionTimestamp=timestamp(end), deletionGracePeriodSeconds=wanted)
    )


def _remove_pod(store: Store, obj: Obj, clock: Clock) -> Obj:
    if not obj.meta.finalizers:
        return store.delete(obj.key)
    end = obj.meta.deletion_timestamp or timestamp(clock.now())
    ended = _with_metadata(obj, deletionTimestamp=end, deletionGracePeriodSeconds=0)
    if not is_done(obj):
        ended["status"] = {**(obj.raw.get("status") or {}), "phase": "Failed"}
    return store.put(ended)


def _delete_namespace(store: Store, obj: Obj, clock: Clock) -> Obj:
    name = obj.key.name
    if name in ALWAYS_THERE:
        raise StoreError(f"namespace {name} is always there and cannot be deleted")
    for inside in store.list(namespace=name):
        if inside.meta.deletion_timestamp is None:
            delete_object(store, inside.key, clock)
    if not store.list(namespace=name):
        return store.delete(obj.key)
    if is_terminating(obj):
        return obj
    marked = _with_metadata(obj, deletionTimestamp=timestamp(clock.now()))
    return store.put(marked | {"status": {"phase": "Terminating"}})


def _delete_definition(
    store: Store, obj: Obj, typed: CustomResourceDefinition, clock: Clock
) -> Obj:
    """Its objects go first; while one has finalizers the definition stays, too."""
    group, kind = typed.spec.group, typed.spec.names.kind
    if not is_built_in(typed):
        for inside in store.list(group=group, kind=kind):
            delete_object(store, inside.key, clock)
        if store.list(group=group, kind=kind):
            if is_terminating(obj):
                return obj
            held = [*obj.meta.finalizers, CLEANUP] if CLEANUP not in obj.meta.finalizers else None
            marked = _with_metadata(obj, deletionTimestamp=timestamp(clock.now()))
            if held:
                marked["metadata"]["finalizers"] = held
            return store.put(marked)
    return store.delete(obj.key)


def _with_metadata(obj: Obj, **fields: Any) -> dict[str, Any]:
    return {**obj.raw, "metadata": {**obj.raw["metadata"], **fields}}
