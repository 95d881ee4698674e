"""The functions of PromQL by name.

In: values of the arguments.    Out: a Vector or Scalar.
Before: promql/ranges.py, promql/buckets.py        After: promql/evaluating.py

What is not in these tables is refused by its name: functions of native histograms, which no one here exposes, and
experimental ones.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from lateen.telemetry.promql.values import (
    BadEvaluation,
    BadQuery,
    Row,
    Scalar,
    Text,
    Value,
    Vector,
    distinct,
    mapped,
    unnamed,
    with_label,
)
from lateen.telemetry.promtext import Labels

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_GROUP = re.compile(r"\$(?:\$|(\d+)|\{(\w+)\}|(\w+))")


def _guarded(function: Callable[[float], float]) -> Callable[[float], float]:
    """Where Python raises, IEEE 754 says: not a number, or infinity."""

    def safe(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return safe


def _log(base: Callable[[float], float]) -> Callable[[float], float]:
    return lambda value: -math.inf if value == 0 else _guarded(base)(value)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: float(function(value)) if math.isfinite(value) else value


OF_NUMBERS: Mapping[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "exp": _guarded(math.exp),
    "ln": _log(math.log),
    "log2": _log(math.log2),
    "log10": _log(math.log10),
    "sqrt": _guarded(math.sqrt),
    "sgn": lambda v: v if v == 0 or math.isnan(v) else math.copysign(1.0, v),
    "sin": _guarded(math.sin),
    "cos": _guarded(math.cos),
    "tan": _guarded(math.tan),
    "asin": _guarded(math.asin),
    "acos": _guarded(math.acos),
    "atan": math.atan,
    "sinh": _guarded(math.sinh),
    "cosh": _guarded(math.cosh),
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": _guarded(math.acosh),
    "atanh": _guarded(math.atanh),
    "deg": math.degrees,
    "rad": math.radians,
}


def _date(read: Callable[[datetime], int]) -> Callable[[float], float]:
    def of(seconds: float) -> float:
        try:
            return float(read(datetime.fromtimestamp(math.floor(seconds), UTC)))
        except (ValueError, OverflowError, OSError):
            return math.nan

    return of


OF_DATES: Mapping[str, Callable[[float], float]] = {
    "minute": _date(lambda d: d.minute),
    "hour": _date(lambda d: d.hour),
    "day_of_week": _date(lambda d: d.isoweekday() % 7),
    "day_of_month": _date(lambda d: d.day),
    "day_of_year": _date(lambda d: d.timetuple().tm_yday),
    "days_in_month": _date(lambda d: calendar.monthrange(d.year, d.month)[1]),
    "month": _date(lambda d: d.month),
    "year": _date(lambda d: d.year),
}


def rounded(vector: Vector, nearest: Sequence[float]) -> Vector:
    """To the nearest multiple, halves upwards."""

    def one(value: float, to: float) -> float:
        if to == 0:
            return math.nan
        inverse = 1.0 / to
        scaled = value * inverse + 0.5
        return math.floor(scaled) / inverse if math.isfinite(scaled) else scaled / inverse

    return _stepwise(vector, lambda value, step: one(value, nearest[step]))


def clamped(vector: Vector, low: Sequence[float], high: Sequence[float]) -> Vector:
    """Between two bounds; nothing at all where they are the wrong way round."""

    def one(value: float, step: int) -> float | None:
        a, b = low[step], high[step]
        if a > b:
            return None
        if math.isnan(a) or math.isnan(b):
            return math.nan
        return value if math.isnan(value) else max(a, min(b, value))

    return _stepwise(vector, one)


def _stepwise(vector: Vector, function: Callable[[float, int], float | None]) -> Vector:
    return distinct(
        Row(
            unnamed(row.labels),
            [None if v is None else function(v, step) for step, v in enumerate(row.values)],
        )
        for row in vector.rows
    )


def in_order(vector: Vector, *, descending: bool) -> Vector:
    """sort() of the moment; over time there is no order."""

    def rank(row: Row) -> tuple[bool, float]:
        value = row.values[0]
        missing = value is None or math.isnan(value)
        return missing, 0.0 if value is None or missing else (-value if descending else value)

    return Vector(sorted(vector.rows, key=rank), ordered=True)


def by_labels(vector: Vector, names: Sequence[str], *, descending: bool) -> Vector:
    """sort_by_label()."""

    def natural(text: str) -> list[tuple[bool, int, str]]:
        parts = re.split(r"(\d+)", text)
        return [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts if p]

    def rank(row: Row) -> tuple[list[list[tuple[bool, int, str]]], Labels]:
        given = dict(row.labels)
        return [natural(given.get(name, "")) for name in names], row.labels

    return Vector(sorted(vector.rows, key=rank, reverse=descending), ordered=True)


def replaced(vector: Vector, texts: Sequence[str]) -> Vector:
    """label_replace(): destination, replacement, source, pattern."""
    destination, replacement, source, pattern = texts
    try:
        fits = re.compile(pattern, re.DOTALL).fullmatch
    except re.error:
        raise BadEvaluation(f"invalid regular expression in label_replace(): {pattern}") from None
    _must_be_label(destination, "destination label name in label_replace()")
    rows = []
    for row in vector.rows:
        found = fits(dict(row.labels).get(source, ""))
        labels = row.labels
        if found is not None:
            labels = with_label(labels, destination, _expanded(replacement, found))
        rows.append(Row(labels, list(row.values)))
    return distinct(rows)


def _expanded(text: str, found: re.Match[str]) -> str:
    """$1, ${1}, $name, ${name} and $$; what there is no group for is empty."""

    def one(mark: re.Match[str]) -> str:
        name = mark[1] or mark[2] or mark[3]
        if name is None:
            return "$"
        try:
            return found[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _GROUP.sub(one, text)


def joined(vector: Vector, texts: Sequence[str]) -> Vector:
    """label_join(): destination, separator, sources."""
    destination, separator, *sources = texts
    _must_be_label(destination, "destination label name in label_join()")
    rows = []
    for row in vector.rows:
        given = dict(row.labels)
        value = separator.join(given.get(name, "") for name in sources)
        rows.append(Row(with_label(row.labels, destination, value), list(row.values)))
    return distinct(rows)


def _must_be_label(name: str, what: str) -> None:
    if not _LABEL.fullmatch(name):
        raise BadEvaluation(f"invalid {what}: {name}")


def absent(there: Vector, labels: Labels, steps: int) -> Vector:
    """1 at each step at which nothing is there, with the labels the question has."""
    row = Row(
        labels,
        [
            None if any(row.values[step] is not None for row in there.rows) else 1.0
            for step in range(steps)
        ],
    )
    return distinct([row])


def scalar_of(vector: Vector, steps: int) -> Scalar:
    """The one value; not a number where there is none or more than one."""
    made = []
    for step in range(steps):
        here = [v for row in vector.rows if (v := row.values[step]) is not None]
        made.append(here[0] if len(here) == 1 else math.nan)
    return Scalar(made)


def dated(name: str, given: Sequence[Value], times: Sequence[int]) -> Vector:
    """minute() and the like, of the given times or of each step's own."""
    if given:
        return mapped(vector_of(given[0], name), OF_DATES[name])
    return Vector([Row((), [OF_DATES[name](time / 1000) for time in times])])


def vector_of(value: Value, name: str) -> Vector:
    """An argument that is an instant vector; raises BadQuery."""
    if not isinstance(value, Vector):
        raise BadQuery(f"expected type instant vector in call to function {name!r}")
    return value


def numbers_of(value: Value, name: str) -> list[float]:
    """An argument that is a number, at each step; raises BadQuery."""
    if not isinstance(value, Scalar):
        raise BadQuery(f"expected type scalar in call to function {name!r}")
    return value.values


def text_of(value: Value, name: str) -> str:
    """An argument that is a string; raises BadQuery."""
    if not isinstance(value, Text):
        raise BadQuery(f"expected type string in call to function {name!r}")
    return value.text
