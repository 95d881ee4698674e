"""Functions of a window of points: rates, and the like over time.

In: Windows.    Out: Vector.
Before: promql/values.py        After: promql/functions.py

Source: Prometheus' functions, release 2.42, whose windows have both ends in them.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence

from lateen.telemetry.history.series import Points
from lateen.telemetry.promql.values import Row, Vector, Windows, distinct, unnamed

OverTime = Callable[[Sequence[float]], float]
NEAR = 1.1  # average distances of points within which a window's edge counts as reached


def over_windows(
    windows: Windows,
    function: Callable[[Points, int, int, int, int], float | None],
    *,
    named: bool = False,
) -> Vector:
    """Apply a function to each window that has points: series, indices (to excluded), edges."""
    rows = []
    for points in windows.series:
        times = points.times
        values: list[float | None] = []
        for start, end in windows.spans:
            lo, hi = bisect_left(times, start), bisect_right(times, end)
            values.append(function(points, lo, hi, start, end) if lo < hi else None)
        rows.append(Row(points.labels if named else unnamed(points.labels), values))
    return distinct(rows)


def extrapolated(windows: Windows, *, counter: bool, per_second: bool) -> Vector:
    """rate, increase and delta: the difference of the ends, carried on to the window's edges."""
    rows = []
    for points in windows.series:
        risen = _risen(points.values) if counter else points.values
        rows.append(
            Row(
                unnamed(points.labels),
                [
                    _extrapolated(points, risen, span, counter=counter, per_second=per_second)
                    for span in windows.spans
                ],
            )
        )
    return distinct(rows)


def _risen(values: Sequence[float]) -> list[float]:
    """A counter as if it had never begun anew."""
    made, lost, before = [], 0.0, -math.inf
    for value in values:
        if value < before:
            lost += before
        made.append(value + lost)
        before = value
    return made


def _extrapolated(
    points: Points,
    risen: Sequence[float],
    span: tuple[int, int],
    *,
    counter: bool,
    per_second: bool,
) -> float | None:
    times = points.times
    lo, hi = bisect_left(times, span[0]), bisect_right(times, span[1]) - 1
    if hi <= lo:
        return None
    result = risen[hi] - risen[lo]
    to_start, to_end = (times[lo] - span[0]) / 1000, (span[1] - times[hi]) / 1000
    sampled = (times[hi] - times[lo]) / 1000
    average = sampled / (hi - lo)
    first = points.values[lo]
    if counter and result > 0 and first >= 0:
        # A counter was never below zero: it cannot have risen before the time at which it was zero.
        to_start = min(to_start, sampled * (first / result))
    reach = sampled
    for distance in (to_start, to_end):
        reach += distance if distance < average * NEAR else average / 2
    factor = reach / sampled
    if per_second:
        factor /= (span[1] - span[0]) / 1000
    return result * factor


def instant_change(points: Points, lo: int, hi: int, *, rate: bool) -> float | None:
    """irate and idelta: of the last two points alone."""
    if hi - lo < 2:
        return None
    last, before = points.values[hi - 1], points.values[hi - 2]
    change = last if rate and last < before else last - before
    apart = (points.times[hi - 1] - points.times[hi - 2]) / 1000
    return change / apart if rate else change


def changes(points: Points, lo: int, hi: int) -> float:
    """How often the value became another."""
    some = points.values[lo:hi]
    return float(
        sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in itertools.pairwise(some))
    )


def resets(points: Points, lo: int, hi: int) -> float:
    """How often the value fell."""
    some = points.values[lo:hi]
    return float(sum(b < a for a, b in itertools.pairwise(some)))


def slope(points: Points, lo: int, hi: int, around: int) -> tuple[float, float] | None:
    """Least squares: the slope per second, and the value at the time `around`."""
    if hi - lo < 2:
        return None
    values = points.values[lo:hi]
    if all(value == values[0] for value in values):
        return (math.nan, math.nan) if math.isinf(values[0]) else (0.0, values[0])
    xs = [(time - around) / 1000 for time in points.times[lo:hi]]
    count = len(xs)
    x, y = math.fsum(xs), _sum(values)
    xy = _sum([a * b for a, b in zip(xs, values, strict=True)])
    xx = math.fsum(a * a for a in xs)
    per = (xy - x * y / count) / (xx - x * x / count)
    return per, y / count - per * x / count


def quantile(share: float, values: Sequence[float]) -> float:
    """Between the two values at that rank."""
    if not values or math.isnan(share):
        return math.nan
    if share < 0 or share > 1:
        return math.copysign(math.inf, share)
    ordered = sorted(values, key=lambda v: (not math.isnan(v), v))
    rank = share * (len(ordered) - 1)
    below = max(0, math.floor(rank))
    above = min(len(ordered) - 1, below + 1)
    weight = rank - math.floor(rank)
    return ordered[below] * (1 - weight) + ordered[above] * weight


def _sum(values: Sequence[float]) -> float:
    """Exact where it can be: fsum stops at infinities and what is no number."""
    rough = sum(values)
    return math.fsum(values) if math.isfinite(rough) else rough


def mean(values: Sequence[float]) -> float:
    """The average."""
    return _sum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Of the whole population."""
    middle = mean(values)
    return mean([(value - middle) ** 2 for value in values])


def lowest(values: Sequence[float]) -> float:
    """The least that is a number."""
    return min((v for v in values if not math.isnan(v)), default=math.nan)


def highest(values: Sequence[float]) -> float:
    """The most that is a number."""
    return max((v for v in values if not math.isnan(v)), default=math.nan)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation."""
    found = variance(values)
    return math.sqrt(found) if found >= 0 else math.nan


total = _sum

OVER_TIME: Mapping[str, OverTime] = {
    "avg_over_time": mean,
    "min_over_time": lowest,
    "max_over_time": highest,
    "sum_over_time": total,
    "count_over_time": lambda values: float(len(values)),
    "stddev_over_time": deviation,
    "stdvar_over_time": variance,
    "present_over_time": lambda _: 1.0,
}
