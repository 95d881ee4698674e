"""Carry out what a controller wants.

In: actions.    Out: the store, changed; which kinds changed in which namespaces.
Before: cluster/actions.py, cluster/deletion.py        After: cluster/controlling.py
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import Action, DeleteObject, LookAgain, PutObject, PutStatus
from lateen.cluster.deletion import delete_object
from lateen.store.interface import Event, EventType, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Kinds with the namespaces they changed in; `deleted` if something went for good."""

    places: frozenset[tuple[str, str]] = frozenset()
    deleted: bool = False

    def __bool__(self) -> bool:
        return bool(self.places)

    def __or__(self, other: Changed) -> Changed:
        return Changed(places=self.places | other.places, deleted=self.deleted or other.deleted)


def changed_by(event: Event) -> Changed:
    """What one event touches."""
    key = event.obj.key
    return Changed(
        places=frozenset({(key.kind, key.namespace)}), deleted=event.type is EventType.DELETED
    )


def perform(store: Store, actions: Iterable[Action], clock: Clock) -> Changed:
    """Do it all in one transaction. An object that has gone meanwhile needs nothing more."""
    done = Changed()
    with store.transaction():
        for action in actions:
            before = store.revision
            touched = _perform(store, action, clock)
            if store.revision != before:
                done |= touched
    return done


def _perform(store: Store, action: Action, clock: Clock) -> Changed:
    match action:
        case PutObject(raw=raw, source=source):
            return _touched(store.put(raw, source=source).key)
        case PutStatus(key=key, status=status):
            if store.get(key) is not None:
                store.put_status(key, status)
            return _touched(key)
        case DeleteObject(key=key):
            inside = store.list(namespace=key.name) if key.kind == "Namespace" else ()
            if store.get(key) is not None:
                delete_object(store, key, clock)
            places = frozenset((o.key.kind, o.key.namespace) for o in inside)
            deleted = bool(inside) or store.get(key) is None
            return _touched(key) | Changed(places=places, deleted=deleted)
        case LookAgain():
            return Changed()
    assert_never(action)


def _touched(key: ObjectKey) -> Changed:
    return Changed(places=frozenset({(key.kind, key.namespace)}))
