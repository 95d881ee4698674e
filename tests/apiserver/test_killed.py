"""kill -9 in the midst of writes: what was acknowledged is there, and watches go on without a gap."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.e2e,
]  # real processes, and 10,000 writes take their time
ROOT = Path(__file__).parent.parent.parent
MAPS = "http://api/api/v1/namespaces/default/configmaps"
LOST = (aiohttp.ClientError, ConnectionError)
WRITES = 10_000
KILLS = 3
WRITERS = 8
OBJECTS = 200


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="lt", dir="/tmp") as made:
        yield Path(made)


@dataclass
class Server:
    """The control plane's API in a process that is killed and started anew."""

    folder: Path
    process: asyncio.subprocess.Process | None = None
    up: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.apiserver.served",
            str(self.folder),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert await self.process.stdout.readline() == b"ready\n"
        self.up.set()

    async def kill(self) -> None:
        assert self.process is not None
        self.up.clear()
        self.process.kill()
        await self.process.wait()


@dataclass
class Seen:
    """What clients were told."""

    acknowledged: dict[str, tuple[int, str]] = field(default_factory=dict)
    watched: list[int] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> None:
        """Wait until that many changes were watched; a minute at most."""
        async with asyncio.timeout(60):
            while len(self.watched) < count:
                self.more.clear()
                await self.more.wait()


@asynccontextmanager
async def session_of(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(path=str(folder / "api.sock"))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def write(session: aiohttp.ClientSession, server: Server, seen: Seen, number: int) -> None:
    """Set one object to the number; asked again until it is acknowledged."""
    name = f"n{number % OBJECTS}"
    body = {"metadata": {"name": name}, "data": {"number": str(number)}}
    while True:
        await server.up.wait()
        with suppress(*LOST):
            url = f"{MAPS}/{name}" if name in seen.acknowledged else MAPS
            verb = "PUT" if url != MAPS else "POST"
            async with session.request(verb, url, json=body) as answer:
                made = await answer.json()
                if answer.status == 409:  # the creation was kept, though its answer was lost
                    seen.acknowledged[name] = (0, "")
                    continue
                assert answer.status in (200, 201), made
                revision = int(made["metadata"]["resourceVersion"])
                assert revision > seen.acknowledged.get(name, (0, ""))[0]
                seen.acknowledged[name] = (revision, str(number))
                return
        await asyncio.sleep(0)


async def watch(session: aiohttp.ClientSession, server: Server, seen: Seen) -> None:
    """Follow the changes, and go on from the last one seen whenever the connection ends."""
    last = 1
    while True:
        await server.up.wait()
        with suppress(*LOST, json.JSONDecodeError):
            async with session.get(f"{MAPS}?watch=1&resourceVersion={last}") as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    assert event["type"] in ("ADDED", "MODIFIED"), event
                    last = int(event["object"]["metadata"]["resourceVersion"])
                    seen.watched.append(last)
                    seen.more.set()
        await asyncio.sleep(0)


async def test_what_was_acknowledged_outlives_kill_9(folder: Path) -> None:
    server, seen, numbers = Server(folder), Seen(), itertools.count()
    await server.start()
    async with session_of(folder) as session:

        async def writing(writer: int) -> None:
            # Each object has one writer, so that its last acknowledged number is what must be there.
            for number in range(writer, WRITES, WRITERS):
                await write(session, server, seen, number)
                next(numbers)

        watching = asyncio.create_task(watch(session, server, seen))
        writers = [asyncio.create_task(writing(n)) for n in range(WRITERS)]
        for kill in range(1, KILLS + 1):
            await seen.until(WRITES * kill // (KILLS + 1))
            await server.kill()
            await server.start()
        await asyncio.gather(*writers)
        async with session.get(MAPS) as answer:
            listed = await answer.json()
        newest = int(listed["metadata"]["resourceVersion"])
        await seen.until(newest - 1)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await server.kill()
    found = {i["metadata"]["name"]: i for i in listed["items"]}
    for name, (revision, number) in seen.acknowledged.items():
        assert found[name]["data"] == {"number": number}
        assert int(found[name]["metadata"]["resourceVersion"]) == revision
    assert next(numbers) == WRITES
    assert seen.watched == list(range(2, newest + 1))
