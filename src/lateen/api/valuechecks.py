"""What a schema demands of a value beyond its type: bounds, patterns, choices, and their mixtures.

In: a schema, a value of its type.    Out: faults as path and Kubernetes' words.
Before: api/cel.py        After: api/structural.py

Source: `k8s.io/kube-openapi/pkg/validation/errors`, `apiextensions-apiserver` for the words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from lateen.api.cel import BadRule, matches
from lateen.api.definition import Schema
from lateen.api.paths import child, element

Found = Iterator[tuple[str, str]]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}


def is_of_type(value: Any, wanted: str) -> bool:
    """Whether a JSON value has a type of OpenAPI's."""
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(wanted, (object,)))


def type_name(value: Any) -> str:
    """OpenAPI's name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = (n for n, types in _TYPES.items() if n != "number" and isinstance(value, types))
    return next(names, "number")


def value_faults(schema: Schema, value: Any, path: str) -> Found:
    """The faults of this value itself; those of its parts are found where they stand."""
    if "enum" in schema and value not in schema["enum"]:
        choices = ", ".join(json.dumps(choice) for choice in schema["enum"])
        yield path, f"Unsupported value: {json.dumps(value)}: supported values: {choices}"
    match value:
        case bool():
            pass
        case str():
            yield from _text(schema, value, path)
        case int() | float():
            yield from _number(schema, value, path)
        case list():
            yield from _count(schema, len(value), path, "Items", "items")
        case dict():
            yield from _count(schema, len(value), path, "Properties", "properties")
    yield from _mixed(schema, value, path)


def _text(schema: Schema, value: str, path: str) -> Found:
    shown = json.dumps(value, ensure_ascii=False)
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        yield path, f"Too long: may not be more than {longest} bytes"
    if shortest is not None and len(value) < shortest:
        yield (
            path,
            f"Invalid value: {shown}: {path} in body should be at least {shortest} chars long",
        )
    pattern = schema.get("pattern")
    if pattern is not None and not _matches(pattern, value):
        yield path, f"Invalid value: {shown}: {path} in body should match '{pattern}'"
    check = _FORMATS.get(schema.get("format") or "")
    if check is not None and not check(value):
        form = schema["format"]
        yield path, f"Invalid value: {shown}: {path} in body must be of type {form}: {shown}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return matches(pattern, value)
    except BadRule:
        return True  # the definition was refused, or is older than this check


def _number(schema: Schema, value: float, path: str) -> Found:
    low, high = schema.get("minimum"), schema.get("maximum")
    start = f"Invalid value: {value}: {path} in body should be"
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        words = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield path, f"{start} {words} {low}"
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        words = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield path, f"{start} {words} {high}"
    step = schema.get("multipleOf")
    if step and abs(value / step - round(value / step)) > 1e-9:
        yield path, f"{start} a multiple of {step}"


def _count(schema: Schema, number: int, path: str, key: str, noun: str) -> Found:
    most, fewest = schema.get(f"max{key}"), schema.get(f"min{key}")
    if most is not None and number > most:
        yield path, f"Too many: {number}: must have at most {most} items"
    if fewest is not None and number < fewest:
        yield (
            path,
            f"Invalid value: {number}: {path} in body should have at least {fewest} {noun}",
        )


def _mixed(schema: Schema, value: Any, path: str) -> Found:
    for part in schema.get("allOf") or ():
        yield from _deep(part, value, path)
    choices = schema.get("anyOf") or ()
    if choices and all(_faulty(choice, value) for choice in choices):
        yield path, f'Invalid value: "": {path} in body must validate at least one schema (anyOf)'
    choices = schema.get("oneOf") or ()
    if choices and sum(not _faulty(choice, value) for choice in choices) != 1:
        words = "in body must validate one and only one schema (oneOf)"
        yield path, f'Invalid value: "": {path} {words}'
    negated = schema.get("not")
    if isinstance(negated, Mapping) and not _faulty(negated, value):
        yield path, f'Invalid value: "": {path} in body must not validate the schema (not)'


def _faulty(schema: Schema, value: Any) -> bool:
    return next(_deep(schema, value, "value"), None) is not None


def _deep(schema: Schema, value: Any, path: str) -> Found:
    """The faults of a value and all its parts by a schema inside allOf, anyOf, oneOf or not."""
    wanted = schema.get("type")
    if wanted and not is_of_type(value, wanted):
        yield path, f"Invalid value: {path} in body must be of type {wanted}"
        return
    yield from value_faults(schema, value, path)
    if isinstance(value, Mapping):
        for key in schema.get("required") or ():
            if key not in value:
                yield child(path, key), "Required value"
        for key, inner in (schema.get("properties") or {}).items():
            if key in value:
                yield from _deep(inner, value[key], child(path, key))
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(value):
            yield from _deep(schema["items"], item, element(path, index))


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is not None
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


_FORMATS: Mapping[str, Callable[[str], bool]] = {"date-time": _is_time, "date": _is_date}
