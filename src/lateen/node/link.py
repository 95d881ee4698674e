"""The agent's line to the supervisor that started it: JSON lines over an inherited socket.

In: the file descriptor.    Out: Link: resolve a name on the host, tell of readiness, notice the end.
Before: -       After: node/agent.py, node/dns.py

Agent to supervisor: {"ready": true}, {"fatal": "why"}, {"resolve": name, "id": n}.
Supervisor to agent: {"id": n, "addresses": ["192.0.2.1", …]}, none for a name that does not exist, or
{"id": n, "error": "why"}. The end of the stream means: end everything.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from typing import Any

_MAX_LINE = 64 * 1024


class Link:
    """One end of the line, for use in one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[str, ...]]] = {}

    @classmethod
    async def open(cls, fd: int) -> Link:
        """Take over an inherited descriptor of a connected stream socket."""
        reader, writer = await asyncio.open_connection(
            sock=socket.socket(fileno=fd), limit=_MAX_LINE
        )
        return cls(reader, writer)

    async def until_closed(self) -> None:
        """Read answers; returns when the supervisor has gone."""
        while True:
            try:
                line = await self._reader.readline()
            except (ConnectionError, ValueError):
                return
            if not line:
                return
            self._take(json.loads(line))

    def say(self, message: dict[str, Any]) -> None:
        """Send one line."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def resolve(self, name: str) -> tuple[str, ...]:
        """The IPv4 addresses the host knows for a name; raises OSError when it could not tell."""
        number = next(self._numbers)
        answer: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self.say({"resolve": name, "id": number})
            return await answer
        finally:
            del self._waiting[number]

    def _take(self, message: dict[str, Any]) -> None:
        answer = self._waiting.get(message.get("id", 0))
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(OSError(message["error"]))
        else:
            answer.set_result(tuple(message["addresses"]))
