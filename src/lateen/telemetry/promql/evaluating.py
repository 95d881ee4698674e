"""Evaluate an expression at one time, or at many at once.

In: a Past, the expression, times in milliseconds.    Out: a Value with one entry for each time.
Before: promql/reading.py, functions.py, aggregating.py, matching.py        After: promapi.py, cli

Each node is evaluated for all steps together, so a series is read and decoded once, however many steps there are.
"""

from __future__ import annotations

import re
import time as clock
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import promql_parser as parser

from lateen.telemetry.history.series import NAME, Match, Matcher, Past, Points, TooMuch, is_stale
from lateen.telemetry.promql import aggregating, functions, matching, ranges
from lateen.telemetry.promql.calling import ON_WINDOWS, PLAIN
from lateen.telemetry.promql.functions import numbers_of, text_of, vector_of
from lateen.telemetry.promql.reading import matchers_of, read_expression
from lateen.telemetry.promql.values import (
    BadEvaluation,
    BadQuery,
    Row,
    Scalar,
    Text,
    TookTooLong,
    Value,
    Vector,
    Windows,
    distinct,
    mapped,
    unnamed,
)
from lateen.telemetry.promtext import Labels

LOOKBACK = 5 * 60 * 1000  # milliseconds in which a point counts as the newest
SUBQUERY_STEP = 60 * 1000  # milliseconds, where a subquery names none
MOST_STEPS = 11_000
MOST_VALUES = 20_000_000  # steps times series of one node
PATIENCE = 30.0  # seconds for one question


def evaluate(past: Past, text: str, at: int) -> Value:
    """At one moment; raises BadQuery, BadEvaluation, TookTooLong."""
    return _evaluate(past, read_expression(text), (at,), (at, at))


