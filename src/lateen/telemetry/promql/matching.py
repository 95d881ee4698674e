"""Operators between vectors: which series of one side meets which of the other, and what comes of it.

In: two Vectors (or a Vector and numbers), an operator, on/ignoring, group_left/right.    Out: a Vector.
Before: promql/values.py        After: promql/evaluating.py
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lateen.telemetry.history.series import NAME
from lateen.telemetry.promql.values import (
    BadEvaluation,
    Column,
    Row,
    Vector,
    distinct,
    only,
    unnamed,
    with_label,
    without,
    written,
)
from lateen.telemetry.promtext import Labels

Calculation = Callable[[float, float], float]
Comparison = Callable[[float, float], bool]


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:  # a root of what is negative, or a division by zero
        if a == 0:
            odd = b % 2 == 1
            return math.copysign(math.inf, a) if odd else math.inf
        return math.nan


def _quotient(a: float, b: float) -> float:
    if b == 0:
        if a == 0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def _rest(a: float, b: float) -> float:
    try:
        return math.fmod(a, b)
    except ValueError:
        return math.nan


CALCULATIONS: Mapping[str, Calculation] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _quotient,
    "%": _rest,
    "^": _power,
    "atan2": math.atan2,
}
COMPARISONS: Mapping[str, Comparison] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
SETS = ("and", "or", "unless")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How series of two sides find each other. `many` is the side that may have several: left, right or none."""

    on: bool = False
    labels: tuple[str, ...] = ()
    many: str = ""
    taken: tuple[str, ...] = ()  # labels of the one side that the result has, too
    truth: bool = False  # bool: 0 or 1, instead of leaving out what does not hold

    def key(self, labels: Labels) -> Labels:
        """What must be alike."""
        return only(labels, self.labels) if self.on else without(labels, (*self.labels, NAME))


def with_numbers(
    vector: Vector, numbers: Sequence[float], sign: str, *, swapped: bool, truth: bool
) -> Vector:
    """A vector and a number; `swapped`: the number stands on the left."""

    def made(value: float | None, number: float) -> float | None:
        if value is None:
            return None
        a, b = (number, value) if swapped else (value, number)
        if sign in CALCULATIONS:
            return CALCULATIONS[sign](a, b)
        holds = COMPARISONS[sign](a, b)
        return float(holds) if truth else (value if holds else None)

    keeps_name = sign in COMPARISONS and not truth
    return distinct(
        Row(
            row.labels if keeps_name else unnamed(row.labels),
            [made(value, number) for value, number in zip(row.values, numbers, strict=True)],
        )
        for row in vector.rows
    )


def together(left: Vector, right: Vector, sign: str, how: Matching, steps: int) -> Vector:
    """An operator between two vectors, at each step among those that have a value there."""
    if sign in SETS:
        return _set(left, right, sign, how, steps)
    swapped = how.many == "right"
    many, one = (right, left) if swapped else (left, right)
    ones = _by_key(one, how)
    found: dict[Labels, Row] = {}
    for members in _by_key(many, how).values():
        partners = ones.get(how.key(members[0].labels), [])
        if partners:
            single = _only_one(partners, how, steps, side="left" if swapped else "right")
            for row in members:
                _meet(row, single, sign, how, found)
    return distinct(found.values())


def _by_key(vector: Vector, how: Matching) -> dict[Labels, list[Row]]:
    found: dict[Labels, list[Row]] = {}
    for row in vector.rows:
        found.setdefault(how.key(row.labels), []).append(row)
    return found


def _only_one(
    partners: Sequence[Row], how: Matching, steps: int, *, side: str
) -> list[tuple[float, Row] | None]:
    """At each step the partner that is there; a fault if there are two."""
    found: list[tuple[float, Row] | None] = [None] * steps
    for row in partners:
        for step, value in enumerate(row.values):
            if value is None:
                continue
            if (other := found[step]) is not None:
                raise BadEvaluation(
                    f"found duplicate series for the match group {written(how.key(row.labels))} on the "
                    f"{side} hand-side of the operation: [{written(row.labels)}, "
                    f"{written(other[1].labels)}];many-to-many matching not allowed: matching labels "
                    "must be unique on one side"
                )
            found[step] = (value, row)
    return found


def _meet(
    row: Row,
    partners: Sequence[tuple[float, Row] | None],
    sign: str,
    how: Matching,
    found: dict[Labels, Row],
) -> None:
    """Put what comes of one row of the many side into the result, under the labels that are its."""
    for step, (value, partner) in enumerate(zip(row.values, partners, strict=True)):
        if value is None or partner is None:
            continue
        other, one = partner
        a, b = (other, value) if how.many == "right" else (value, other)
        result = _result(sign, a, b, value, how)
        if result is None:
            continue
        labels = _labels_of(row.labels, one.labels, sign, how)
        known = found.get(labels)
        if known is None:
            known = found[labels] = Row(labels, [None] * len(row.values))
        if known.values[step] is not None:
            raise BadEvaluation(
                "multiple matches for labels: grouping labels must ensure unique matches"
                if how.many
                else "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
            )
        known.values[step] = result


def _result(sign: str, a: float, b: float, kept: float, how: Matching) -> float | None:
    if sign in CALCULATIONS:
        return CALCULATIONS[sign](a, b)
    holds = COMPARISONS[sign](a, b)
    if how.truth:
        return float(holds)
    # A comparison keeps the left side's value.
    return (a if how.many == "right" else kept) if holds else None


def _labels_of(many: Labels, one: Labels, sign: str, how: Matching) -> Labels:
    labels = many if sign in COMPARISONS and not how.truth else unnamed(many)
    if how.many:
        given = dict(one)
        for name in how.taken:
            labels = with_label(labels, name, given.get(name, ""))
        return labels
    return only(labels, how.labels) if how.on else without(labels, how.labels)


def _set(left: Vector, right: Vector, sign: str, how: Matching, steps: int) -> Vector:
    others = _by_key(left if sign == "or" else right, how)
    there = {
        key: [any(row.values[step] is not None for row in rows) for step in range(steps)]
        for key, rows in others.items()
    }
    nowhere = [False] * steps

    def kept(row: Row, *, where: bool) -> Row:
        present = there.get(how.key(row.labels), nowhere)
        values: Column = [
            value if here is where else None
            for value, here in zip(row.values, present, strict=True)
        ]
        return Row(row.labels, values)

    if sign == "or":
        return distinct(
            [*(Row(row.labels, list(row.values)) for row in left.rows)]
            + [kept(row, where=False) for row in right.rows]
        )
    return distinct(kept(row, where=sign == "and") for row in left.rows)
