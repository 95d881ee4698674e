"""All objects in memory, found by key and listed in order.

In: records.    Out: records and sorted lists of objects.
Before: api/objects.py        After: store/core.py
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey

_Kind = tuple[str, str]  # group and kind
_List = tuple[_Kind, str | None]  # of one namespace, or of all
_FEW = 20  # up to one object in so many is put in its place; beyond that all are sorted anew


class Record(Struct, frozen=True, kw_only=True):
    """An object and who owns it."""

    obj: Obj
    source: str = ""


class Shelves:
    """Records by kind, namespace and name. Sorted lists are kept, and brought up to date when asked for."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._kinds: dict[_Kind, dict[str, dict[str, Record]]] = {}
        self._sorted: dict[_List, tuple[Obj, ...]] = {}
        self._stale: dict[_List, set[ObjectKey]] = {}
        for record in records:
            self.set(record.obj.key, record)

    def get(self, key: ObjectKey) -> Record | None:
        """The record, or None."""
        namespaces = self._kinds.get((key.group, key.kind), {})
        return namespaces.get(key.namespace, {}).get(key.name)

    def set(self, key: ObjectKey, record: Record | None) -> None:
        """Put a record in its place, or (None) take it away."""
        kind = (key.group, key.kind)
        names = self._kinds.setdefault(kind, {}).setdefault(key.namespace, {})
        if record is not None:
            names[key.name] = record
        else:
            names.pop(key.name, None)
            if not names:
                del self._kinds[kind][key.namespace]
        for kept in ((kind, None), (kind, key.namespace)):
            if kept in self._sorted:
                self._stale.setdefault(kept, set()).add(key)

    def list(
        self, *, group: str | None, kind: str | None, namespace: str | None
    ) -> tuple[Obj, ...]:
        """Objects sorted by key; None means any. The same tuple again while nothing changed."""
        if group is not None and kind is not None:
            return self._of((group, kind), namespace)
        wanted = (k for k in self._kinds if group in (None, k[0]) and kind in (None, k[1]))
        return tuple(obj for k in sorted(wanted) for obj in self._of(k, namespace))

    def _of(self, kind: _Kind, namespace: str | None) -> tuple[Obj, ...]:
        found, stale = self._sorted.get((kind, namespace)), self._stale.pop((kind, namespace), None)
        if found is not None and not stale:
            return found
        if found is None or not stale or len(stale) > len(found) // _FEW:
            made = self._gathered(kind, namespace)
        else:
            made = self._amended(found, stale)
        self._sorted[kind, namespace] = made
        return made

    def _gathered(self, kind: _Kind, namespace: str | None) -> tuple[Obj, ...]:
        spaces = self._kinds.get(kind, {})
        inside = sorted(spaces) if namespace is None else [namespace]
        return tuple(
            names[name].obj
            for names in (spaces.get(n, {}) for n in inside)
            for name in sorted(names)
        )

    def _amended(self, before: tuple[Obj, ...], stale: AbstractSet[ObjectKey]) -> tuple[Obj, ...]:
        """The list with the few objects that have changed put where they belong."""
        objects = list(before)
        for key in stale:
            place = (key.namespace, key.name)
            at = bisect_left(objects, place, key=_place)
            there = at < len(objects) and _place(objects[at]) == place
            record = self.get(key)
            objects[at : at + there] = [record.obj] if record else []
        return tuple(objects)


def _place(obj: Obj) -> tuple[str, str]:
    return obj.key.namespace, obj.key.name
