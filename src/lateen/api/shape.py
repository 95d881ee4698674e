"""Compare a raw tree with the struct of its kind and gather every fault at once.

In: a struct and a raw tree.    Out: Shaped: the tree without what does not fit, and the faults.
Before: api/fields.py, api/paths.py, api/oldforms.py        After: api/decode.py

What does not fit is left out, or replaced by an empty value where the struct requires one, so that the
rest can still be checked. List elements keep their index.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from msgspec import Struct, inspect, structs

from lateen.api.fields import DURATION_FORM, NOT_YET, Api, Duration
from lateen.api.oldforms import modern_field, renamed_field
from lateen.api.paths import child, element
from lateen.base.edit import Edit, Quote, Rename

FIELDS_HERE = "the fields here are"  # begins the fix when nothing comes near
_EMPTY: tuple[Any, ...] = (False, "")


class FaultKind(StrEnum):
    """What kind of fault it is, which decides its code and whether a value is missing for it."""

    UNKNOWN = "unknown"  # the API has no such field; nothing is missing without it
    WRONG = "wrong"  # the value does not fit, or a required one is missing
    NOT_YET = "not-yet"  # fits, and has no effect here


class Fault(Struct, frozen=True, kw_only=True):
    """One fault at a field path."""

    path: str
    kind: FaultKind
    message: str
    fix: str = ""
    edits: tuple[Edit, ...] = ()


class Shaped(Struct, frozen=True, kw_only=True):
    """A tree that converts to its struct, and what was wrong with the one it came from."""

    raw: dict[str, Any]
    faults: tuple[Fault, ...]


def shape(struct: type[Api], raw: Mapping[str, Any]) -> Shaped:
    """Fit a raw tree to a struct. Nulls are absent fields, as in Kubernetes."""
    walk = _Walk()
    kept = walk.struct(struct, dict(raw), "")
    return Shaped(raw=kept, faults=tuple(walk.faults))


@cache
def fields_of(struct: type[Struct]) -> Mapping[str, inspect.Field]:
    """The fields of a struct by their names in YAML; what structs among them have is left out."""
    return {
        f.encode_name: inspect.Field(
            name=f.name, encode_name=f.encode_name, type=_kind(f.type), required=f.required
        )
        for f in structs.fields(struct)
    }


def _kind(hint: Any) -> inspect.Type:
    """What msgspec makes of a type, but for the fields of structs: they are looked at when one is met."""
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return inspect.StructType(cls=hint, fields=())
    if origin in (Union, UnionType):
        return inspect.UnionType(types=tuple(map(_kind, inner)))
    if origin is dict:
        return inspect.DictType(key_type=_kind(inner[0]), value_type=_kind(inner[1]))
    if origin is tuple and inner[1:] == (...,):
        return inspect.VarTupleType(item_type=_kind(inner[0]))
    return inspect.type_info(hint)


class _Wrong(Exception):
    """The value at hand does not fit; caught by the container that holds it."""

    def __init__(self, want: str, got: Any, fix: str = "", *, quotes: bool = False) -> None:
        super().__init__(f"wanted {want}, got {_described(got)}")
        self.fix = fix
        self.quotes = quotes  # whether quotes alone are missing or too many
        self.off = isinstance(got, str)

    def edits(self, path: str) -> tuple[Edit, ...]:
        return (Quote(path=path, off=self.off),) if self.quotes else ()


@dataclass(slots=True)
class _Walk:
    faults: list[Fault] = field(default_factory=list)

    def struct(self, struct: type[Struct], raw: dict[str, Any], path: str) -> dict[str, Any]:
        fields = fields_of(struct)
        kept: dict[str, Any] = {}
        for name, value in raw.items():
            if value is None:
                continue
            where = child(path, name)
            known = fields.get(name)
            if known is None:
                self._unknown(where, name, struct)
                continue
            try:
                kept[name] = self.value(known.type, value, where)
            except _Wrong as wrong:
                self._wrong(where, str(wrong), wrong.fix, wrong.edits(where))
                if known.required:
                    kept[name] = _empty(known.type)
        for name, known in fields.items():
            if known.required and name not in kept:
                want = _wanted(known.type)
                self._wrong(child(path, name), f"required, and not given: wanted {want}")
                kept[name] = _empty(known.type)
        return kept

    def value(self, kind: inspect.Type, raw: Any, path: str) -> Any:
        """The value as it fits its type; raises _Wrong."""
        match kind:
            case inspect.Metadata():
                return self._marked(kind, raw, path)
            case inspect.AnyType():
                return raw
            case inspect.UnionType():
                return self._union(kind, raw, path)
            case inspect.StructType(cls=cls):
                if not isinstance(raw, dict):
                    raise _Wrong(_wanted(kind), raw)
                return self.struct(cls, raw, path)
            case inspect.DictType():
                return self._dict(kind, raw, path)
            case inspect.VarTupleType(item_type=item):
                return self._list(item, raw, path)
            case inspect.CustomType():
                return _duration(raw)
        return _scalar(kind, raw)

    def _marked(self, kind: inspect.Metadata, raw: Any, path: str) -> Any:
        marked = (kind.extra or {}).get("honoured") == NOT_YET
        if marked and raw not in _EMPTY and raw not in ([], (), {}):
            words = "known, but not yet honoured by lateen: it has no effect here"
            self.faults.append(Fault(path=path, kind=FaultKind.NOT_YET, message=words))
        return self.value(kind.type, raw, path)

    def _union(self, kind: inspect.UnionType, raw: Any, path: str) -> Any:
        choices = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        if len(choices) == 1:
            return self.value(choices[0], raw, path)
        for choice in choices:
            try:
                return _scalar(choice, raw)
            except _Wrong:
                continue
        raise _Wrong(_wanted(kind), raw)

    def _dict(self, kind: inspect.DictType, raw: Any, path: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise _Wrong(_wanted(kind), raw)
        kept: dict[str, Any] = {}
        for key, value in raw.items():
            where = child(path, key)
            if value is None and isinstance(kind.value_type, inspect.StrType):
                kept[key] = ""
                continue
            try:
                kept[key] = self.value(kind.value_type, value, where)
            except _Wrong as wrong:
                self._wrong(where, str(wrong), wrong.fix, wrong.edits(where))
        return kept

    def _list(self, item: inspect.Type, raw: Any, path: str) -> list[Any]:
        if not isinstance(raw, list | tuple):
            fix = f"write a list: [{raw}]" if isinstance(raw, str | int) else ""
            raise _Wrong(f"a list, each {_wanted(item)}", raw, fix)
        kept: list[Any] = []
        for index, value in enumerate(raw):
            where = element(path, index)
            try:
                kept.append(self.value(item, value, where))
            except _Wrong as wrong:
                self._wrong(where, str(wrong), wrong.fix, wrong.edits(where))
                kept.append(_empty(item))
        return kept

    def _wrong(self, path: str, message: str, fix: str = "", edits: tuple[Edit, ...] = ()) -> None:
        fault = Fault(path=path, kind=FaultKind.WRONG, message=message, fix=fix, edits=edits)
        self.faults.append(fault)

    def _unknown(self, path: str, name: str, struct: type[Struct]) -> None:
        fields = fields_of(struct)
        fix = modern_field(struct.__name__, name, outermost=path == name)
        modern = renamed_field(struct.__name__, name) or _otherwise_written(name, fields)
        if not fix:
            near = _nearest(name, fields)
            known = ", ".join(sorted(fields))
            fix = f'did you mean "{near}"?' if near else f"{FIELDS_HERE}: {known}"
        edits = (Rename(path=path, key=modern),) if modern else ()
        words = f'unknown field "{name}"'
        self.faults.append(
            Fault(path=path, kind=FaultKind.UNKNOWN, message=words, fix=fix, edits=edits)
        )


def _otherwise_written(name: str, fields: Mapping[str, Any]) -> str:
    """The field of the same letters: `per_try_timeout`, `PerTryTimeout`; "" when there is none."""
    plain = name.lower().replace("_", "").replace("-", "")
    return next((known for known in fields if known.lower() == plain), "")


def _nearest(name: str, fields: Mapping[str, Any]) -> str | None:
    by_lower = {known.lower(): known for known in fields}
    plain = name.lower().replace("_", "").replace("-", "")
    found = difflib.get_close_matches(plain, by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def _scalar(kind: inspect.Type, raw: Any) -> Any:
    match kind:
        case inspect.StrType() if isinstance(raw, str) and (raw.isascii() or _encodes(raw)):
            return raw
        case inspect.BoolType() if isinstance(raw, bool):
            return raw
        case inspect.IntType() if type(raw) is int and -(2**63) <= raw < 2**63:
            return raw
        case inspect.FloatType() if type(raw) in (int, float):
            return raw
    fix = _quoting(kind, raw)
    raise _Wrong(_wanted(kind), raw, fix, quotes=bool(fix))


def _encodes(text: str) -> bool:
    """Whether text is free of lone surrogates, which no file and no proxy can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _quoting(kind: inspect.Type, raw: Any) -> str:
    """The fix when only quotes are missing or too many."""
    if isinstance(kind, inspect.StrType) and isinstance(raw, bool):
        return f'quote it as it should read: "{str(raw).lower()}", or "yes", "on" … as written'
    if isinstance(kind, inspect.StrType) and isinstance(raw, int | float):
        return f'quote it: "{raw}"'
    if isinstance(raw, str):
        text = raw.strip()
        number = text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()
        if isinstance(kind, inspect.IntType | inspect.FloatType) and number:
            return f"write it without quotes: {text}"
        if isinstance(kind, inspect.BoolType) and text in ("true", "false"):
            return f"write it without quotes: {text}"
    return ""