def evaluate_range(past: Past, text: str, start: int, end: int, step: int) -> Vector:
    """From start to end, each step; raises as `evaluate` does."""
    tree = read_expression(text)
    times = range(start, end + 1, step)
    if len(times) > MOST_STEPS:
        raise BadQuery(
            f"exceeded maximum resolution of {MOST_STEPS:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    value = _evaluate(past, tree, times, (start, end))
    if isinstance(value, Scalar):
        return Vector([Row((), list(value.values))])
    if not isinstance(value, Vector):
        raise BadQuery(
            'invalid expression type "range vector" or "string" for range query, must be Scalar or instant Vector'
        )
    return value


def _evaluate(past: Past, tree: Any, times: Sequence[int], whole: tuple[int, int]) -> Value:
    deadline = clock.monotonic() + PATIENCE
    try:
        return Evaluator(past=past, times=times, whole=whole, deadline=deadline).value(tree)
    except TooMuch as fault:
        raise BadEvaluation(str(fault)) from None
    except RecursionError:
        raise BadQuery("the expression is nested too deeply") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """One question at its times. `whole` is the outermost span, which start() and end() mean."""

    past: Past
    times: Sequence[int]
    whole: tuple[int, int]
    deadline: float

    def value(self, node: Any) -> Value:
        """What the node is worth."""
        if clock.monotonic() > self.deadline:
            raise TookTooLong(f"query timed out after {PATIENCE:.0f} s")
        match node:
            case parser.NumberLiteral():
                return Scalar([node.val] * len(self.times))
            case parser.StringLiteral():
                return Text(node.val)
            case parser.ParenExpr():
                return self.value(node.expr)
            case parser.UnaryExpr():
                return self._negative(self.value(node.expr))
            case parser.VectorSelector():
                return self._instant(node)
            case parser.MatrixSelector():
                return self._range(node)
            case parser.SubqueryExpr():
                return self._subquery(node)
            case parser.AggregateExpr():
                return self._aggregate(node)
            case parser.BinaryExpr():
                return self._binary(node)
            case parser.Call():
                return self._call(node)
        raise BadQuery(f"{type(node).__name__} is not supported by lateen")

    def _moments(self, node: Any) -> list[int]:
        """The time that each step looks at: offset and @ taken into account."""
        offset = _milliseconds(node.offset) if node.offset is not None else 0
        at = node.at
        if at is None:
            return [time - offset for time in self.times]
        if at.type == parser.AtModifierType.Start:
            fixed = self.whole[0]
        elif at.type == parser.AtModifierType.End:
            fixed = self.whole[1]
        else:
            fixed = round(at.at.timestamp() * 1000)
        return [fixed - offset] * len(self.times)

    def _read(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Points]:
        try:
            found = self.past.select(matchers, start, end)
        except re.error as fault:
            raise BadQuery(f"a regular expression cannot be read: {fault}") from None
        if len(found) * len(self.times) > MOST_VALUES:
            raise BadEvaluation("query processing would load too many samples into memory")
        return found

    def _instant(self, node: parser.VectorSelector) -> Vector:
        rows = [
            Row(points.labels, [None if at < 0 else points.values[at] for at in places])
            for points, places in self._newest(node)
        ]
        return distinct(rows)

    def _newest(self, node: parser.VectorSelector) -> list[tuple[Points, list[int]]]:
        """Of each series, the place of the newest point at each step; -1 where there is none."""
        moments = self._moments(node)
        found = self._read(matchers_of(node), min(moments) - LOOKBACK, max(moments))
        made = []
        for points in found:
            times, values, places = points.times, points.values, []
            for moment in moments:
                at = bisect_right(times, moment) - 1
                there = at >= 0 and times[at] >= moment - LOOKBACK and not is_stale(values[at])
                places.append(at if there else -1)
            made.append((points, places))
        return made

    def _range(self, node: parser.MatrixSelector) -> Windows:
        reach = _milliseconds(node.range)
        ends = self._moments(node.vector_selector)
        matchers = matchers_of(node.vector_selector)
        found = [points.present() for points in self._read(matchers, min(ends) - reach, max(ends))]
        return Windows(found, [(end - reach, end) for end in ends], reach)

    def _subquery(self, node: parser.SubqueryExpr) -> Windows:
        reach = _milliseconds(node.range or timedelta())
        step = _milliseconds(node.step) if node.step else SUBQUERY_STEP
        ends = self._moments(node)
        first = -((reach - min(ends)) // step) * step  # the first multiple inside
        times = range(first, max(ends) + 1, step)
        if len(times) > MOST_STEPS:
            raise BadQuery(f"a subquery has more than {MOST_STEPS:,} steps")
        spans = [(end - reach, end) for end in ends]
        inner = Evaluator(past=self.past, times=times, whole=self.whole, deadline=self.deadline)
        value = inner.value(node.expr) if times else Vector([])
        if isinstance(value, Scalar):
            value = Vector([Row((), list(value.values))])
        if not isinstance(value, Vector):
            raise BadQuery("subquery is only allowed on instant vector")
        return Windows([_as_points(row, times) for row in value.rows], spans, reach)

    def _negative(self, value: Value) -> Value:
        if isinstance(value, Scalar):
            return Scalar([-number for number in value.values])
        if isinstance(value, Vector):
            return mapped(value, lambda number: -number)
        raise BadQuery(
            "unary expression only allowed on expressions of type scalar or instant vector"
        )

    def _aggregate(self, node: parser.AggregateExpr) -> Vector:
        vector = vector_of(self.value(node.expr), str(node.op))
        modifier = node.modifier
        leave_out = modifier is not None and modifier.type == parser.AggModifierType.Without
        labels = tuple(modifier.labels) if modifier is not None else ()
        found = aggregating.groups(vector, labels, leave_out=leave_out)
        name, steps = str(node.op), len(self.times)
        if name in aggregating.SIMPLE:
            return aggregating.simple(found, aggregating.SIMPLE[name], steps)
        parameter = self.value(node.param)
        if name == "count_values":
            return aggregating.counted_values(found, text_of(parameter, name), steps)
        numbers = numbers_of(parameter, name)
        if name == "quantile":
            return aggregating.quantiles(found, numbers, steps)
        return aggregating.outermost(found, numbers, largest=name == "topk")

    def _binary(self, node: parser.BinaryExpr) -> Value:
        left, right, sign = self.value(node.lhs), self.value(node.rhs), str(node.op)
        how = _matching(node.modifier)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            table = matching.CALCULATIONS | matching.COMPARISONS  # type: ignore[operator]
            pairs = zip(left.values, right.values, strict=True)
            return Scalar([float(table[sign](a, b)) for a, b in pairs])
        if isinstance(left, Vector) and isinstance(right, Scalar):
            return matching.with_numbers(left, right.values, sign, swapped=False, truth=how.truth)
        if isinstance(left, Scalar) and isinstance(right, Vector):
            return matching.with_numbers(right, left.values, sign, swapped=True, truth=how.truth)
        if isinstance(left, Vector) and isinstance(right, Vector):
            return matching.together(left, right, sign, how, len(self.times))
        raise BadQuery("binary expression must contain only scalar and instant vector types")

    def _call(self, node: parser.Call) -> Value:
        name, args = node.func.name, node.args
        if name in ON_WINDOWS or name in ranges.OVER_TIME:
            return self._over_windows(name, args)
        if name == "timestamp" and isinstance(_bare(args[0]), parser.VectorSelector):
            return self._timestamps(_bare(args[0]))
        given = [self.value(arg) for arg in args]
        if name in functions.OF_NUMBERS:
            return mapped(vector_of(given[0], name), functions.OF_NUMBERS[name])
        if name in functions.OF_DATES:
            return functions.dated(name, given, self.times)
        if name == "absent":
            labels = _asked_labels(args[0])
            return functions.absent(vector_of(given[0], name), labels, len(self.times))
        return PLAIN[name](self.times, name, given)

    def _over_windows(self, name: str, args: Sequence[Any]) -> Vector:
        # The numbers stand before the window (quantile_over_time) or after it.
        given = [self.value(arg) for arg in args]
        windows = next((value for value in given if isinstance(value, Windows)), None)
        if windows is None:
            raise BadQuery(f"expected type range vector in call to function {name!r}")
        numbers = next((v.values for v in given if isinstance(v, Scalar)), [])
        if name in ranges.OVER_TIME:
            fold = ranges.OVER_TIME[name]
            return ranges.over_windows(windows, lambda p, lo, hi, *_: fold(p.values[lo:hi]))
        if name == "absent_over_time":
            there = ranges.over_windows(windows, lambda *_: 1.0)
            return functions.absent(there, _asked_labels(args[0]), len(self.times))
        return ON_WINDOWS[name](windows, numbers, self.times)

    def _timestamps(self, node: parser.VectorSelector) -> Vector:
        return distinct(
            Row(
                unnamed(points.labels),
                [None if at < 0 else points.times[at] / 1000 for at in places],
            )
            for points, places in self._newest(node)
        )


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _as_points(row: Row, times: Sequence[int]) -> Points:
    there = [
        (time, value) for time, value in zip(times, row.values, strict=True) if value is not None
    ]
    return Points(row.labels, [time for time, _ in there], [value for _, value in there])


def _bare(node: Any) -> Any:
    while isinstance(node, parser.ParenExpr):
        node = node.expr
    return node


def _asked_labels(node: Any) -> Labels:
    """What absent() says is missing: the labels that were asked for by one value."""
    node = _bare(node)
    selector = node.vector_selector if isinstance(node, parser.MatrixSelector) else node
    if not isinstance(selector, parser.VectorSelector):
        return ()
    found: dict[str, str | None] = {}
    for matcher in matchers_of(selector):
        if matcher.name != NAME:
            single = matcher.match is Match.EQUAL and matcher.name not in found
            found[matcher.name] = matcher.value if single else None
    return tuple(sorted((name, value) for name, value in found.items() if value))


def _matching(modifier: parser.BinModifier | None) -> matching.Matching:
    if modifier is None:
        return matching.Matching()
    labels = modifier.matching
    sides = {
        "VectorMatchCardinality.ManyToOne": "left",
        "VectorMatchCardinality.OneToMany": "right",
    }
    return matching.Matching(
        on=labels is not None and labels.type == parser.LabelModifierType.Include,
        labels=tuple(labels.labels) if labels is not None else (),
        many=sides.get(str(modifier.card), ""),
        taken=tuple(modifier.group_labels or ()),
        truth=modifier.return_bool,
    )
