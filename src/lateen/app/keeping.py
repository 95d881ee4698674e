"""Keep a child process: start it again when it dies, more slowly each time, and say where its log is.

In: how to start it, whether it ever worked, its log.    Out: it runs until the task is cancelled.
Before: app/supervising.py      After: -

One that keeps dying before it has ever worked will not work the next time either: then the fault is
raised, with the last line of its log. One that has worked is started again for as long as it takes,
as traffic goes on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from lateen.base.clock import Clock
from lateen.base.errors import EnvironmentFault

log = logging.getLogger(__name__)
PAUSE = 0.2  # seconds before the next start, doubled at each quick death up to PAUSE_MAX
PAUSE_MAX = 5.0
STEADY = 5.0  # seconds; after a longer life the next start is a quick one
TRIES = 4  # starts of one that never worked
_END_PATIENCE = 3  # seconds between TERM and KILL
_LAST_BYTES = 8192  # of a log, in which its last line is looked for


class Child:
    """A process with what belongs to it on this side."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        tasks: tuple[asyncio.Task[None], ...] = (),
        link: asyncio.StreamWriter | None = None,
    ) -> None:
        self.process = process
        self._tasks = tasks
        self._link = link

    async def end(self) -> None:
        """Close its link, ask it to end, and make sure."""
        for task in self._tasks:
            task.cancel()
        if self._link is not None:
            self._link.close()
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _END_PATIENCE)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


class Kept(Struct, frozen=True, kw_only=True):
    """What to keep: `name` as a person says it; `worked` tells whether it ever did its work.

    One that is not `vital` is started again for ever: the rest works without it.
    """

    name: str
    log: Path
    start: Callable[[], Awaitable[Child]]
    worked: Callable[[], bool]
    vital: bool = True


async def keep(kept: Kept, clock: Clock, started: Callable[[int], None]) -> None:
    """Go on until cancelled, telling `started` each process's id.

    Raises EnvironmentFault when a vital one died TRIES times without ever having worked.
    """
    quick = starts = 0
    while True:
        size = _size(kept.log)
        child = await kept.start()
        started(child.process.pid)
        since = clock.monotonic()
        try:
            status = await child.process.wait()
        finally:
            await child.end()
        quick = 1 if clock.monotonic() - since > STEADY else quick + 1
        starts += 1
        words = f"the {kept.name} ended with status {status}; its log is {kept.log}"
        if line := last_line(kept.log, size):
            words += f", and ends with: {line}"
        if kept.vital and starts >= TRIES and not kept.worked():
            raise EnvironmentFault(f"{words} (it was started {starts} times)")
        log.warning("%s; it is started again", words)
        await clock.sleep(min(PAUSE * 2 ** (quick - 1), PAUSE_MAX))


def last_line(path: Path, since: int = 0) -> str:
    """The last line that says something, written after the first `since` bytes; "" without one."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since, size - _LAST_BYTES))
            text = file.read(_LAST_BYTES).decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
