"""The HTTP API in the form that Grafana and Prometheus' own tools ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from lateen.base.clock import FakeClock
from lateen.telemetry.history.store import History
from lateen.telemetry.promapi import PREFIX, PrometheusApi

pytestmark = pytest.mark.anyio
NOW = 1767225600  # where FakeClock starts


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Nothing:
    """A mesh of which one metric is known."""

    def targets(self) -> dict[str, Any]:
        return {"activeTargets": [], "droppedTargets": []}

    def metadata(self) -> Mapping[str, tuple[str, str]]:
        return {"hits": ("counter", "How often."), "up": ("gauge", "")}

    def facts(self) -> dict[str, str]:
        return {"storageRetention": "12h"}


@asynccontextmanager
async def asked(path: Path) -> AsyncIterator[Any]:
    history = History(path / "m.db")
    shelf = history.shelf("a")
    for i in range(13):
        rows = []
        for code in ("200", "500"):
            series = history.series(shelf, (("__name__", "hits"), ("code", code)))
            assert series is not None
            rows.append((series, float(i * int(code))))
        history.append([(shelf, (NOW - 60 + 5 * i) * 1000, rows)])
    app = web.Application()
    app.router.add_routes(PrometheusApi(history, Nothing(), FakeClock()).routes())
    async with TestClient(TestServer(app)) as client:

        async def ask(what: str, post: bool = False, **given: Any) -> Any:
            url = f"{PREFIX}/api/v1/{what}"
            call = client.post(url, data=given) if post else client.get(url, params=given)
            async with call as answer:
                return answer.status, await answer.json()

        yield ask
    history.close()


@pytest.mark.parametrize("post", [False, True])
async def test_an_instant_query(tmp_path: Path, post: bool) -> None:
    async with asked(tmp_path) as ask:
        status, body = await ask("query", post, query='sum(rate(hits{code="200"}[1m]))')
    assert (status, body["status"]) == (200, "success")
    assert body["data"] == {
        "resultType": "vector",
        "result": [{"metric": {}, "value": [NOW, "40"]}],
    }


async def test_a_range_query(tmp_path: Path) -> None:
    async with asked(tmp_path) as ask:
        _, body = await ask(
            "query_range", query='hits{code="500"}', start=NOW - 10, end=NOW, step="5s"
        )
    assert body["data"]["resultType"] == "matrix"
    (row,) = body["data"]["result"]
    assert row["values"] == [[NOW - 10, "5000"], [NOW - 5, "5500"], [NOW, "6000"]]


async def test_series_labels_and_values(tmp_path: Path) -> None:
    async with asked(tmp_path) as ask:
        _, series = await ask("series", **{"match[]": 'hits{code=~"2.."}'})
        _, labels = await ask("labels")
        _, values = await ask("label/code/values", **{"match[]": "hits"})
        _, limited = await ask("label/code/values", limit="1")
        _, names = await ask("label/__name__/values")
    assert series["data"] == [{"__name__": "hits", "code": "200"}]
    assert labels["data"] == ["__name__", "code"]
    assert (values["data"], limited["data"]) == (["200", "500"], ["200"])
    assert names["data"] == ["hits"]


async def test_what_else_grafana_asks(tmp_path: Path) -> None:
    async with asked(tmp_path) as ask:
        _, build = await ask("status/buildinfo")
        _, rules = await ask("rules")
        _, metadata = await ask("metadata", metric="hits")
        _, exemplars = await ask("query_exemplars", query="hits")
        _, pretty = await ask("format_query", query="sum(hits)by(code)")
    assert build["data"]["version"][0] == "2"
    assert rules["data"] == {"groups": []}
    assert metadata["data"] == {"hits": [{"type": "counter", "help": "How often.", "unit": ""}]}
    assert exemplars["data"] == []
    assert pretty["data"].replace(" ", "").replace("\n", "") == "sumby(code)(hits)"


@pytest.mark.parametrize(
    ("what", "given", "status", "kind", "words"),
    [
        ("query", {"query": "sum("}, 400, "bad_data", "query"),
        ("query", {}, 400, "bad_data", "query"),
        ("query", {"query": "up", "time": "soon"}, 400, "bad_data", "soon"),
        ("query", {"query": "mad_over_time(up[5m])"}, 400, "bad_data", "mad_over_time"),
        (
            "query",
            {"query": "hits * ignoring(code) hits"},
            422,
            "execution",
            "many-to-many matching not allowed",
        ),
        (
            "query_range",
            {"query": "hits", "start": 0, "end": 10_000_000, "step": 1},
            400,
            "bad_data",
            "11,000",
        ),
        ("query_range", {"query": "hits", "start": 5, "end": 1, "step": 1}, 400, "bad_data", "end"),
        (
            "query_range",
            {"query": "hits", "start": 5, "end": 9, "step": 0},
            400,
            "bad_data",
            "step",
        ),
        ("series", {}, 400, "bad_data", "match[]"),
        ("series", {"match[]": "sum(up)"}, 400, "bad_data", "selector"),
        ("labels", {"limit": "-1"}, 400, "bad_data", "limit"),
    ],
)
async def test_faults_say_what_is_wrong(
    tmp_path: Path, what: str, given: dict[str, Any], status: int, kind: str, words: str
) -> None:
    async with asked(tmp_path) as ask:
        answered, body = await ask(what, **given)
    assert (answered, body["status"], body["errorType"]) == (status, "error", kind)
    assert words in body["error"]
