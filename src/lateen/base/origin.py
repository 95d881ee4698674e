"""Say where a value came from: object, field path, file and line.

In: nothing.    Out: ObjectKey and Origin, carried by every value of the later stages.
Before: -       After: base/problem.py, api/decode.py
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class ObjectKey(Struct, frozen=True, kw_only=True, order=True):
    """The name of one object in the store, as Kubernetes names it.

    `group` is "" for the core group; `namespace` is "" for a cluster-scoped kind. The version is not
    part of the key: `networking.istio.io/v1` and `v1beta1` name the same object.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`VirtualService shop/reviews`, or `Namespace shop` for a cluster-scoped kind."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


class Place(Struct, frozen=True, kw_only=True):
    """A position in a file. Lines and columns count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Origin(Struct, frozen=True, kw_only=True):
    """What made a value: `VirtualService shop/reviews spec.http[0].route[1], istio/reviews.yaml:14`.

    `key` is None for what lateen itself adds (defaults, the probe listener, BlackHoleCluster); then
    `field` says in words what it is.
    """

    key: ObjectKey | None = None
    field: str = ""
    place: Place | None = None

    def at(self, field_path: str, place: Place | None = None) -> Origin:
        """The origin of a field of the same object, at this place unless another is given."""
        return replace(self, field=field_path, place=place or self.place)

    @property
    def text(self) -> str:
        """Object and field, without file and line."""
        who = str(self.key) if self.key else "lateen"
        return f"{who} {self.field}".rstrip()

    def __str__(self) -> str:
        who = str(self.key) if self.key else "lateen"
        what = f" {self.field}" if self.field else ""
        where = f", {self.place}" if self.place else ""
        return f"{who}{what}{where}"


BUILT_IN = Origin(field="built in")
