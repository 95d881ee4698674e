"""A child that dies is started again, more slowly each time; one that cannot start is given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from lateen.app.keeping import PAUSE, PAUSE_MAX, STEADY, TRIES, Child, Kept, keep, last_line
from lateen.base.errors import EnvironmentFault


class QuickClock:
    """Time passes only as the children's lives are said to last; pauses are noted."""

    def __init__(self, lives: Sequence[float] = ()) -> None:
        self.pauses: list[float] = []
        self._lives = list(lives)
        self._asked = 0
        self._time = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        """Asked when a child has started and when it has died."""
        self._asked += 1
        if self._asked % 2 == 0 and self._lives:
            self._time += self._lives.pop(0)
        return self._time

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Mortal:
    """Starts a shell that dies by itself, a number of times; after that one that stays."""

    def __init__(self, folder: Path, script: str, deaths: int = 100) -> None:
        self.log = folder / "control.log"
        self.pids: list[int] = []
        self.stays = asyncio.Event()
        self._script, self._deaths = script, deaths

    async def start(self) -> Child:
        script = self._script if len(self.pids) < self._deaths else "exec sleep 60"
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec("sh", "-c", script, stderr=log)
        return Child(process)

    def started(self, pid: int) -> None:
        self.pids.append(pid)
        if len(self.pids) > self._deaths:
            self.stays.set()

    def kept(self, *, worked: bool) -> Kept:
        return Kept(name="control plane", log=self.log, start=self.start, worked=lambda: worked)


async def kept_until_it_stays(mortal: Mortal, clock: QuickClock, *, worked: bool) -> None:
    keeping = asyncio.create_task(keep(mortal.kept(worked=worked), clock, mortal.started))
    stays = asyncio.create_task(mortal.stays.wait())
    await asyncio.wait([keeping, stays], return_when=asyncio.FIRST_COMPLETED)
    stays.cancel()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


def test_one_that_never_worked_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    async def given_up() -> tuple[str, Mortal, QuickClock]:
        mortal, clock = Mortal(tmp_path, "echo 'KeyError: no such port' >&2; exit 3"), QuickClock()
        with pytest.raises(EnvironmentFault) as fault:
            await keep(mortal.kept(worked=False), clock, mortal.started)
        return str(fault.value), mortal, clock

    words, mortal, clock = asyncio.run(given_up())
    assert words == (
        f"the control plane ended with status 3; its log is {tmp_path}/control.log, "
        f"and ends with: KeyError: no such port (it was started {TRIES} times)"
    )
    assert len(mortal.pids) == TRIES
    assert clock.pauses == [PAUSE, 2 * PAUSE, 4 * PAUSE]


def test_one_that_has_worked_is_started_again_for_as_long_as_it_takes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def kept() -> tuple[Mortal, QuickClock]:
        mortal, clock = Mortal(tmp_path, "echo gone >&2; exit 1", deaths=8), QuickClock()
        await kept_until_it_stays(mortal, clock, worked=True)
        return mortal, clock

    with caplog.at_level(logging.WARNING):
        mortal, clock = asyncio.run(kept())
    assert len(mortal.pids) == 9
    assert clock.pauses[-2:] == [PAUSE_MAX, PAUSE_MAX]
    assert "control.log, and ends with: gone; it is started again" in caplog.messages[0]


def test_on_a_slow_machine_it_is_given_up_as_well(tmp_path: Path) -> None:
    async def given_up() -> None:
        mortal, clock = Mortal(tmp_path, "exit 1"), QuickClock(lives=[STEADY + 1] * TRIES)
        with pytest.raises(EnvironmentFault, match=f"started {TRIES} times"):
            await keep(mortal.kept(worked=False), clock, mortal.started)

    asyncio.run(given_up())


def test_one_that_others_can_do_without_is_never_given_up(tmp_path: Path) -> None:
    async def kept() -> Mortal:
        mortal = Mortal(tmp_path, "exit 1", deaths=TRIES + 1)
        keeping = asyncio.create_task(
            keep(replace(mortal.kept(worked=False), vital=False), QuickClock(), mortal.started)
        )
        await mortal.stays.wait()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return mortal

    assert len(asyncio.run(kept()).pids) == TRIES + 2


def test_a_long_life_makes_the_next_start_a_quick_one(tmp_path: Path) -> None:
    async def kept() -> QuickClock:
        clock = QuickClock(lives=[1, 1, STEADY + 1, 1])
        await kept_until_it_stays(Mortal(tmp_path, "exit 1", deaths=4), clock, worked=True)
        return clock

    assert asyncio.run(kept()).pauses == [PAUSE, 2 * PAUSE, PAUSE, 2 * PAUSE]


def test_when_it_is_kept_no_longer_it_ends(tmp_path: Path) -> None:
    async def ended() -> int | None:
        process = await asyncio.create_subprocess_exec("sleep", "60")

        async def start() -> Child:
            return Child(process)

        begun = asyncio.Event()
        kept = Kept(name="border", log=tmp_path / "none", start=start, worked=lambda: True)
        keeping = asyncio.create_task(keep(kept, QuickClock(), lambda _: begun.set()))
        await begun.wait()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return process.returncode

    assert asyncio.run(ended()) == -15


def test_the_last_line_is_of_this_life_and_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("Traceback\nOSError: of an earlier start\n")
    size = log.stat().st_size
    assert last_line(log) == "OSError: of an earlier start"
    assert last_line(log, size) == ""
    with log.open("a") as file:
        file.write("x" * 100_000 + "\nlast\n  \n\n")
    assert last_line(log, size) == "last"
