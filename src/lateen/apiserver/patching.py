"""Apply a patch to an object's JSON tree: merge patch and JSON patch.

In: a tree and a patch.    Out: the patched tree; the input is never changed.
Before: -                  After: apiserver/writing.py

Source: RFC 7386 (merge patch), RFC 6902 (JSON patch), RFC 6901 (pointers).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lateen.apiserver.faults import ApiFault

MAX_OPERATIONS = 10_000


def merge_patch(tree: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(tree) if isinstance(tree, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(tree: Any, operations: Any) -> Any:
    """RFC 6902; raises ApiFault 422 for an operation that cannot be done, 400 for a malformed one."""
    if not isinstance(operations, list):
        raise ApiFault(400, "a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise ApiFault(413, f"a JSON patch may have {MAX_OPERATIONS} operations")
    result = copy.deepcopy(tree)
    for operation in operations:
        result = _operate(result, operation)
    return result


def _operate(tree: Any, operation: Any) -> Any:
    if not isinstance(operation, Mapping) or not isinstance(operation.get("path"), str):
        raise ApiFault(400, "an operation of a JSON patch is an object with op and path")
    path = _pointer(operation["path"])
    match operation.get("op"):
        case "add":
            return _add(tree, path, _value(operation))
        case "replace":
            _get(tree, path)
            return _add(_remove(tree, path), path, _value(operation)) if path else _value(operation)
        case "remove":
            return _remove(tree, path)
        case "test":
            if _get(tree, path) != _value(operation):
                raise ApiFault(422, f"testing path {operation['path']} failed: the value differs")
            return tree
        case "move" | "copy" as op if isinstance(operation.get("from"), str):
            source = _pointer(operation["from"])
            moved = copy.deepcopy(_get(tree, source))
            return _add(_remove(tree, source) if op == "move" else tree, path, moved)
        case other:
            raise ApiFault(400, f"unknown operation {other!r} in a JSON patch")


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise ApiFault(400, f"operation {operation.get('op')!r} of a JSON patch needs a value")
    return copy.deepcopy(operation["value"])


def _pointer(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    if not text.startswith("/"):
        raise ApiFault(400, f"{text!r} is not a JSON pointer: it must begin with /")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def _absent(path: tuple[str, ...]) -> ApiFault:
    return ApiFault(422, f"the JSON patch names a path that is not there: /{'/'.join(path)}")


def _index(items: list[Any], part: str, path: tuple[str, ...], *, end: int) -> int:
    if not part.isdecimal() or len(part) > 9 or int(part) >= end:
        raise _absent(path)
    return int(part)


def _get(tree: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        match tree:
            case dict() if part in tree:
                tree = tree[part]
            case list():
                tree = tree[_index(tree, part, path, end=len(tree))]
            case _:
                raise _absent(path)
    return tree


def _add(tree: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    match _get(tree, path[:-1]):
        case dict() as parent:
            parent[path[-1]] = value
        case list() as parent if path[-1] == "-":
            parent.append(value)
        case list() as parent:
            parent.insert(_index(parent, path[-1], path, end=len(parent) + 1), value)
        case _:
            raise _absent(path)
    return tree


def _remove(tree: Any, path: tuple[str, ...]) -> Any:
    if not path:
        raise ApiFault(422, "a JSON patch cannot remove the whole object")
    match _get(tree, path[:-1]):
        case dict() as parent if path[-1] in parent:
            del parent[path[-1]]
        case list() as parent:
            del parent[_index(parent, path[-1], path, end=len(parent))]
        case _:
            raise _absent(path)
    return tree
