"""What is known of the objects follows the API, also over its restarts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from lateen.base.clock import SystemClock
from lateen.stages import informing as module
from lateen.stages.informing import Informed, informing

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pod(name: str, revision: int) -> dict[str, Any]:
    meta = {"namespace": "a", "name": name, "resourceVersion": str(revision), "managedFields": []}
    return {"metadata": meta, "kind": "Pod"}


class Api:
    """Answers lists in turn, and watches with the events given for that revision."""

    def __init__(self, lists: list[list[str]], watches: dict[str, list[dict[str, Any]]]) -> None:
        self.lists, self.watches = lists, watches
        self.done = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            names = self.lists.pop(0)
            items = [pod(name, 1) for name in names]
            return web.json_response({"items": items, "metadata": {"resourceVersion": "1"}})
        events = self.watches.pop(request.query["resourceVersion"], None)
        if events is None:
            self.done.set()
            await asyncio.Event().wait()
        lines = "".join(json.dumps(event) + "\n" for event in events or ())
        return web.Response(text=lines)


async def follow(api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Informed:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    app = web.Application()
    app.router.add_get("/api/v1/pods", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "api.sock")).start()
    pods = Informed("/api/v1/pods")
    task = asyncio.create_task(informing(folder / "api.sock", [pods], SystemClock()))
    await asyncio.wait_for(api.done.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await runner.cleanup()
    return pods


async def test_changes_are_followed(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [
        {"type": "ADDED", "object": pod("c", 2)},
        {"type": "DELETED", "object": pod("a", 3)},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}},
    ]
    pods = await follow(Api([["a", "b"]], {"1": events}), short, monkeypatch)
    assert pods.known.keys() == {("a", "b"), ("a", "c")}
    assert "managedFields" not in pods.known["a", "c"]["metadata"]


async def test_where_a_watch_is_too_old_everything_is_listed_again(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    api = Api([["a"], ["b"]], {"1": [gone]})
    assert (await follow(api, short, monkeypatch)).known.keys() == {("a", "b")}
