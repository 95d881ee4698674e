"""histogram_quantile: between the bounds of buckets.

In: a Vector of buckets, the share.    Out: a Vector.
Before: promql/values.py        After: promql/functions.py
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lateen.telemetry.history.series import NAME
from lateen.telemetry.promql.values import Row, Vector, distinct, without
from lateen.telemetry.promtext import Labels

BOUND = "le"


def histogram_quantile(shares: Sequence[float], vector: Vector) -> Vector:
    """One series of each histogram."""
    found: dict[Labels, list[tuple[float, Row]]] = {}
    for row in vector.rows:
        bound = _bound(dict(row.labels).get(BOUND, ""))
        if bound is not None:
            found.setdefault(without(row.labels, (BOUND, NAME)), []).append((bound, row))
    rows = []
    for labels, members in found.items():
        ordered = sorted(members, key=lambda pair: pair[0])
        rows.append(
            Row(
                labels,
                [
                    _at(share, ((bound, row.values[step]) for bound, row in ordered))
                    for step, share in enumerate(shares)
                ],
            )
        )
    return distinct(rows)


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _at(share: float, given: Iterable[tuple[float, float | None]]) -> float | None:
    buckets: list[tuple[float, float]] = []
    for bound, count in given:
        if count is None:
            continue
        if buckets and buckets[-1][0] == bound:  # le="1" and le="1.0"
            buckets[-1] = (bound, buckets[-1][1] + count)
        else:
            buckets.append((bound, count))
    return quantile_of(share, buckets) if buckets else None


def quantile_of(share: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The quantile of buckets (upper bound, count up to it), the last of them without a bound."""
    if math.isnan(share):
        return math.nan
    if not 0 <= share <= 1:
        return math.copysign(math.inf, share)
    if buckets[-1][0] != math.inf or len(buckets) < 2:
        return math.nan
    rising, most = [], -math.inf
    for bound, count in buckets:
        most = max(most, count)  # scraped while it was counted: never less than the bucket below
        rising.append((bound, most))
    total = rising[-1][1]
    if total == 0 or math.isnan(total):
        return math.nan
    rank = share * total
    at = next((i for i, (_, count) in enumerate(rising[:-1]) if count >= rank), len(rising) - 1)
    if at == len(rising) - 1:
        return rising[-2][0]
    bound, count = rising[at]
    if at == 0:
        return bound if bound <= 0 else bound * (rank / count)
    start, below = rising[at - 1]
    return start + (bound - start) * ((rank - below) / (count - below))