def _duration(raw: Any) -> str:
    if not isinstance(raw, str):
        fix = f"write {raw}s if seconds are meant" if type(raw) in (int, float) else ""
        raise _Wrong(DURATION_FORM, raw, fix)
    try:
        Duration.parse(raw)
    except ValueError as fault:
        raise _Wrong(str(fault), raw) from fault
    return raw


def _wanted(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            return _wanted(inner)
        case inspect.UnionType(types=types):
            return " or ".join(_wanted(t) for t in types if not isinstance(t, inspect.NoneType))
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case inspect.VarTupleType(item_type=item):
            return f"a list, each {_wanted(item)}"
        case inspect.DictType(value_type=value):
            return f"a mapping of names to {_wanted(value)}"
        case inspect.StructType(cls=cls):
            return f"a mapping with {', '.join(_some(list(fields_of(cls))))}"
        case inspect.CustomType():
            return DURATION_FORM
    return "a value"


def _some(names: list[str]) -> list[str]:
    return names if len(names) <= 4 else [*names[:4], "…"]


def _described(raw: Any) -> str:
    match raw:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(raw).lower()}"
        case int() | float():
            return f"the number {raw}"
        case str():
            shown = raw.encode(errors="replace").decode()
            return f'the text "{shown if len(shown) <= 60 else shown[:57] + "…"}"'
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
    return f"a {type(raw).__name__}"


def _empty(kind: inspect.Type) -> Any:
    """The emptiest raw value of a type; it stands where a required one is missing or wrong."""
    match kind:
        case inspect.StructType(cls=cls):
            return {n: _empty(f.type) for n, f in fields_of(cls).items() if f.required}
        case inspect.Metadata(type=inner):
            return _empty(inner)
        case inspect.UnionType(types=types):
            return None if any(isinstance(t, inspect.NoneType) for t in types) else _empty(types[0])
        case inspect.VarTupleType():
            return []
        case inspect.DictType():
            return {}
        case inspect.IntType() | inspect.FloatType():
            return 0
        case inspect.BoolType():
            return False
        case inspect.CustomType():
            return "0s"
    return ""
