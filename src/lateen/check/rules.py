"""Check the rules in CEL that a CustomResourceDefinition has for its objects.

In: an object of a defined kind, the object before it.    Out: problems in Kubernetes' form.
Before: api/cel.py, check/at.py        After: check/objects.py, apiserver/reviewing.py

A rule that speaks of `oldSelf` holds for changes: it is asked only when there was a value before, at
the same place (in lists: an item of the same keys).

Source: Kubernetes "Validation rules" (`x-kubernetes-validations`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from lateen.api.cel import BadRule, rule_of
from lateen.api.definition import Schema
from lateen.api.fields import Duration
from lateen.api.kinds import Kind
from lateen.api.paths import child, element
from lateen.api.structural import LIST_KEYS, LIST_TYPE
from lateen.api.valuechecks import type_name

RULES = "x-kubernetes-validations"
_OLD = re.compile(r"\boldSelf\b")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPE = re.compile("|".join(re.escape(text) for text in _ESCAPES))
_ESCAPED = re.compile(r"\.(?P<name>\w*__[a-z]+__\w*)")
_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_NOTHING = object()


class Broken(Struct, frozen=True, kw_only=True):
    """A rule that does not hold, and where."""

    path: str
    message: str


def broken_rules(
    kind: Kind, tree: Mapping[str, Any], old: Mapping[str, Any] | None = None
) -> Iterator[Broken]:
    """Rules that do not hold for a tree; with `old`, only the rules that speak of the change."""
    if kind.custom is None:
        return
    version = kind.custom.versions.get(kind.versions[0])
    if version is not None:
        yield from _within(version.schema, dict(tree), dict(old) if old else _NOTHING, "")


def _within(schema: Schema, value: Any, old: Any, path: str) -> Iterator[Broken]:
    for rule in schema.get(RULES) or ():
        about_change = bool(_OLD.search(rule.get("rule", "")))
        if about_change == (old is not _NOTHING):
            yield from _judged(schema, rule, value, old, path)
    match value:
        case dict():
            properties = schema.get("properties") or {}
            additional = schema.get("additionalProperties")
            for key, item in value.items():
                inner = properties.get(key, additional)
                if isinstance(inner, Mapping):
                    before = old.get(key, _NOTHING) if isinstance(old, Mapping) else _NOTHING
                    yield from _descend(inner, item, before, old, child(path, key))
        case list():
            items = schema.get("items")
            if isinstance(items, Mapping):
                for index, item in enumerate(value):
                    before = _same_item(schema, item, old)
                    yield from _descend(items, item, before, old, element(path, index))


def _descend(schema: Schema, value: Any, before: Any, old: Any, path: str) -> Iterator[Broken]:
    """Into a part; when the whole is a change and the part is new, there is nothing to compare."""
    if old is not _NOTHING and before is _NOTHING:
        return
    yield from _within(schema, value, before, path)


def _same_item(schema: Schema, item: Any, old: Any) -> Any:
    if schema.get(LIST_TYPE) != "map" or not isinstance(old, list) or not isinstance(item, dict):
        return _NOTHING
    keys = schema.get(LIST_KEYS) or ()
    same = (o for o in old if isinstance(o, dict) and all(o.get(k) == item.get(k) for k in keys))
    return next(same, _NOTHING)


def _judged(
    schema: Schema, rule: Mapping[str, Any], value: Any, old: Any, path: str
) -> Iterator[Broken]:
    data = {"self": _as_cel(schema, value)}
    if old is not _NOTHING:
        data["oldSelf"] = _as_cel(schema, old)
    where = path
    if rule.get("fieldPath"):
        where = f"{path}{rule['fieldPath']}".removeprefix(".")
    shown = f'"{value}"' if isinstance(value, str) else _shown(value)
    try:
        if rule_of(rule["rule"]).value(data) is True:
            return
    except BadRule as fault:
        words = f"{shown}: rule evaluation error: {fault} evaluating rule: {rule['rule']}"
        yield Broken(path=where, message=f"Invalid value: {words}")
        return
    message = _message(rule, data)
    match rule.get("reason"):
        case "FieldValueForbidden":
            yield Broken(path=where, message=f"Forbidden: {message}")
        case "FieldValueRequired":
            yield Broken(path=where, message=f"Required value: {message}")
        case "FieldValueDuplicate":
            yield Broken(path=where, message=f"Duplicate value: {shown}")
        case _:
            yield Broken(path=where, message=f"Invalid value: {shown}: {message}")


def _message(rule: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    fallback = str(rule.get("message") or f"failed rule: {rule['rule']}")
    if not rule.get("messageExpression"):
        return fallback
    try:
        made = rule_of(rule["messageExpression"]).value(data)
    except BadRule:
        return fallback
    return made if isinstance(made, str) and made.strip() else fallback


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{type_name(value)}"'


def _as_cel(schema: Schema, value: Any) -> Any:
    """The value as rules see it: names that CEL can write, times and durations as such."""
    match value:
        case dict():
            properties = schema.get("properties") or {}
            additional = schema.get("additionalProperties")
            inner = additional if isinstance(additional, Mapping) else {}
            return {
                (escaped(key) if key in properties else key): _as_cel(
                    properties.get(key, inner), item
                )
                for key, item in value.items()
            }
        case list():
            items = schema.get("items")
            inner = items if isinstance(items, Mapping) else {}
            return [_as_cel(inner, item) for item in value]
        case str():
            return _as_moment(schema.get("format"), value)
        case int() if schema.get("type") == "number" and not isinstance(value, bool):
            return float(value)
    return value


def _as_moment(form: str | None, text: str) -> Any:
    try:
        if form == "date-time":
            return datetime.fromisoformat(text.replace("Z", "+00:00"))
        if form == "duration":
            return timedelta(seconds=Duration.parse(text).seconds)
    except ValueError:
        return text
    return text


def escaped(name: str) -> str:
    """A property's name as an identifier of CEL: `foo-bar` is `foo__dash__bar`."""
    if name in _RESERVED:
        return f"__{name}__"
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], name)


def unescaped(text: str) -> str:
    """An expression with the fields it names escaped (`.__namespace__`, `.a__dash__b`) as they are."""
    return _ESCAPED.sub(_own_name, text)


def _own_name(found: re.Match[str]) -> str:
    name = found["name"]
    word = name.removeprefix("__").removesuffix("__")
    if word in _RESERVED and name == f"__{word}__":
        return f".{word}"
    for plain, written in _ESCAPES.items():
        name = name.replace(written, plain)
    return f".`{name}`" if name != found["name"] else f".{name}"
