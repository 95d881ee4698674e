"""Let the streams that have something to do take turns, none for long.

In: sessions that have something to do.    Out: their turns, in the order in which they asked.
Before: -                                  After: xds/session.py

A change concerns all proxies at once, and each answers at once: what is to be sent stands in the queue
before the answers to it. Between slices the event loop sees to sockets and to everything else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

_log = logging.getLogger(__name__)
_SLICE = 0.05  # seconds


class Taker(Protocol):
    """What takes turns."""

    queued: bool

    def turn(self) -> bool:
        """Do one thing; whether there is more to do."""

    def fail(self) -> None:
        """A turn raised: end, so that others go on."""


class Turns:
    """The queue of one server."""

    def __init__(self, idle: Callable[[], None] = lambda: None) -> None:
        """`idle` is called each time nobody has anything to do any more; `taken` counts all turns."""
        self._idle = idle
        self._waiting: deque[Taker] = deque()
        self._going = False
        self.taken = 0

    def ask(self, taker: Taker) -> None:
        """Stand in the queue, once."""
        if taker.queued:
            return
        taker.queued = True
        self._waiting.append(taker)
        if not self._going:
            self._going = True
            asyncio.get_running_loop().call_soon(self._go)

    def _go(self) -> None:
        until = time.perf_counter() + _SLICE
        while self._waiting and time.perf_counter() < until:
            taker = self._waiting.popleft()
            taker.queued = False
            self.taken += 1
            try:
                more = taker.turn()
            except Exception:
                # A bug of ours met by one stream must not stop the turns of all others.
                _log.exception("a stream failed")
                taker.fail()
                continue
            if more:
                self.ask(taker)
        self._going = bool(self._waiting)
        if self._going:
            asyncio.get_running_loop().call_soon(self._go)
        else:
            self._idle()
