"""sum by (…), topk and their like.

In: a Vector, which labels stay.    Out: a Vector.
Before: promql/values.py        After: promql/evaluating.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from lateen.telemetry.history.series import NAME
from lateen.telemetry.promql.numbers import shown
from lateen.telemetry.promql.ranges import (
    deviation,
    highest,
    lowest,
    mean,
    quantile,
    total,
    variance,
)
from lateen.telemetry.promql.values import (
    BadEvaluation,
    Column,
    Row,
    Vector,
    distinct,
    only,
    with_label,
    without,
)
from lateen.telemetry.promtext import Labels

SIMPLE: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": total,
    "avg": mean,
    "min": lowest,
    "max": highest,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "stddev": deviation,
    "stdvar": variance,
}


def groups(vector: Vector, labels: Sequence[str], *, leave_out: bool) -> dict[Labels, list[Row]]:
    """The rows by the labels that stay: those named, or (`leave_out`) all but those and the name."""
    found: dict[Labels, list[Row]] = {}
    for row in vector.rows:
        key = without(row.labels, (*labels, NAME)) if leave_out else only(row.labels, labels)
        found.setdefault(key, []).append(row)
    return found


def simple(
    found: Mapping[Labels, Sequence[Row]], function: Callable[[Sequence[float]], float], steps: int
) -> Vector:
    """One value of each group at each step."""
    rows = []
    for labels, members in found.items():
        values: Column = []
        for step in range(steps):
            here = [v for row in members if (v := row.values[step]) is not None]
            values.append(function(here) if here else None)
        rows.append(Row(labels, values))
    return distinct(rows)


def quantiles(found: Mapping[Labels, Sequence[Row]], shares: Sequence[float], steps: int) -> Vector:
    """quantile(): the share may differ from step to step."""
    rows = []
    for labels, members in found.items():
        values: Column = []
        for step in range(steps):
            here = [v for row in members if (v := row.values[step]) is not None]
            values.append(quantile(shares[step], here) if here else None)
        rows.append(Row(labels, values))
    return distinct(rows)


def outermost(
    found: Mapping[Labels, Sequence[Row]], counts: Sequence[float], *, largest: bool
) -> Vector:
    """topk() and bottomk(): whole series, each at the steps at which it is among the first."""
    rows = []
    for members in found.values():
        kept = [Row(row.labels, [None] * len(row.values)) for row in members]
        for step, count in enumerate(counts):
            if math.isnan(count) or count >= 2**63:
                raise BadEvaluation(f"Scalar value {shown(count)} overflows int64")
            here = [(v, i) for i, row in enumerate(members) if (v := row.values[step]) is not None]
            for value, i in sorted(here, key=_rank(largest=largest))[: max(0, int(count))]:
                kept[i].values[step] = value
        if len(counts) == 1:  # at one moment they are shown in their order
            kept.sort(key=_row_rank(largest=largest))
        rows += kept
    return distinct(rows, ordered=len(counts) == 1)


def _rank(*, largest: bool) -> Callable[[tuple[float, int]], tuple[bool, float]]:
    sign = -1 if largest else 1
    return lambda pair: (math.isnan(pair[0]), 0.0 if math.isnan(pair[0]) else sign * pair[0])


def _row_rank(*, largest: bool) -> Callable[[Row], tuple[bool, float]]:
    rank = _rank(largest=largest)
    return lambda row: rank((math.nan if row.values[0] is None else row.values[0], 0))


def counted_values(found: Mapping[Labels, Sequence[Row]], label: str, steps: int) -> Vector:
    """count_values(): how many have each value."""
    made: dict[Labels, Column] = {}
    for labels, members in found.items():
        for step in range(steps):
            for row in members:
                value = row.values[step]
                if value is None:
                    continue
                column = made.setdefault(with_label(labels, label, shown(value)), [None] * steps)
                column[step] = (column[step] or 0.0) + 1
    return distinct(Row(labels, values) for labels, values in made.items())
