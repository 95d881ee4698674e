"""Carry out what a controller wants.

In: actions.    Out: the store, changed; which kinds changed in which namespaces.
Before: cluster/actions.py, cluster/deletion.py        After: cluster/controlling.py
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import (
    CONTROLLER_MANAGER,
    CONTROLLERS,
    Action,
    DeleteObject,
    LookAgain,
    PutObject,
    PutStatus,
    Tell,
)
from lateen.cluster.deletion import delete_object, is_released
from lateen.cluster.events import event_key, event_tree
from lateen.cluster.newpods import let_in
from lateen.store.interface import Event, EventType, Store, Writer


class Changed(Struct, frozen=True, kw_only=True):
    """Kinds with the namespaces they changed in; `deleted` if something went for good.

    `released` are objects that were only waiting for their finalizers, and have none any more.
    """

    places: frozenset[tuple[str, str]] = frozenset()
    deleted: bool = False
    released: frozenset[ObjectKey] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.places)

    def __or__(self, other: Changed) -> Changed:
        return Changed(
            places=self.places | other.places,
            deleted=self.deleted or other.deleted,
            released=self.released | other.released,
        )


def changed_by(event: Event) -> Changed:
    """What one event touches."""
    if event.type is EventType.DELETED:
        return _touched(event.obj.key) | Changed(deleted=True)
    return put(event.obj)


def put(obj: Obj) -> Changed:
    """What it touches that this object is now as it is."""
    released = frozenset({obj.key}) if is_released(obj) else frozenset()
    return _touched(obj.key) | Changed(released=released)


def perform(store: Store, actions: Iterable[Action], clock: Clock) -> Changed:
    """Do it all in one transaction. An object that has gone meanwhile needs nothing more."""
    done = Changed()
    with store.transaction():
        for action in let_in(store, actions):
            before = store.revision
            touched = _perform(store, action, clock)
            if store.revision != before:
                done |= touched
    return done


def _perform(store: Store, action: Action, clock: Clock) -> Changed:
    match action:
        case PutObject(raw=raw, source=source, manager=manager, subresource=subresource):
            writer = Writer(name=manager, subresource=subresource) if manager else None
            return put(store.put(raw, source=source, writer=writer))
        case PutStatus(key=key, status=status):
            if store.get(key) is not None:
                store.put_status(key, status, writer=Writer(name=CONTROLLER_MANAGER))
            return _touched(key)
        case DeleteObject(key=key):
            inside = store.list(namespace=key.name) if key.kind == "Namespace" else ()
            if store.get(key) is not None:
                delete_object(store, key, clock)
            places = frozenset((o.key.kind, o.key.namespace) for o in inside)
            deleted = bool(inside) or store.get(key) is None
            return _touched(key) | Changed(places=places, deleted=deleted)
        case Tell():
            return _tell(store, action, clock)
        case LookAgain():
            return Changed()
    assert_never(action)


def _tell(store: Store, tell: Tell, clock: Clock) -> Changed:
    """Nothing new is put into a namespace on its way out."""
    key = event_key(tell)
    inside = store.get(ObjectKey(group="", kind="Namespace", namespace="", name=key.namespace))
    before = store.get(key)
    if inside is None or inside.meta.deletion_timestamp or (tell.once and before is not None):
        return Changed()
    store.put(event_tree(tell, before, clock.now()), source=CONTROLLERS)
    return _touched(key)


def _touched(key: ObjectKey) -> Changed:
    return Changed(places=frozenset({(key.kind, key.namespace)}))
