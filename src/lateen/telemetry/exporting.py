"""Hand on what was taken to a collector of the user's, by OTLP over HTTP.

In: exports in protobuf; an address.    Out: requests to it.
Before: traces/taking.py, logs/exporting.py        After: app/observing.py
Source: OTLP specification, "OTLP/HTTP": 429, 502, 503 and 504 are to be tried again.

What cannot be handed on waits, within bounds, and then the oldest is dropped: the mesh never waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

import aiohttp

from lateen.base.clock import Clock
from lateen.base.observing import Collector

log = logging.getLogger(__name__)
MOST_WAITING = 16 * 1024 * 1024  # bytes
_AGAIN = (429, 502, 503, 504)
_PAUSES = (1.0, 30.0)  # seconds: the first, the longest
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Exporter:
    """What waits for one collector."""

    def __init__(self, to: Collector, clock: Clock) -> None:
        self._to, self._clock = to, clock
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self.sent = self.dropped = 0

    def add(self, path: str, body: bytes) -> None:
        """Hand on a request, to `/v1/traces` or `/v1/logs`."""
        self._waiting.append((path, body))
        self._bytes += len(body)
        while self._bytes > MOST_WAITING:
            self._bytes -= len(self._waiting.popleft()[1])
            self.dropped += 1
        self._news.set()

    async def running(self) -> None:
        """Send, until cancelled."""
        headers = {**self._to.headers, "Content-Type": "application/x-protobuf"}
        async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session:
            pause = _PAUSES[0]
            while True:
                await self._news.wait()
                if not self._waiting:
                    self._news.clear()
                    continue
                path, body = self._waiting.popleft()
                self._bytes -= len(body)
                if await self._sent(session, path, body):
                    pause = _PAUSES[0]
                    continue
                self._waiting.appendleft((path, body))
                self._bytes += len(body)
                await self._clock.sleep(pause)
                pause = min(pause * 2, _PAUSES[1])

    async def _sent(self, session: aiohttp.ClientSession, path: str, body: bytes) -> bool:
        """Whether it is done with, taken or refused for good."""
        url = self._to.endpoint.rstrip("/") + path
        try:
            async with session.post(url, data=body) as answer:
                if answer.status in _AGAIN:
                    return False
                if answer.status >= 400:
                    self.dropped += 1
                    log.warning("%s refuses what it is sent: %s", url, answer.status)
                else:
                    self.sent += 1
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            log.info("%s does not answer: %s", url, fault)
            return False
        return True
