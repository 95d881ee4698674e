"""Read an expression, and say what of it is not known here.

In: text.    Out: the parser's tree; matchers.
Before: -        After: promql/evaluating.py, promapi.py

The parser is the Rust one, which follows Prometheus' grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import promql_parser as parser

from lateen.telemetry.history.series import NAME, Match, Matcher
from lateen.telemetry.promql.aggregating import SIMPLE
from lateen.telemetry.promql.functions import OF_DATES, OF_NUMBERS
from lateen.telemetry.promql.ranges import OVER_TIME
from lateen.telemetry.promql.values import BadQuery

LONGEST = 20_000  # characters of an expression
FUNCTIONS = frozenset(
    {
        *OF_NUMBERS,
        *OF_DATES,
        *OVER_TIME,
        *("rate", "increase", "delta", "irate", "idelta", "deriv", "predict_linear", "changes"),
        *("resets", "last_over_time", "quantile_over_time", "absent", "absent_over_time"),
        *("histogram_quantile", "label_replace", "label_join", "round", "clamp", "clamp_min"),
        *("clamp_max", "sort", "sort_desc", "sort_by_label", "sort_by_label_desc", "scalar"),
        *("vector", "time", "timestamp", "pi"),
    }
)
AGGREGATIONS = frozenset({*SIMPLE, "topk", "bottomk", "quantile", "count_values"})
# The parser's own values cannot be keys.
_MATCHES = {
    "MatchOp.Equal": Match.EQUAL,
    "MatchOp.NotEqual": Match.NOT_EQUAL,
    "MatchOp.Re": Match.REGEX,
    "MatchOp.NotRe": Match.NOT_REGEX,
}


def read_expression(text: str) -> Any:
    """The tree; raises BadQuery with the parser's words, or with the name of what is not supported."""
    if len(text) > LONGEST:
        raise BadQuery(f"the expression is longer than {LONGEST} characters")
    try:
        tree = parser.parse(text)
    except ValueError as fault:
        raise BadQuery(f'invalid parameter "query": {fault}') from None
    _check(tree)
    return tree


def read_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of a series selector, as match[] has it; raises BadQuery."""
    try:
        tree = parser.parse(text)
    except ValueError as fault:
        raise BadQuery(f'invalid parameter "match[]": {fault}') from None
    if not isinstance(tree, parser.VectorSelector):
        raise BadQuery(f'invalid parameter "match[]": {text} is no series selector')
    return matchers_of(tree)


def matchers_of(selector: parser.VectorSelector) -> tuple[Matcher, ...]:
    """The conditions of a selector, the name among them; raises BadQuery for `or`."""
    if selector.matchers.or_matchers:
        raise BadQuery("`or` between label matchers is not supported")
    found = [Matcher(m.name, _MATCHES[str(m.op)], m.value) for m in selector.matchers.matchers]
    if selector.name:
        found.insert(0, Matcher(NAME, Match.EQUAL, selector.name))
    return tuple(found)


def _check(tree: Any) -> None:
    """Raise BadQuery for what the grammar knows and the evaluation does not."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, parser.Call):
            if node.func.name not in FUNCTIONS:
                raise BadQuery(f"function {node.func.name}() is not supported by lateen")
            waiting += node.args
        elif isinstance(node, parser.AggregateExpr):
            if str(node.op) not in AGGREGATIONS:
                raise BadQuery(f"aggregation {node.op} is not supported by lateen")
            waiting += [node.expr] if node.param is None else [node.expr, node.param]
        elif isinstance(node, parser.BinaryExpr):
            _check_fill(node)
            waiting += [node.lhs, node.rhs]
        elif isinstance(node, parser.MatrixSelector):
            matchers_of(node.vector_selector)
        elif isinstance(node, parser.VectorSelector):
            matchers_of(node)
        elif not isinstance(node, parser.NumberLiteral | parser.StringLiteral):
            waiting.append(node.expr)


def _check_fill(node: parser.BinaryExpr) -> None:
    fill = node.modifier.fill_values if node.modifier else None
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        raise BadQuery("fill, fill_left and fill_right are not supported by lateen")


def names_in(tree: Any) -> Sequence[str]:
    """The names of the metrics that the expression reads."""
    found: dict[str, None] = {}

    def note(node: Any) -> bool:
        selector = node.vector_selector if isinstance(node, parser.MatrixSelector) else node
        if isinstance(selector, parser.VectorSelector) and selector.name:
            found[selector.name] = None
        return True

    parser.walk(tree, pre_visit=note)
    return tuple(found)
