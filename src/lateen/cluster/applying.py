"""Make the store's objects be what the user's files say.

In: the decoded objects of all files.    Out: the store, changed; what became of each object.
Before: api/decode.py, cluster/refusing.py        After: cluster/controlling.py

As with `kubectl apply`, what the files said last time is remembered, in a note: a field they no longer
have goes, and a field they never had (an address, a revision annotation) stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import Any

import msgspec
from msgspec import Struct

from lateen.api.codes import UNKNOWN_KIND
from lateen.api.decode import restore
from lateen.api.kinds import kind_of
from lateen.api.objects import FieldPlaces, Obj
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.base.problem import Level, Problem
from lateen.cluster.actions import OWN, PROVIDED
from lateen.cluster.deletion import ALWAYS_THERE, delete_object
from lateen.cluster.merging import merged
from lateen.cluster.namespaces import undeclared
from lateen.cluster.performing import Changed
from lateen.cluster.refusing import judge
from lateen.cluster.written import written, yielding
from lateen.store.interface import Store, Writer

FILES = "files"  # the source of objects that stand in files


_LATER = "applied-later"


class _Outcome(Enum):
    CREATED = auto()
    CHANGED = auto()
    UNCHANGED = auto()
    LATER = auto()
    UNKNOWN = auto()
    REFUSED = auto()


# What others are judged by comes before them, and a definition makes its kind.
_FIRST = (
    "CustomResourceDefinition",
    "Namespace",
    "LimitRange",
    "ResourceQuota",
    "PriorityClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)


class _Postponed(Struct, frozen=True, kw_only=True):
    raw: dict[str, Any]
    places: FieldPlaces | None


class Applied(Struct, frozen=True, kw_only=True):
    """What became of the objects; `later` wait for one on its way out to be gone; of `refused` ones what
    was there stays."""

    created: tuple[ObjectKey, ...] = ()
    changed: tuple[ObjectKey, ...] = ()
    unchanged: tuple[ObjectKey, ...] = ()
    deleted: tuple[ObjectKey, ...] = ()
    later: tuple[ObjectKey, ...] = ()
    refused: tuple[ObjectKey, ...] = ()
    problems: tuple[Problem, ...] = ()


def apply_files(
    store: Store, objects: Sequence[Obj], clock: Clock, *, keep: Collection[ObjectKey] = ()
) -> Applied:
    """Put every object, delete those that no file has any more, in one transaction.

    `keep` names what some file has still, but in a form that may not be stored: it stays as it is.

    An object that cannot be put now (its predecessor is still ending, or is a pod that runs something
    else and so has to end first) is named in `later` and put by `apply_later` when that one is gone.
    """
    with store.transaction():
        deleted = _swept(store, {obj.key for obj in objects} | set(keep), clock)
        known = {n.key.name for n in store.list(group="", kind="Namespace")}
        trees, problems = undeclared(objects, known)
        for tree in trees:
            store.put(tree, source=PROVIDED)
        said = list(problems)
        outcomes = [(_put(store, obj, clock, said), obj) for obj in sorted(objects, key=_turn)]
        _postpone(store, [obj for outcome, obj in outcomes if outcome is _Outcome.LATER])

    def those(wanted: _Outcome) -> tuple[ObjectKey, ...]:
        return tuple(obj.key for outcome, obj in outcomes if outcome is wanted)

    return Applied(
        created=those(_Outcome.CREATED),
        changed=those(_Outcome.CHANGED),
        unchanged=those(_Outcome.UNCHANGED),
        later=those(_Outcome.LATER),
        deleted=deleted,
        refused=those(_Outcome.REFUSED),
        problems=(*said, *(_undefined(o) for w, o in outcomes if w is _Outcome.UNKNOWN)),
    )


def _turn(obj: Obj) -> int:
    return _FIRST.index(obj.key.kind) if obj.key.kind in _FIRST else len(_FIRST)


def _undefined(obj: Obj) -> Problem:
    return Problem(
        code=UNKNOWN_KIND,
        level=Level.WARNING,
        origin=obj.origin("kind"),
        message=f"{obj.key.kind} of {obj.key.group} is not defined any more; left out",
    )


def apply_later(store: Store, clock: Clock) -> Changed:
    """Put those of the postponed objects whose predecessor is gone; the kinds that changed."""
    note = store.read_note(_LATER)
    postponed = msgspec.json.decode(note, type=tuple[_Postponed, ...]) if note else ()
    left: list[Obj] = []
    places: set[tuple[str, str]] = set()
    with store.transaction():
        for obj in (restore(p.raw, p.places, 0) for p in postponed):
            if _put(store, obj, clock, []) is _Outcome.LATER:
                left.append(obj)
            else:
                places.add((obj.key.kind, obj.key.namespace))
        _postpone(store, left)
    return Changed(places=frozenset(places))


def _postpone(store: Store, objects: Sequence[Obj]) -> None:
    postponed = [_Postponed(raw=dict(obj.raw), places=obj.places) for obj in objects]
    store.write_note(_LATER, msgspec.json.encode(postponed) if postponed else None)


def _put(store: Store, obj: Obj, clock: Clock, said: list[Problem]) -> _Outcome:
    """Put one object; `said` takes what there is to say of it."""
    if kind_of(obj.key.group, obj.key.kind) is None:
        return _Outcome.UNKNOWN  # the definition of its kind has just gone
    live = store.get(obj.key)
    if _is_leaving(store, live, obj.key.namespace):
        return _Outcome.LATER
    wanted, said_there = {k: v for k, v in obj.raw.items() if k != "status"}, written(obj)
    if live is None:
        return _create(store, obj, wanted, said)
    last = _remembered(store, obj.key)
    tree = merged(last, live.raw, yielding(wanted, said_there, last, live.raw))
    if obj.key.kind == "Pod" and tree["spec"] != live.raw["spec"]:
        delete_object(store, obj.key, clock)
        return _put(store, obj, clock, said)
    if tree != live.raw:
        judged = judge(store, obj, tree, live)
        said += judged.problems
        if judged.tree is None:
            return _Outcome.REFUSED
    writer = Writer(name=OWN, applied=said_there)
    put = store.put(tree, places=obj.places, source=FILES, writer=writer)
    _remember(store, obj.key, wanted)
    return _Outcome.UNCHANGED if put.revision == live.revision else _Outcome.CHANGED


def _create(store: Store, obj: Obj, wanted: dict[str, Any], said: list[Problem]) -> _Outcome:
    judged = judge(store, obj, wanted, None)
    said += judged.problems
    if judged.tree is None:
        return _Outcome.REFUSED
    writer = Writer(name=OWN, applied=written(obj))
    store.put(judged.tree, places=obj.places, source=FILES, writer=writer)
    _remember(store, obj.key, wanted)
    return _Outcome.CREATED


def _is_leaving(store: Store, live: Obj | None, namespace: str) -> bool:
    inside = store.get(_namespace_key(namespace)) if namespace else None
    return any(o is not None and o.meta.deletion_timestamp is not None for o in (live, inside))


def _swept(store: Store, wanted: set[ObjectKey], clock: Clock) -> tuple[ObjectKey, ...]:
    gone = [
        obj for obj in store.list() if obj.key not in wanted and store.source_of(obj.key) == FILES
    ]
    for obj in gone:
        _forget(store, obj.key)
        if obj.key.kind == "Namespace" and obj.key.name in ALWAYS_THERE:
            store.put(obj.raw, source=PROVIDED)
        elif store.get(obj.key) is not None:  # its namespace may have taken it along
            delete_object(store, obj.key, clock)
    return tuple(obj.key for obj in gone)


def _namespace_key(name: str) -> ObjectKey:
    return ObjectKey(group="", kind="Namespace", namespace="", name=name)


def _note(key: ObjectKey) -> str:
    return f"applied:{key.group}/{key.kind}/{key.namespace}/{key.name}"


def _remembered(store: Store, key: ObjectKey) -> dict[str, Any]:
    note = store.read_note(_note(key))
    tree: dict[str, Any] = msgspec.json.decode(note) if note else {}
    return tree


def _remember(store: Store, key: ObjectKey, tree: Mapping[str, Any]) -> None:
    store.write_note(_note(key), msgspec.json.encode(tree))


def _forget(store: Store, key: ObjectKey) -> None:
    store.write_note(_note(key), None)
