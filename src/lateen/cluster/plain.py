"""A struct as the shortest JSON tree that means the same.

In: an API struct.    Out: a tree without the fields that equal their default.
Before: api/fields.py        After: cluster/naming.py, cluster/statuses.py

msgspec's own omit_defaults compares by identity, so a default that was written out would stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from lateen.api.fields import Api, enc_hook


def plain_tree(value: Api) -> dict[str, Any]:
    """The tree; equal for equal structs, whatever of their defaults was written out."""
    tree: dict[str, Any] = _plain(value)
    return tree


def _plain(value: Any) -> Any:
    match value:
        case msgspec.Struct():
            pairs = ((f, getattr(value, f.name)) for f in _fields(type(value)))
            return {f.encode_name: _plain(v) for f, v in pairs if not _is_default(f, v)}
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case None | str() | int() | float():
            return value
    return enc_hook(value)


def _is_default(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    if field.default is not msgspec.NODEFAULT:
        return bool(value == field.default)
    if field.default_factory is not msgspec.NODEFAULT:
        return bool(value == field.default_factory())
    return False


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
