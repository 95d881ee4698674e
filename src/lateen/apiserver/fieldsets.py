"""Sets of field paths, as managedFields keep them.

In: FieldsV1 trees.    Out: FieldSet, and back; a path as Kubernetes prints it.
Before: -              After: apiserver/fieldwalks.py, apiserver/managing.py

Source: sigs.k8s.io/structured-merge-diff fieldpath. A path is a tuple of its elements in FieldsV1's own
form: `f:spec`, `k:{"name":"app"}`, `v:"x"`, `i:0`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Path = tuple[str, ...]
FieldSet = frozenset[Path]

DEEPEST = 128  # elements of a path
_HERE = "."


def field(name: str) -> str:
    """The element of a field."""
    return f"f:{name}"


def keyed(values: Mapping[str, Any]) -> str:
    """The element of a list's item, by its keys."""
    return f"k:{_json(values)}"


def member(value: Any) -> str:
    """The element of a set's item."""
    return f"v:{_json(value)}"


def fields_from(tree: Any) -> FieldSet:
    """The set a FieldsV1 tree stands for; raises ValueError for one that stands for none."""
    found: set[Path] = set()
    stack: list[tuple[Path, Any]] = [((), tree)]
    while stack:
        path, node = stack.pop()
        if not isinstance(node, Mapping) or len(path) > DEEPEST:
            raise ValueError("a FieldsV1 is a mapping of path elements to mappings")
        if path and not node:
            found.add(path)
        for name, below in node.items():
            if name == _HERE:
                found.add(path)
            else:
                stack.append(((*path, _normal(name)), below))
    return frozenset(found - {()})


def fields_tree(fields: FieldSet) -> dict[str, Any]:
    """The FieldsV1 tree of a set, in the order of its elements."""
    root: dict[str, Any] = {}
    for path in sorted(fields):
        node = root
        for element in path:
            node = node.setdefault(element, {})
    for path in fields:
        node = root
        for element in path:
            node = node[element]
        if node:
            node[_HERE] = {}
    return {name: _with_dot_first(node) for name, node in root.items()}


def with_parents(fields: Iterable[Path]) -> FieldSet:
    """The set with every named field that holds one of its paths."""
    parents = {
        path[:end]
        for path in fields
        for end in range(1, len(path) + 1)
        if end == len(path) or path[end - 1].startswith("f:")
    }
    return frozenset(parents)


def shown(path: Path) -> str:
    """As in Kubernetes' messages: `.spec.containers[name="app"].image`."""
    return "".join(_shown(element) for element in path)


def _shown(element: str) -> str:
    kind, _, text = element.partition(":")
    match kind:
        case "f":
            return f".{text}"
        case "k":
            pairs = json.loads(text).items()
            return "[" + ",".join(f"{name}={_json(value)}" for name, value in pairs) + "]"
        case "v":
            return f"[={text}]"
        case _:
            return f"[{text}]"


def _normal(element: Any) -> str:
    """An element as this module writes it; raises ValueError for what is none."""
    kind, colon, text = str(element).partition(":")
    if not colon or kind not in ("f", "k", "v", "i"):
        raise ValueError(f"{str(element)[:60]!r} is no path element")
    match kind:
        case "k":
            values = json.loads(text)
            if not isinstance(values, dict):
                raise ValueError(f"{str(element)[:60]!r} names no keys")
            return keyed(values)
        case "v":
            return member(json.loads(text))
        case "i" if not text.removeprefix("-").isdecimal():
            raise ValueError(f"{str(element)[:60]!r} is no index")
        case _:
            return str(element)


def _with_dot_first(node: dict[str, Any]) -> dict[str, Any]:
    below = {name: _with_dot_first(value) for name, value in node.items() if name != _HERE}
    return {_HERE: {}, **below} if _HERE in node else below


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
