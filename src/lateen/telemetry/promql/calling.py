"""What each function of PromQL is called with.

In: values of its arguments, the times of the steps.    Out: a Value.
Before: promql/functions.py, ranges.py, buckets.py        After: promql/evaluating.py
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from lateen.telemetry.history.series import Points
from lateen.telemetry.promql import buckets, functions, ranges
from lateen.telemetry.promql.functions import numbers_of, text_of, vector_of
from lateen.telemetry.promql.values import (
    Column,
    Row,
    Scalar,
    Value,
    Vector,
    Windows,
    distinct,
    unnamed,
)

_OnWindows = Callable[[Windows, Sequence[float], Sequence[int]], Vector]


def _extrapolating(*, counter: bool, per_second: bool) -> _OnWindows:
    return lambda w, *_: ranges.extrapolated(w, counter=counter, per_second=per_second)


def _predicted(windows: Windows, ahead: Sequence[float], times: Sequence[int]) -> Vector:
    rows = []
    for points in windows.series:
        values: Column = []
        for step, (start, end) in enumerate(windows.spans):
            lo, hi = _within(points, start, end)
            found = ranges.slope(points, lo, hi, times[step])
            values.append(None if found is None else found[0] * ahead[step] + found[1])
        rows.append(Row(unnamed(points.labels), values))
    return distinct(rows)


def _quantiles(windows: Windows, shares: Sequence[float], _: Sequence[int]) -> Vector:
    rows = []
    for points in windows.series:
        values: Column = []
        for step, (start, end) in enumerate(windows.spans):
            lo, hi = _within(points, start, end)
            values.append(ranges.quantile(shares[step], points.values[lo:hi]) if lo < hi else None)
        rows.append(Row(unnamed(points.labels), values))
    return distinct(rows)


def _within(points: Points, start: int, end: int) -> tuple[int, int]:
    return bisect_left(points.times, start), bisect_right(points.times, end)


def _slope(points: Points, lo: int, hi: int, *_: int) -> float | None:
    found = ranges.slope(points, lo, hi, points.times[lo])
    return None if found is None else found[0]


ON_WINDOWS: dict[str, _OnWindows] = {
    "rate": _extrapolating(counter=True, per_second=True),
    "increase": _extrapolating(counter=True, per_second=False),
    "delta": _extrapolating(counter=False, per_second=False),
    "irate": lambda w, *_: ranges.over_windows(
        w, lambda p, lo, hi, *__: ranges.instant_change(p, lo, hi, rate=True)
    ),
    "idelta": lambda w, *_: ranges.over_windows(
        w, lambda p, lo, hi, *__: ranges.instant_change(p, lo, hi, rate=False)
    ),
    "changes": lambda w, *_: ranges.over_windows(
        w, lambda p, lo, hi, *__: ranges.changes(p, lo, hi)
    ),
    "resets": lambda w, *_: ranges.over_windows(w, lambda p, lo, hi, *__: ranges.resets(p, lo, hi)),
    "deriv": lambda w, *_: ranges.over_windows(w, _slope),
    "last_over_time": lambda w, *_: ranges.over_windows(
        w, lambda p, _lo, hi, *__: p.values[hi - 1], named=True
    ),
    "predict_linear": _predicted,
    "quantile_over_time": _quantiles,
    "absent_over_time": lambda w, *_: Vector([]),
}


def _bound(given: Sequence[Value], at: int, name: str, else_: float, steps: int) -> list[float]:
    return numbers_of(given[at], name) if len(given) > at else [else_] * steps


PLAIN: dict[str, Callable[[Sequence[int], str, Sequence[Value]], Value]] = {
    "time": lambda times, *_: Scalar([time / 1000 for time in times]),
    "pi": lambda times, *_: Scalar([math.pi] * len(times)),
    "vector": lambda _, name, given: Vector([Row((), list(numbers_of(given[0], name)))]),
    "scalar": lambda times, name, given: functions.scalar_of(vector_of(given[0], name), len(times)),
    "timestamp": lambda times, name, given: distinct(
        Row(
            unnamed(row.labels),
            [None if v is None else t / 1000 for v, t in zip(row.values, times, strict=True)],
        )
        for row in vector_of(given[0], name).rows
    ),
    "round": lambda times, name, given: functions.rounded(
        vector_of(given[0], name), _bound(given, 1, name, 1.0, len(times))
    ),
    "clamp": lambda _, name, given: functions.clamped(
        vector_of(given[0], name), numbers_of(given[1], name), numbers_of(given[2], name)
    ),
    "clamp_min": lambda times, name, given: functions.clamped(
        vector_of(given[0], name), numbers_of(given[1], name), [math.inf] * len(times)
    ),
    "clamp_max": lambda times, name, given: functions.clamped(
        vector_of(given[0], name), [-math.inf] * len(times), numbers_of(given[1], name)
    ),
    "sort": lambda _, name, given: functions.in_order(vector_of(given[0], name), descending=False),
    "sort_desc": lambda _, name, given: functions.in_order(
        vector_of(given[0], name), descending=True
    ),
    "sort_by_label": lambda _, name, given: functions.by_labels(
        vector_of(given[0], name), [text_of(v, name) for v in given[1:]], descending=False
    ),
    "sort_by_label_desc": lambda _, name, given: functions.by_labels(
        vector_of(given[0], name), [text_of(v, name) for v in given[1:]], descending=True
    ),
    "histogram_quantile": lambda _, name, given: buckets.histogram_quantile(
        numbers_of(given[0], name), vector_of(given[1], name)
    ),
    "label_replace": lambda _, name, given: functions.replaced(
        vector_of(given[0], name), [text_of(v, name) for v in given[1:]]
    ),
    "label_join": lambda _, name, given: functions.joined(
        vector_of(given[0], name), [text_of(v, name) for v in given[1:]]
    ),
}
