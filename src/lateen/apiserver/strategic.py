"""Kubernetes' strategic merge patch: lists of objects merge by a key of their items.

In: a tree and a patch.    Out: the patched tree; the input is never changed.
Before: apiserver/listtypes.py        After: apiserver/writing.py

Source: k8s.io/apimachinery strategicpatch and the patchMergeKey marks of core/v1, apps/v1. Carried out:
`$patch: replace|delete|merge`, `$deleteFromPrimitiveList/`, `$setElementOrder/`, `$retainKeys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lateen.apiserver.faults import ApiFault
from lateen.apiserver.listtypes import Elements, FieldPath, list_type, patch_key

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(
    tree: Mapping[str, Any], patch: Mapping[str, Any], at: FieldPath = ()
) -> dict[str, Any]:
    """The tree (which stands at `at`) after the patch; raises ApiFault 400 for a wrong directive."""
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {name: _plain(value, (*at, name)) for name, value in patch.items() if name != _PATCH}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise ApiFault(400, f"unknown $patch directive {directive!r}")
    merged = _retained(tree, patch)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged((*at, name), merged.get(name), value)
    return _with_list_directives(merged, patch, at)


def _merged(at: FieldPath, old: Any, new: Any) -> Any:
    match new:
        case Mapping():
            return strategic_merge(old if isinstance(old, Mapping) else {}, new, at)
        case list():
            return _merged_list(at, old if isinstance(old, list) else [], new)
        case _:
            return new


def _merged_list(at: FieldPath, old: list[Any], new: list[Any]) -> list[Any]:
    if isinstance(list_type(at), Elements):
        return [*old, *(v for v in new if v not in old)]
    key = patch_key(at)
    if not key:
        return [_plain(value, at) for value in new]
    if any(_is_directive(item, "replace") for item in new):
        return [_plain(item, at) for item in new if not _is_directive(item, "replace")]
    result = list(old)
    for item in new:
        found = _position(result, key, item)
        if _is_directive(item, "delete"):
            if found is not None:
                del result[found]
        elif found is None:
            result.append(_plain(item, at))
        else:
            result[found] = strategic_merge(result[found], item, at)
    return result


def _position(items: list[Any], key: str, item: Any) -> int | None:
    if not isinstance(item, Mapping) or key not in item:
        raise ApiFault(400, f"an item of the patch lacks its merge key {key!r}")
    for at, existing in enumerate(items):
        if isinstance(existing, Mapping) and existing.get(key) == item[key]:
            return at
    return None


def _is_directive(item: Any, directive: str) -> bool:
    return isinstance(item, Mapping) and item.get(_PATCH) == directive


def _retained(tree: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    if _RETAIN not in patch:
        return dict(tree)
    kept = patch[_RETAIN]
    if not isinstance(kept, list):
        raise ApiFault(400, "$retainKeys is a list of field names")
    return {name: value for name, value in tree.items() if name in kept}


def _with_list_directives(
    merged: dict[str, Any], patch: Mapping[str, Any], at: FieldPath
) -> dict[str, Any]:
    for name, value in patch.items():
        if not name.startswith((_DELETE, _ORDER)):
            continue
        if not isinstance(value, list):
            raise ApiFault(400, f"{name} is a list")
        field = name.partition("/")[2]
        items = merged.get(field)
        if not isinstance(items, list):
            continue
        if name.startswith(_DELETE):
            merged[field] = [item for item in items if item not in value]
        else:
            merged[field] = _ordered((*at, field), items, value)
    return merged


def _ordered(at: FieldPath, items: list[Any], order: list[Any]) -> list[Any]:
    key = patch_key(at)

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, Mapping) else item

    wanted = [identity(item) for item in order]

    def rank(item: Any) -> int:
        found = identity(item)
        return wanted.index(found) if found in wanted else len(wanted)

    return sorted(items, key=rank)


def _plain(value: Any, at: FieldPath) -> Any:
    """A part of the patch as a value of its own: no directives, no nulls."""
    match value:
        case Mapping():
            return strategic_merge({}, value, at)
        case list():
            return [_plain(item, at) for item in value]
        case _:
            return value
