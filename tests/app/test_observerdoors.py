"""The observer answers lateen by its socket, and others by a port that wants the token."""

from __future__ import annotations

import base64
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from lateen.app.observerdoors import served

pytestmark = pytest.mark.anyio
TOKEN = "right-token"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


ROUTES = (web.get("/prometheus/api/v1/query", _hello),)


class Doors:
    """Both doors of one observer."""

    def __init__(self, socket: Path, port: int) -> None:
        self.socket, self.port = socket, port

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}{path}", headers=headers) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def doors(short: Path) -> AsyncIterator[Doors]:
    socket = short / "observe.sock"
    async with served(ROUTES, socket=socket, port=0, token=TOKEN) as port:
        yield Doors(socket, port)


async def test_the_socket_is_the_owners_and_wants_no_token(doors: Doors) -> None:
    assert stat.S_IMODE(doors.socket.stat().st_mode) == 0o600
    connector = aiohttp.UnixConnector(path=str(doors.socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://observer/prometheus/api/v1/query") as answer,
    ):
        assert await answer.text() == "hello"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/t/right-token/prometheus/api/v1/query", {}),
        ("/prometheus/api/v1/query", {"Authorization": "Bearer right-token"}),
        (
            "/prometheus/api/v1/query",
            {"Authorization": "Basic " + base64.b64encode(b"any:right-token").decode()},
        ),
    ],
)
async def test_the_port_takes_the_token_in_three_forms(
    doors: Doors, path: str, headers: dict[str, str]
) -> None:
    assert await doors.get(path, **headers) == (200, "hello")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/prometheus/api/v1/query", {}, 401),
        ("/t/wrong/prometheus/api/v1/query", {}, 401),
        ("/prometheus/api/v1/query", {"Authorization": "Bearer wrong"}, 401),
        ("/prometheus/api/v1/query", {"Authorization": "Basic !"}, 401),
        ("/t/right-token/prometheus/api/v1/query", {"Host": "evil.example"}, 403),
        ("/t/right-token/prometheus/api/v1/query", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("/elsewhere", {}, 401),
    ],
)
async def test_the_port_refuses_whoever_does_not_show_it(
    doors: Doors, path: str, headers: dict[str, str], status: int
) -> None:
    assert (await doors.get(path, **headers))[0] == status


async def test_a_port_that_is_taken_is_replaced_by_a_free_one(short: Path) -> None:
    first, second = short / "a.sock", short / "b.sock"
    async with (
        served(ROUTES, socket=first, port=0, token=TOKEN) as port,
        served(ROUTES, socket=second, port=port, token=TOKEN) as other,
    ):
        assert port != other
