"""Series of figures over time, and which of them a question is about.

In: -    Out: Points, Matcher, Past; STALE.
Before: -        After: history/store.py, promql/

Source: Prometheus' data model. Times are milliseconds since 1970.
"""

from __future__ import annotations

import math
import re
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lateen.telemetry.promtext import Labels

NAME = "__name__"
_STALE_BYTES = struct.pack("<d", struct.unpack("<d", b"\x02\0\0\0\0\0\xf8\x7f")[0])
STALE: float = struct.unpack("<d", _STALE_BYTES)[0]
"""A value that is none: from here on there is no series, until it has a value again."""


def is_stale(value: float) -> bool:
    """Whether a value stands for none; a figure that is not a number is one, though."""
    return value != value and struct.pack("<d", value) == _STALE_BYTES  # noqa: PLR0124 - NaN


@dataclass(frozen=True, slots=True)
class Points:
    """A series in a span of time: labels sorted, with `__name__`; times rise. Values may be STALE."""

    labels: Labels
    times: Sequence[int]
    values: Sequence[float]

    def present(self) -> Points:
        """Without what is STALE."""
        if not math.isnan(sum(self.values)):
            return self
        kept = [(t, v) for t, v in zip(self.times, self.values, strict=True) if not is_stale(v)]
        return Points(
            self.labels, array("q", (t for t, _ in kept)), array("d", (v for _, v in kept))
        )


class Match(Enum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; a label that is not there is empty."""

    name: str
    match: Match
    value: str

    def test(self) -> Callable[[str], bool]:
        """The condition as a function of the label's value; raises re.error."""
        value = self.value
        if self.match is Match.EQUAL:
            return lambda given: given == value
        if self.match is Match.NOT_EQUAL:
            return lambda given: given != value
        fits = re.compile(value, re.DOTALL).fullmatch
        if self.match is Match.REGEX:
            return lambda given: fits(given) is not None
        return lambda given: fits(given) is None


def selected(labels: Mapping[str, str], tests: Iterable[tuple[str, Callable[[str], bool]]]) -> bool:
    """Whether all conditions hold."""
    return all(test(labels.get(name, "")) for name, test in tests)


class Past(Protocol):
    """What a question is put to."""

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Points]:
        """Series that fit all matchers, with their points from `start` to `end`, both included.

        May be called in any thread. Raises re.error for a pattern that is none, TooMuch.
        """

    def labelled(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Labels]:
        """The labels of those that have points in the span, more or less."""


class TooMuch(Exception):
    """A question reads more than may be read for one."""
