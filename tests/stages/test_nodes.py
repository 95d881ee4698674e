"""One agent at a time is heard and told; what it says wrongly ends its connection only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lateen.api.pod import PodStatus
from lateen.node.protocol import (
    Directory,
    Hello,
    Keep,
    PodReport,
    ToControl,
    decode_to_node,
    encode,
)
from lateen.stages.nodes import NodeLink

HELLO = Hello(boot="b")
REPORT = PodReport(uid="u", status=PodStatus(phase="Running"))


class Agent:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hears(self) -> object:
        return decode_to_node(await self.reader.readline())


class Rig:
    """A link, and what it heard."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "node.sock"
        self.heard: asyncio.Queue[ToControl] = asyncio.Queue()
        self.link = NodeLink(self.socket, self.heard.put_nowait)
        self._agents: list[Agent] = []

    async def agent(self) -> Agent:
        """An agent that has dialled and said Hello."""
        agent = Agent(*await asyncio.open_unix_connection(str(self.socket)))
        self._agents.append(agent)
        agent.writer.write(encode(HELLO))
        assert await self.heard.get() == HELLO
        return agent

    async def end(self) -> None:
        await self.link.stop()
        for agent in self._agents:
            agent.writer.close()
            with contextlib.suppress(ConnectionError):
                await agent.writer.wait_closed()


def alone(folder: Path, scenario: Callable[[Rig], Awaitable[None]]) -> None:
    async def run() -> None:
        rig = Rig(folder)
        await rig.link.start()
        try:
            await asyncio.wait_for(scenario(rig), 10)
        finally:
            await rig.end()

    asyncio.run(run())


def test_both_hear_each_other_over_a_private_socket(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        assert rig.socket.stat().st_mode & 0o777 == 0o600
        agent = await rig.agent()
        agent.writer.write(encode(REPORT))
        assert await rig.heard.get() == REPORT
        rig.link.send(Keep(uids=("u",)))
        assert await agent.hears() == Keep(uids=("u",))

    alone(tmp_path, scenario)


def test_what_is_said_to_nobody_is_not_kept(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        assert not rig.link.connected
        rig.link.send(Directory())
        agent = await rig.agent()
        assert rig.link.connected
        rig.link.send(Keep(uids=()))
        assert await agent.hears() == Keep(uids=()), "it says Hello and is told anew"

    alone(tmp_path, scenario)


def test_an_agent_that_comes_anew_takes_the_place_of_the_old(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        old, new = await rig.agent(), await rig.agent()  # the newer one counts
        assert await old.reader.read() == b""
        rig.link.send(Keep(uids=()))
        assert await new.hears() == Keep(uids=())

    alone(tmp_path, scenario)


@pytest.mark.parametrize("line", [b"{}\n", b"not JSON\n", b'{"type": "no-such"}\n'])
def test_nonsense_ends_the_connection_and_the_next_one_is_heard(
    line: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(rig: Rig) -> None:
        agent = await rig.agent()
        agent.writer.write(line)
        assert await agent.reader.read() == b""
        await rig.agent()

    alone(tmp_path, scenario)
    assert "the node agent's connection is closed" in caplog.text


def test_a_socket_that_a_crash_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "node.sock").touch()

    async def scenario(rig: Rig) -> None:
        await rig.agent()

    alone(tmp_path, scenario)
