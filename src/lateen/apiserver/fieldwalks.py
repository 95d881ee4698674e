"""Walk objects field by field: which fields there are, what differs, what a merge makes.

In: JSON trees and the kind's merging rules.    Out: FieldSets, Difference, trees; inputs stay as they are.
Before: apiserver/listtypes.py, apiserver/fieldsets.py        After: apiserver/managing.py

Source: sigs.k8s.io/structured-merge-diff typed: ToFieldSet, Compare, Merge, RemoveItems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from lateen.apiserver.fieldsets import FieldSet, Path, keyed, member
from lateen.apiserver.fieldsets import field as named
from lateen.apiserver.listtypes import Atomic, Elements, FieldPath, Keyed, Merging

Tree = dict[str, Any]

# Fields that are there in every object of a kind that has them, so that nobody adds them.
_ALWAYS_THERE = frozenset({"f:metadata", "f:spec", "f:status", "f:strategy", "f:template"})


class Difference(Struct, frozen=True, kw_only=True):
    """From an older object to a newer one."""

    added: FieldSet
    removed: FieldSet
    modified: FieldSet


class _Absent(Struct, frozen=True):
    """There is no value."""


ABSENT = _Absent()


def fields_of(tree: Any, rules: Merging) -> FieldSet:
    """The fields an applied configuration speaks of."""
    found: set[Path] = set()
    _gather(tree, (), (), rules, found)
    return frozenset(found)


def difference(old: Any, new: Any, rules: Merging) -> Difference:
    """What has changed from `old` to `new`."""
    walk = _Comparison(rules=rules)
    walk.compare(old, new, (), ())
    return Difference(
        added=frozenset(p for p in walk.added if p[-1] not in _ALWAYS_THERE),
        removed=frozenset(walk.removed),
        modified=frozenset(walk.modified),
    )


def merged(live: Any, wanted: Any, rules: Merging, at: FieldPath = ()) -> Any:
    """`live` with all of `wanted` set; items of keyed lists and sets are found by their keys."""
    if not isinstance(wanted, Mapping):
        return _merged_list(live, wanted, rules, at) if isinstance(wanted, list) else wanted
    if not isinstance(live, Mapping) or (at and rules.is_atomic_map(at)):
        return wanted
    kept = dict(live)
    for name, value in wanted.items():
        kept[name] = merged(live.get(name), value, rules, (*at, name)) if name in live else value
    return kept


def without(tree: Any, fields: FieldSet, rules: Merging) -> Any:
    """The tree without those fields and items, each with all that it holds."""
    return _without(tree, (), (), fields, rules)


def children(value: Any, at: FieldPath, rules: Merging) -> dict[str, tuple[FieldPath, Any]] | None:
    """The parts of a value by path element; None for a leaf: a scalar, or what is atomic."""
    if isinstance(value, Mapping):
        if at and rules.is_atomic_map(at):
            return None
        return {named(name): ((*at, name), part) for name, part in value.items()}
    if isinstance(value, list):
        return _items(value, at, rules)
    return None


def _items(
    items: list[Any], at: FieldPath, rules: Merging
) -> dict[str, tuple[FieldPath, Any]] | None:
    """Items by key. A list whose items cannot be told apart is a leaf."""
    if isinstance(rules.list_type(at), Atomic):
        return None
    elements: list[str] = []
    for item in items:
        element = _element(item, at, rules)
        if element is None:
            return None
        elements.append(element)
    if len(set(elements)) != len(elements):
        return None
    return {element: (at, item) for element, item in zip(elements, items, strict=True)}


def _element(item: Any, at: FieldPath, rules: Merging) -> str | None:
    match rules.list_type(at):
        case Elements() if not isinstance(item, Mapping | list):
            return member(item)
        case Keyed(keys=keys) if isinstance(item, Mapping):
            found = {key: item.get(key, rules.key_default(at, key)) for key in keys}
            return keyed(found) if None not in found.values() else None
        case _:
            return None


def _gather(value: Any, path: Path, at: FieldPath, rules: Merging, found: set[Path]) -> None:
    parts = children(value, at, rules)
    if parts is None:
        if path:
            found.add(path)
        return
    for element, (place, part) in parts.items():
        below = (*path, element)
        _gather(part, below, place, rules, found)
        if not element.startswith("f:") or part is None or part == {}:
            found.add(below)


@dataclass(slots=True, kw_only=True)
class _Comparison:
    rules: Merging
    added: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)

    def compare(self, old: Any, new: Any, path: Path, at: FieldPath) -> None:
        """Gather what differs at the path and below."""
        before = {} if old is ABSENT else children(old, at, self.rules)
        after = {} if new is ABSENT else children(new, at, self.rules)
        if before is None or after is None or not (before or after):
            self._leaf(old, new, path)
            if before or after:  # another form now: whatever was below is gone, or new
                self._below(before or {}, after or {}, path)
            return
        if path and (old is ABSENT or new is ABSENT):
            (self.added if old is ABSENT else self.removed).add(path)
        self._below(before, after, path)

    def _leaf(self, old: Any, new: Any, path: Path) -> None:
        if not path or same(old, new):
            return
        if old is ABSENT:
            self.added.add(path)
        elif new is ABSENT:
            self.removed.add(path)
        else:
            self.modified.add(path)

    def _below(
        self,
        before: Mapping[str, tuple[FieldPath, Any]],
        after: Mapping[str, tuple[FieldPath, Any]],
        path: Path,
    ) -> None:
        for element in (*before, *(e for e in after if e not in before)):
            place, old = before.get(element, ((), ABSENT))
            place, new = after.get(element, (place, ABSENT))
            self.compare(old, new, (*path, element), place)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1 there."""
    return type(one) is type(other) and bool(one == other)


def _merged_list(live: Any, wanted: list[Any], rules: Merging, at: FieldPath) -> Any:
    """Items in the order wanted; those only `live` has stay behind their neighbours."""
    old = _items(live, at, rules) if isinstance(live, list) else None
    new = _items(wanted, at, rules)
    if old is None or new is None:
        return wanted
    left = list(old)
    shared = [element for element in new if element in old]
    result: list[Any] = []
    for element, (place, item) in new.items():
        while left and (left[0] not in new or left[0] != next(iter(shared), None)):
            passed = left.pop(0)
            if passed not in new:
                result.append(old[passed][1])
        known = old.get(element)
        result.append(item if known is None else merged(known[1], item, rules, place))
        if shared and shared[0] == element:
            shared.pop(0)
            left = left[1:] if left and left[0] == element else left
    return [*result, *(old[element][1] for element in left if element not in new)]


def _without(tree: Any, path: Path, at: FieldPath, fields: FieldSet, rules: Merging) -> Any:
    parts = children(tree, at, rules)
    if not parts:
        return tree
    kept = {
        element: _without(part, (*path, element), place, fields, rules)
        for element, (place, part) in parts.items()
        if (*path, element) not in fields
    }
    if isinstance(tree, Mapping):
        return {element.removeprefix("f:"): part for element, part in kept.items()}
    return list(kept.values())
