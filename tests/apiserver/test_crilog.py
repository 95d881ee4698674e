"""Reading container logs in the CRI format."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lateen.apiserver.crilog import log_reader
from lateen.apiserver.deps import LogRequest
from lateen.base.clock import FakeClock
from lateen.base.errors import NotFound

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shop_web_u1" / "app"
    made.mkdir(parents=True)
    return made


def line(second: int, text: str, tag: str = "F") -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z stdout {tag} {text}\n"


def request(**more: object) -> LogRequest:
    asked = {"namespace": "shop", "pod": "web", "uid": "u1", "container": "app"} | more
    return LogRequest(**asked)  # type: ignore[arg-type]


async def read(folder: Path, wanted: LogRequest, clock: FakeClock | None = None) -> str:
    reader = log_reader(folder.parent.parent, clock or FakeClock())
    return b"".join([chunk async for chunk in reader(wanted, lambda: False)]).decode()


async def test_partial_lines_are_joined(folder: Path) -> None:
    (folder / "0.log").write_text(line(0, "one ", "P") + line(0, "line") + line(1, "two"))
    assert await read(folder, request()) == "one line\ntwo\n"


async def test_timestamps_are_shown_when_asked(folder: Path) -> None:
    (folder / "0.log").write_text(line(0, "one"))
    wanted = "2026-01-01T00:00:00.000000000Z one\n"
    assert await read(folder, request(timestamps=True)) == wanted


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
async def test_the_tail_counts_whole_lines(folder: Path, count: int) -> None:
    text = line(0, "a") + line(1, "b1 ", "P") + line(1, "b2") + line(2, "c" * 70_000)
    (folder / "0.log").write_text(text)
    lines = ["a\n", "b1 b2\n", "c" * 70_000 + "\n"]
    assert await read(folder, request(tail_lines=count)) == "".join(lines[3 - min(count, 3) :])


async def test_since_leaves_out_what_is_older(folder: Path) -> None:
    (folder / "0.log").write_text(line(0, "old") + line(50, "new"))
    clock = FakeClock()
    await clock.advance(60)
    assert await read(folder, request(since_seconds=20), clock) == "new\n"


async def test_the_previous_run_is_the_file_before(folder: Path) -> None:
    for run in (0, 1, 10):
        (folder / f"{run}.log").write_text(line(0, f"run {run}"))
    assert await read(folder, request()) == "run 10\n"
    assert await read(folder, request(previous=True)) == "run 1\n"


async def test_bytes_are_limited(folder: Path) -> None:
    (folder / "0.log").write_text(line(0, "abcdef"))
    assert await read(folder, request(limit_bytes=3)) == "abc"


async def test_no_log_is_not_found(folder: Path) -> None:
    with pytest.raises(NotFound):
        await read(folder, request())
    (folder / "0.log").write_text(line(0, "one"))
    with pytest.raises(NotFound):
        await read(folder, request(previous=True))


async def test_following_goes_on_until_the_container_ended(folder: Path) -> None:
    file = folder / "0.log"
    file.write_text(line(0, "one"))
    clock, ended = FakeClock(), False
    seen: list[bytes] = []

    async def follow() -> None:
        reader = log_reader(folder.parent.parent, clock)
        async for chunk in reader(request(follow=True), lambda: ended):
            seen.append(chunk)

    following = asyncio.create_task(follow())
    for _ in range(10):
        await asyncio.sleep(0)
    assert seen == [b"one\n"]
    with file.open("a") as more:
        more.write(line(1, "two"))
    await clock.advance(1)
    assert seen == [b"one\n", b"two\n"]
    with file.open("a") as more:
        more.write(line(2, "last"))
    ended = True
    await clock.advance(1)
    await following
    assert seen[2] == b"last\n"
