"""Put spans into the store as they come, and ask it, without holding up the event loop.

In: Spans, questions.        Out: Keeping.
Before: traces/store.py      After: traces/taking.py, traces/api.py
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lateen.base.clock import Clock
from lateen.telemetry.traces.spans import Span
from lateen.telemetry.traces.store import SpanStore

T = TypeVar("T")
log = logging.getLogger(__name__)
MOST_WAITING = 20_000  # spans
PAUSE = 0.25  # seconds between two writes
SWEEP = 120  # writes between two looks at what is too old


class Keeping:
    """The store, used by one thread."""

    def __init__(self, store: SpanStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spans")
        self._waiting: list[Span] = []
        self.dropped = 0

    def add(self, span: Span) -> None:
        """Take a span; dropped and counted where too many wait."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(span)
        else:
            self.dropped += 1

    async def ask(self, question: Callable[[SpanStore], T]) -> T:
        """What the store answers, with all that was taken before."""
        await self._write()
        return await asyncio.get_running_loop().run_in_executor(self._thread, question, self._store)

    async def _write(self) -> None:
        spans, self._waiting = self._waiting, []
        if spans:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._store.put, spans)

    async def running(self) -> None:
        """Write what comes, and drop what is too old, until cancelled."""
        number = 0
        while True:
            try:
                await self._write()
                if number % SWEEP == 0:
                    await self.ask(self._sweep)
            except sqlite3.Error as fault:  # a full disk; what comes later may fit
                log.warning("spans cannot be kept: %s", fault)
            number += 1
            await self._clock.sleep(PAUSE)

    def _sweep(self, store: SpanStore) -> int:
        return store.sweep(self._clock.now().timestamp())

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._thread.submit(self._store.put, self._waiting).result()
        self._thread.shutdown()
        self._store.close()
