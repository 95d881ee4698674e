"""Send a live stream to some who read it, and let go of who does not.

In: a response, bytes.    Out: whether they were taken.
Before: -        After: logs/api.py, taps/api.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

PATIENCE = 30.0  # seconds for which a reader may take nothing at all


class Seats:
    """Room for so many readers at a time."""

    def __init__(self, most: int, doing: str) -> None:
        """`doing` says what the others do: `following`."""
        self._most, self._doing = most, doing
        self._taken = 0

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Held while the context is open; 503 where there is none."""
        if self._taken >= self._most:
            raise web.HTTPServiceUnavailable(text=f"{self._most} are {self._doing} already\n")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def sent(request: web.Request, response: web.StreamResponse, body: bytes) -> bool:
    """False for a reader that is gone, or has been silent for PATIENCE and is now hung up on."""
    try:
        async with asyncio.timeout(PATIENCE):
            await response.write(body)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        return False
    except ConnectionError:
        return False
    return True
