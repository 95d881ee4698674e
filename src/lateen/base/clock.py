"""Time as a thing that can be handed in, so that loops can be tested without waiting.

In: -    Out: Clock (protocol), SystemClock, FakeClock.
Before: -       After: every loop that waits

asyncio is imported by whoever waits: a command that only reads the time starts without it.
"""

from __future__ import annotations

import heapq
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio


class Clock(Protocol):
    """What a loop may ask of time."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an unknown start, never going back."""

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an unknown start, never going back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        import asyncio

        await asyncio.sleep(seconds)


class FakeClock:
    """A clock that moves only when told to; for tests."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = 0.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        """The pretended wall clock, in UTC."""
        from datetime import timedelta

        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the clock that far."""
        import asyncio

        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (self._elapsed + seconds, self._count, done))
        await done

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers in order and letting each run before the next."""
        import asyncio

        end = self._elapsed + seconds
        while self._waiting and self._waiting[0][0] <= end:
            self._elapsed, _, done = heapq.heappop(self._waiting)
            if not done.done():
                done.set_result(None)
            for _ in range(5):
                await asyncio.sleep(0)
        self._elapsed = end
