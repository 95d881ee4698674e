"""A value as Prometheus' HTTP API shows it.

In: Value.    Out: plain JSON-able data.
Before: promql/evaluating.py        After: promapi.py, cli
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lateen.telemetry.promql.numbers import shown
from lateen.telemetry.promql.values import Row, Scalar, Text, Value, Vector, Windows


def instant_json(value: Value, at: int) -> dict[str, Any]:
    """What /query answers; `at` in milliseconds."""
    seconds = at / 1000
    if isinstance(value, Scalar):
        return {"resultType": "scalar", "result": [seconds, shown(value.values[0])]}
    if isinstance(value, Text):
        return {"resultType": "string", "result": [seconds, value.text]}
    if isinstance(value, Windows):
        return {"resultType": "matrix", "result": _windows(value)}
    rows = value.rows if value.ordered else sorted(value.rows, key=_by_labels)
    return {
        "resultType": "vector",
        "result": [
            {"metric": dict(row.labels), "value": [seconds, shown(row.values[0])]}
            for row in rows
            if row.values[0] is not None
        ],
    }


def range_json(vector: Vector, times: Sequence[int]) -> dict[str, Any]:
    """What /query_range answers."""
    return {
        "resultType": "matrix",
        "result": [
            {
                "metric": dict(row.labels),
                "values": [
                    [time / 1000, shown(value)]
                    for time, value in zip(times, row.values, strict=True)
                    if value is not None
                ],
            }
            for row in sorted(vector.rows, key=_by_labels)
        ],
    }


def _windows(value: Windows) -> list[dict[str, Any]]:
    start, end = value.spans[0]
    made = []
    for points in sorted(value.series, key=lambda points: points.labels):
        values = [
            [time / 1000, shown(number)]
            for time, number in zip(points.times, points.values, strict=True)
            if start <= time <= end
        ]
        if values:
            made.append({"metric": dict(points.labels), "values": values})
    return made


def _by_labels(row: Row) -> tuple[tuple[str, str], ...]:
    return row.labels
