"""One decoded object: its raw tree, its typed form, and where each field stands in its file.

In: -    Out: Obj, FieldPlaces.
Before: api/kinds.py      After: api/decode.py, store/, world/, check/
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct, field

from lateen.api.fields import Api
from lateen.api.meta import ObjectMeta
from lateen.base.origin import ObjectKey, Origin, Place


class FieldPlaces(Struct, frozen=True, kw_only=True):
    """The file an object came from and the (line, column) of each field path, both from 1.

    Paths are written as `spec.http[0].route[1].weight`; keys with dots or slashes as `["a.b/c"]`.
    "" is the object itself.
    """

    file: str
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def of(self, path: str) -> Place:
        """Where the field stands, or else its nearest parent that is written in the file."""
        while True:
            if found := self.places.get(path):
                return Place(file=self.file, line=found[0], column=found[1])
            if not path:
                return Place(file=self.file)
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""


class Obj(Struct, frozen=True, kw_only=True, dict=True):
    """An object as the stages see it.

    `raw` is the JSON tree as stored (with defaults); `typed` its struct; `revision` the store's
    resourceVersion as a number, 0 before it is stored.
    """

    key: ObjectKey
    raw: Mapping[str, Any]
    typed: Api
    revision: int = 0
    places: FieldPlaces | None = None

    @cached_property
    def meta(self) -> ObjectMeta:
        """The object's metadata."""
        meta = self.typed.metadata  # type: ignore[attr-defined]
        assert isinstance(meta, ObjectMeta)  # noqa: S101 - every registered kind has it
        return meta

    @cached_property
    def json(self) -> bytes:
        """`raw` as bytes: made once, however many read it."""
        return msgspec.json.encode(self.raw)

    def origin(self, path: str = "") -> Origin:
        """The origin of one of its fields."""
        place = self.places.of(path) if self.places else None
        return Origin(key=self.key, field=path, place=place)
