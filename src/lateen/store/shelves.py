"""All objects in memory, found by key and listed in order.

In: records.    Out: records and sorted lists of objects.
Before: api/objects.py        After: store/core.py
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey

_Kind = tuple[str, str]  # group and kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object and who owns it."""

    obj: Obj
    source: str = ""


class Shelves:
    """Records by kind, namespace and name. Sorted lists are kept until their content changes."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._kinds: dict[_Kind, dict[str, dict[str, Record]]] = {}
        self._sorted: dict[tuple[_Kind, str | None], tuple[Obj, ...]] = {}
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
        self._sorted.pop((kind, None), None)
        self._sorted.pop((kind, key.namespace), None)

    def list(
        self, *, group: str | None, kind: str | None, namespace: str | None
    ) -> tuple[Obj, ...]:
        """Objects sorted by key; None means any. The same tuple again while nothing changed."""
        if group is not None and kind is not None:
            return self._of((group, kind), namespace)
        wanted = (k for k in self._kinds if group in (None, k[0]) and kind in (None, k[1]))
        return tuple(obj for k in sorted(wanted) for obj in self._of(k, namespace))

    def _of(self, kind: _Kind, namespace: str | None) -> tuple[Obj, ...]:
        found = self._sorted.get((kind, namespace))
        if found is None:
            spaces = self._kinds.get(kind, {})
            names = sorted(spaces) if namespace is None else [namespace]
            found = tuple(
                names[name].obj
                for names in (spaces.get(n, {}) for n in names)
                for name in sorted(names)
            )
            self._sorted[kind, namespace] = found
        return found
