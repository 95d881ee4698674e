"""The same questions to lateen and to the real Prometheus, on the same figures, have the same answers."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.telemetry.history.store import History
from lateen.telemetry.promql.answering import instant_json, range_json
from lateen.telemetry.promql.evaluating import evaluate, evaluate_range
from lateen.telemetry.promql.values import BadEvaluation, BadQuery
from tests.telemetry.promql.peer import COUNT, START, STEP, Prometheus, fixture, own, running

EXPRESSIONS = [
    line
    for line in Path(__file__).with_name("expressions.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
AT = START + 2_000
SPAN = (START, START + COUNT * STEP, 60)
pytestmark = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="there is no Prometheus here"
)


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, History]]:
    folder, made = tmp_path_factory.mktemp("peer"), fixture()
    history = own(folder / "own.db", made)
    with running(folder, made) as prometheus:
        yield prometheus, history
    history.close()


def near(a: str, b: str) -> bool:
    x, y = float(a), float(b)
    return (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12)


def alike(ours: Any, theirs: Any) -> bool:
    """Equal, but for rounding of the values."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(alike(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(ours, str) and isinstance(theirs, str):
        try:
            return ours == theirs or near(ours, theirs)
        except ValueError:
            return False
    return bool(ours == theirs)


def in_order(data: Any, text: str) -> Any:
    """Only sort() says in which order series come."""
    if data["resultType"] in ("vector", "matrix") and not text.startswith(
        ("sort", "topk", "bottomk")
    ):
        return {
            **data,
            "result": sorted(data["result"], key=lambda row: sorted(row["metric"].items())),
        }
    return data


def test_there_are_a_hundred_of_them() -> None:
    assert len(set(EXPRESSIONS)) == len(EXPRESSIONS) >= 100


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_at_one_moment(peers: tuple[Prometheus, History], text: str) -> None:
    prometheus, history = peers
    theirs = prometheus.ask("query", query=text, time=str(AT))
    assert theirs["status"] == "success", theirs
    ours = instant_json(evaluate(history, text, AT * 1000), AT * 1000)
    assert alike(in_order(ours, text), in_order(theirs["data"], text)), (ours, theirs["data"])


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_over_an_hour(peers: tuple[Prometheus, History], text: str) -> None:
    prometheus, history = peers
    start, end, step = SPAN
    theirs = prometheus.ask(
        "query_range", query=text, start=str(start), end=str(end), step=str(step)
    )
    assert theirs["status"] == "success", theirs
    vector = evaluate_range(history, text, start * 1000, end * 1000, step * 1000)
    ours = range_json(vector, range(start * 1000, end * 1000 + 1, step * 1000))
    assert alike(in_order(ours, ""), in_order(theirs["data"], "")), (ours, theirs["data"])


@pytest.mark.parametrize(
    "text",
    [
        "rate(http_requests_total)",
        "http_requests_total * on(instance) up",
        "up * on() temperature",
        "sum(http_requests_total) by (",
        "nosuchfunction(up)",
        "{}",
        '{a=""}',
        "1 > 2",
        "temperature - on(room) humidity",
        'label_replace(up, "instance", "x", "job", ".*")',
        'label_replace(up, "in valid", "x", "job", ".*")',
        'label_replace(up, "a", "x", "job", "(")',
        'http_requests_total{code=~"("}',
        "up and 1",
    ],
)
def test_what_one_refuses_the_other_refuses(peers: tuple[Prometheus, History], text: str) -> None:
    prometheus, history = peers
    assert prometheus.ask("query", query=text, time=str(AT))["status"] == "error"
    with pytest.raises((BadQuery, BadEvaluation)):
        evaluate(history, text, AT * 1000)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("double_exponential_smoothing(up[5m], 0.1, 0.2)", "double_exponential_smoothing"),
        ("histogram_avg(up)", "histogram_avg"),
        ("1 + sum(mad_over_time(up[5m]))", "mad_over_time"),
        ("limitk(2, up)", "limitk"),
        ('up{job="a" or job="b"}', "`or` between label matchers"),
    ],
)
def test_what_is_not_supported_is_named(
    peers: tuple[Prometheus, History], text: str, named: str
) -> None:
    with pytest.raises(BadQuery, match=named):
        evaluate(peers[1], text, AT * 1000)
