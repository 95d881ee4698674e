"""Mark in the OpenAPI schemas how lists merge, so that clients make the patches the server expects.

In: schemas by name, those of the kinds.    Out: the schemas with Kubernetes' extensions.
Before: apiserver/listtypes.py        After: apiserver/swagger.py

kubectl 1.20 takes the keys of lists from here; without them a container taken out of a file would stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lateen.apiserver.listtypes import Atomic, Elements, FieldPath, Keyed, ListType, list_type

_STRATEGY = "x-kubernetes-patch-strategy"
_KEY = "x-kubernetes-patch-merge-key"
# Unions: choosing another member drops the one that was.
_RETAINED = {"strategy": "retainKeys", "volumes": "merge,retainKeys"}


def with_list_marks(schemas: Mapping[str, Any], roots: Iterable[str]) -> dict[str, Any]:
    """New schemas, in which each list reached from `roots` says how it merges."""
    marks = {(name, field): _marks(at, array) for name, field, at, array in _walk(schemas, roots)}
    made = {}
    for name, schema in schemas.items():
        properties = {
            field: part | marks.get((name, field), {})
            for field, part in schema.get("properties", {}).items()
        }
        made[name] = schema | {"properties": properties} if properties else schema
    return made


def _walk(
    schemas: Mapping[str, Any], roots: Iterable[str]
) -> Iterator[tuple[str, str, FieldPath, bool]]:
    """Schema, field, its path in an object, and whether it is a list; each place once."""
    waiting: list[tuple[str, FieldPath]] = [(root, ()) for root in roots]
    seen: set[tuple[str, FieldPath]] = set()
    while waiting:
        name, path = waiting.pop()
        if (name, path[-2:]) in seen:
            continue
        seen.add((name, path[-2:]))
        for field, part in schemas[name].get("properties", {}).items():
            at = (*path, field)
            if part.get("type") == "array" or field in _RETAINED:
                yield name, field, at, part.get("type") == "array"
            for held in (part, part.get("items"), part.get("additionalProperties")):
                reference = held.get("$ref", "") if isinstance(held, Mapping) else ""
                if reference:
                    waiting.append((reference.rpartition("/")[2], at))


def _marks(at: FieldPath, array: bool) -> dict[str, Any]:
    marks = _list_marks(list_type(at)) if array else {}
    return marks | ({_STRATEGY: _RETAINED[at[-1]]} if at[-1] in _RETAINED else {})


def _list_marks(kind: ListType) -> dict[str, Any]:
    match kind:
        case Keyed(keys=keys):
            keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
            return keyed | {_KEY: keys[0], _STRATEGY: "merge"}
        case Elements():
            return {"x-kubernetes-list-type": "set", _STRATEGY: "merge"}
        case Atomic(patch_key=key):
            atomic = {"x-kubernetes-list-type": "atomic"}
            return atomic | {_KEY: key, _STRATEGY: "merge"} if key else atomic
