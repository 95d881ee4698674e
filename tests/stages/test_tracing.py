"""Proxies are told by their admin sockets which share of their requests they trace."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lateen.base.clock import FakeClock
from lateen.base.errors import Unreachable
from lateen.stages.tracing import PATH, sharing
from lateen.telemetry.traces.shares import BUDGET, Shares

pytestmark = pytest.mark.anyio
WEB = ("shop", "web-1")
SOCKET = Path("admin.sock")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_busy_proxy_is_told_and_told_again_if_it_did_not_hear() -> None:
    told: list[tuple[Path, str]] = []

    async def tell(socket: Path, path: str) -> None:
        told.append((socket, path))
        if len(told) == 1:
            raise Unreachable("not yet")

    clock, shares = FakeClock(), Shares()
    running = asyncio.create_task(sharing(shares, lambda: {WEB: SOCKET}, clock, tell))
    await asyncio.sleep(0)
    for _ in range(3):
        shares.count(WEB, 10 * BUDGET)
        await clock.advance(1)
    await clock.advance(5)
    running.cancel()
    assert told == [(SOCKET, PATH + share) for share in ("10", "10", "1", "4", "16", "64", "")]
