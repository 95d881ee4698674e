"""Fit a tree to a structural schema: leave out what is unknown, fill in defaults, name every fault.

In: an OpenAPI v3 schema of a CustomResourceDefinition, a tree.    Out: the tree, and the faults.
Before: api/cel.py, api/shape.py        After: api/decode.py

Source: Kubernetes "Extend the Kubernetes API with CustomResourceDefinitions"; the words are those of
`k8s.io/apiextensions-apiserver/pkg/apiserver/validation`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lateen.api.definition import Schema
from lateen.api.paths import child, element
from lateen.api.shape import Fault, FaultKind, Shaped
from lateen.api.valuechecks import is_of_type, type_name, value_faults

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
EMBEDDED = "x-kubernetes-embedded-resource"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
_OBJECT_HEAD: Schema = {"type": "object", PRESERVE: True}


def fit(schema: Schema, tree: Mapping[str, Any]) -> Shaped:
    """Fit a whole object; its apiVersion, kind and metadata are not the schema's."""
    walk = _Walk()
    own = {key: tree[key] for key in ("apiVersion", "kind", "metadata") if key in tree}
    kept = walk.mapping(_rooted(schema), dict(tree), "")
    faults = [f for f in walk.faults if f.path.partition(".")[0] not in own]
    return Shaped(raw=own | {k: v for k, v in kept.items() if k not in own}, faults=tuple(faults))


def _rooted(schema: Schema) -> Schema:
    head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _OBJECT_HEAD}
    properties = {**(schema.get("properties") or {}), **head}
    return {**schema, "properties": properties}


@dataclass(slots=True)
class _Walk:
    faults: list[Fault] = field(default_factory=list)

    def value(self, schema: Schema, value: Any, path: str) -> Any:
        """The value pruned and with defaults; its faults are noted."""
        if value is None and schema.get("nullable"):
            return None
        if not self._has_type(schema, value, path):
            return value
        match value:
            case dict():
                value = self.mapping(schema, value, path)
            case list() | tuple():
                items = schema.get("items")
                if isinstance(items, Mapping):
                    value = [
                        self.value(items, item, element(path, index))
                        for index, item in enumerate(value)
                    ]
                self._note_doubles(schema, value, path)
        for where, words in value_faults(schema, value, path):
            self._wrong(where, words)
        return value

    def mapping(self, schema: Schema, tree: dict[str, Any], path: str) -> dict[str, Any]:
        """A mapping, entry by entry."""
        properties = schema.get("properties") or {}
        additional = schema.get("additionalProperties")
        preserved = bool(schema.get(PRESERVE))
        embedded = ("apiVersion", "kind", "metadata") if schema.get(EMBEDDED) else ()
        kept: dict[str, Any] = {}
        for key, value in tree.items():
            where = child(path, key)
            inner = properties.get(key)
            if isinstance(inner, Mapping):
                if value is None and not inner.get("nullable") and "default" in inner:
                    continue
                kept[key] = self.value(inner, value, where)
            elif isinstance(additional, Mapping):
                kept[key] = self.value(additional, value, where)
            elif preserved or additional is True or key in embedded:
                kept[key] = value
            else:
                words = f'unknown field "{key}"'
                self.faults.append(Fault(path=where, kind=FaultKind.UNKNOWN, message=words))
        for key, inner in properties.items():
            if key not in kept and isinstance(inner, Mapping) and "default" in inner:
                kept[key] = self.value(inner, copy.deepcopy(inner["default"]), child(path, key))
        for key in schema.get("required") or ():
            if key not in kept:
                self._wrong(child(path, key), "Required value")
        return kept

    def _has_type(self, schema: Schema, value: Any, path: str) -> bool:
        if schema.get(INT_OR_STRING):
            if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
                return True
            self._wrong_type(path, "integer,string", value)
            return False
        wanted = schema.get("type")
        if wanted is None:
            return True
        if is_of_type(value, wanted):
            return True
        self._wrong_type(path, str(wanted), value)
        return False

    def _note_doubles(self, schema: Schema, items: Any, path: str) -> None:
        for index, shown in doubles(schema, items):
            self._wrong(element(path, index), f"Duplicate value: {shown}")

    def _wrong_type(self, path: str, wanted: str, value: Any) -> None:
        got = type_name(value)
        self._wrong(
            path, f'Invalid value: "{got}": {path} in body must be of type {wanted}: "{got}"'
        )

    def _wrong(self, path: str, message: str) -> None:
        self.faults.append(Fault(path=path, kind=FaultKind.WRONG, message=message))


def doubles(schema: Schema, items: Any) -> Iterator[tuple[int, str]]:
    """Index and shown key of the items that a set or a list of maps has twice."""
    match schema.get(LIST_TYPE):
        case "set":
            keys = [json.dumps(item, sort_keys=True) for item in items]
        case "map":
            names = schema.get(LIST_KEYS) or ()
            keys = [
                json.dumps({n: item.get(n) for n in names if n in item}, sort_keys=True)
                for item in items
                if isinstance(item, Mapping)
            ]
        case _:
            return
    seen: set[str] = set()
    for index, key in enumerate(keys):
        if key in seen:
            yield index, key
        seen.add(key)
