"""What the console passes on to the observer, and what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer

from lateen.console import forwarding
from lateen.console.page import make_console
from tests.apiserver.serve import Client
from tests.apiserver.world import deps_for, store_with

pytestmark = pytest.mark.anyio
TOKEN = "token-of-the-console"
LEFT = web.AppKey("left", asyncio.Event)  # the reader of the tail has gone


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def echo(request: web.Request) -> web.Response:
    """What the observer was asked."""
    return web.json_response(
        {
            "method": request.method,
            "path": request.path_qs,
            "body": await request.text(),
            "headers": sorted(name.lower() for name in request.headers),
        }
    )


async def tail(request: web.Request) -> web.StreamResponse:
    """Two events with a moment between them, then a silence."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(2):
        await response.write(f"data: {number}\n\n".encode())
    try:
        await asyncio.Event().wait()
    finally:
        request.app[LEFT].set()
    return response


@asynccontextmanager
async def console(socket: Path, *, header: str = f"Bearer {TOKEN}") -> AsyncIterator[Client]:
    store = store_with()
    app = make_console(TOKEN, store, deps_for(store), socket)
    headers = {"Authorization": header}
    async with TestClient(TestServer(app), headers=headers) as client:
        yield client


@asynccontextmanager
async def observer(folder: Path) -> AsyncIterator[tuple[Path, web.Application]]:
    app = web.Application()
    app[LEFT] = asyncio.Event()
    app.router.add_get("/logs/tail", tail)
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "o.sock")).start()
    try:
        yield folder / "o.sock", app
    finally:
        await runner.cleanup()


async def test_a_question_goes_on_as_it_was_asked_without_the_token(tmp_path: Path) -> None:
    path = "/prometheus/api/v1/query?query=rate(x%7Ba%3D%22b%26c%22%7D%5B1m%5D)&time=1"
    async with observer(tmp_path) as (socket, _), console(socket) as client:
        async with client.get(path) as answer:
            said = await answer.json()
        assert (said["method"], said["path"]) == ("GET", path)
        assert not {"authorization", "cookie"} & set(said["headers"])
        async with client.post("/prometheus/api/v1/query", data={"query": "up"}) as answer:
            assert (await answer.json())["body"] == "query=up"


async def test_only_a_query_may_be_posted_and_only_with_the_token(tmp_path: Path) -> None:
    async with observer(tmp_path) as (socket, _):
        async with console(socket) as client:
            for path in ("/traces/search", "/logs/search"):
                async with client.post(path) as answer:
                    assert answer.status == 405
            async with client.post(
                "/prometheus/api/v1/query", data="x" * (forwarding.LARGEST_QUESTION + 1)
            ) as answer:
                assert answer.status == 413
        async with console(socket, header="Bearer wrong") as client:
            for path in ("/prometheus/api/v1/query", "/traces/search", "/logs/tail"):
                async with client.get(path) as answer:
                    assert answer.status == 401


async def test_a_live_tail_comes_as_it_is_written_and_ends_with_its_reader(tmp_path: Path) -> None:
    async with observer(tmp_path) as (socket, app), console(socket) as client:
        async with client.get("/logs/tail?pod=web") as answer:
            assert answer.content_type == "text/event-stream"
            assert answer.headers["Cache-Control"] == "no-store"
            lines = [await answer.content.readline() for _ in range(4)]
            answer.close()
        assert lines == [b"data: 0\n", b"\n", b"data: 1\n", b"\n"]
        await asyncio.wait_for(app[LEFT].wait(), 5)


async def test_an_observer_that_is_down_is_told_of(tmp_path: Path) -> None:
    async with console(tmp_path / "nobody.sock") as client, client.get("/logs/search") as answer:
        assert answer.status == 503
        assert "the observer" in (await answer.json())["message"]


async def test_an_answer_without_end_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "LARGEST_ANSWER", 100)
    path = f"/traces/search?tag={'x' * 400}"
    async with (
        observer(tmp_path) as (socket, _),
        console(socket) as client,
    ):
        with pytest.raises(ClientError):
            async with client.get(path) as answer:
                await answer.read()
