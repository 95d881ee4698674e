"""Who opens a live stream and reads nothing is hung up on, and takes nobody's place."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lateen.base.clock import SystemClock
from lateen.node.logs import ContainerLog
from lateen.telemetry import streaming
from lateen.telemetry.logs import api

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_silent_reader_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "PATIENCE", 0.3)
    monkeypatch.setattr(api, "MOST_TAILS", 1)
    app = web.Application()
    app.router.add_routes(api.routes(tmp_path, SystemClock()))
    log = ContainerLog(tmp_path / "shop_web_u" / "app", 0, SystemClock())
    async with TestServer(app) as server:
        silent = await asyncio.to_thread(asking, server.port)
        for _ in range(60):  # more than fits between the two
            await asyncio.to_thread(log.stdout, (b"x" * 8000 + b"\n") * 120)
            await asyncio.sleep(0.05)
            again = await asyncio.to_thread(asking, server.port)
            if (await asyncio.to_thread(again.recv, 30)).startswith(b"HTTP/1.1 200"):
                break
            again.close()
        else:
            raise AssertionError("its place was never free again")
        again.close()
        silent.close()
    log.close()


def asking(port: int | None) -> socket.socket:
    """A connection that asks for a stream, with little room for answers."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(5)
    made.connect(("127.0.0.1", port or 0))
    made.sendall(b"GET /logs/tail HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return made
