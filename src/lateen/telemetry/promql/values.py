"""What an expression of PromQL is worth, at each of the steps it is evaluated at.

In: -    Out: Row, Vector, Scalar, Text, Windows; the faults.
Before: history/series.py        After: every other file of promql/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lateen.base.errors import LateenError
from lateen.telemetry.history.series import NAME, Points
from lateen.telemetry.promtext import Labels

Column = list[float | None]
"""One value for each step; None where there is none."""


class BadQuery(LateenError):
    """The expression is none, or has something that is not known here."""


class BadEvaluation(LateenError):
    """The expression is well formed and has no value: labels that clash, too much to read."""


class TookTooLong(LateenError):
    """The time for one question is over."""


@dataclass(slots=True)
class Row:
    """One series of a result."""

    labels: Labels
    values: Column


@dataclass(frozen=True, slots=True)
class Vector:
    """Series, each with its labels once. `ordered`: sort() said in which order they are shown."""

    rows: list[Row]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number for each step."""

    values: list[float]


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    text: str


@dataclass(frozen=True, slots=True)
class Windows:
    """A range vector: points of each series, and for each step the window (from, to), both included."""

    series: list[Points]
    spans: Sequence[tuple[int, int]]
    reach: int  # milliseconds


Value = Vector | Scalar | Text | Windows


def unnamed(labels: Labels) -> Labels:
    """Without the metric's name: a figure made of another is not that metric any more."""
    return tuple(pair for pair in labels if pair[0] != NAME)


def only(labels: Labels, names: Iterable[str]) -> Labels:
    """Those labels alone."""
    wanted = frozenset(names)
    return tuple(pair for pair in labels if pair[0] in wanted)


def without(labels: Labels, names: Iterable[str]) -> Labels:
    """All labels but those."""
    gone = frozenset(names)
    return tuple(pair for pair in labels if pair[0] not in gone)


def with_label(labels: Labels, name: str, value: str) -> Labels:
    """With that label set, or gone if the value is empty."""
    rest = without(labels, (name,))
    return tuple(sorted((*rest, (name, value)))) if value else rest


def mapped(vector: Vector, function: Callable[[float], float]) -> Vector:
    """Every value put through a function, names dropped."""
    rows = [
        Row(unnamed(row.labels), [None if v is None else function(v) for v in row.values])
        for row in vector.rows
    ]
    return distinct(rows)


def distinct(rows: Iterable[Row], *, ordered: bool = False) -> Vector:
    """Rows that have a value somewhere; those that became alike are one if they never meet, else a fault."""
    found: dict[Labels, Row] = {}
    for row in rows:
        if all(value is None for value in row.values):
            continue
        other = found.get(row.labels)
        if other is None:
            found[row.labels] = row
            continue
        for step, value in enumerate(row.values):
            if value is None:
                continue
            if other.values[step] is not None:
                raise BadEvaluation("vector cannot contain metrics with the same labelset")
            other.values[step] = value
    return Vector(list(found.values()), ordered)


def written(labels: Labels) -> str:
    """Labels as Prometheus writes them."""
    named = dict(labels)
    name = named.pop(NAME, "")
    inside = ", ".join(f'{key}="{value}"' for key, value in named.items())
    return f"{name}{{{inside}}}"
