"""The field types API objects are made of, and the marks that say how far a field is honoured.

In: -    Out: Api (base of every struct), Duration, IntOrString, NotYet, Informative.
Before: base/       After: every other file of api/

A field marked `NotYet` is known to the API but has no effect here; `api/decode.py` reports it for the
object at hand (LAT0002, a warning), so that nothing is skipped in silence. `Informative` marks what
has no effect in Kubernetes or Istio either, or only describes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec


class Api(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of every API struct: immutable, camelCase on the wire."""


NOT_YET = "not-yet"
INFORMATIVE = "informative"

LATER = msgspec.Meta(extra={"honoured": NOT_YET})  # for a field whose form is known already

NotYet = Annotated[Any, LATER]
Informative = Annotated[Any, msgspec.Meta(extra={"honoured": INFORMATIVE})]

IntOrString = int | str
Labels = dict[str, str]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
DURATION_FORM = "a duration such as 30s, 1.5h, 200ms or 1m30s"


class Duration:
    """A length of time, written as in Go and in Istio's API (`1m30s`); `seconds` is a float."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read Go's form; raises ValueError with the wanted form."""
        if text == "0":
            return cls(0.0)
        if not _WHOLE.fullmatch(text):
            raise ValueError(DURATION_FORM)
        return cls(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and other.seconds == self.seconds

    def __hash__(self) -> int:
        return hash(self.seconds)

    def __repr__(self) -> str:
        return f"Duration({self.seconds:g})"

    def __str__(self) -> str:
        return f"{self.seconds:g}s"


def dec_hook(kind: type, raw: Any) -> Any:
    """Decode what msgspec does not know itself; raises ValueError with the wanted form."""
    if kind is Duration and isinstance(raw, str):
        return Duration.parse(raw)
    raise ValueError(DURATION_FORM if kind is Duration else f"a {kind.__name__}")


def enc_hook(value: Any) -> Any:
    """Encode what msgspec does not know itself."""
    if isinstance(value, Duration):
        return str(value)
    raise NotImplementedError(type(value).__name__)
