"""The connection to the control plane: dial, say Hello, pass messages on, dial again when it ends.

In: RUN/node.sock, the agent's Handler.    Out: Control: `running`, `report`.
Before: node/protocol.py        After: node/agent.py

Reports are gathered for a moment and sent once per pod. What could not be sent is not kept: the next
Hello tells everything.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from lateen.base.clock import Clock
from lateen.node.protocol import Hello, PodReport, ToControl, ToNode, decode_to_node, encode

_MAX_LINE = 64 * 1024 * 1024
_GATHER_SECONDS = 0.01
_REDIAL_SECONDS = 0.1
_REDIAL_LONGEST = 1.0


class Handler(Protocol):
    """What the connection needs of the agent."""

    def hello(self) -> Hello:
        """Everything that runs now."""

    def report(self, uid: str) -> PodReport | None:
        """One pod's state; None when there is no such pod any more."""

    def take(self, message: ToNode) -> None:
        """Do what the control plane says."""


class Control:
    """Keeps the agent connected."""

    def __init__(self, path: Path, handler: Handler, clock: Clock) -> None:
        self._path = path
        self._handler = handler
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._changed: dict[str, PodReport | None] = {}
        self._wake = asyncio.Event()

    def changed(self, uid: str) -> None:
        """The pod's state has changed; it is read when the report is sent."""
        self._changed.setdefault(uid, None)
        self._wake.set()

    def gone(self, report: PodReport) -> None:
        """The pod's last report, made before it was forgotten."""
        self._changed[report.uid] = report
        self._wake.set()

    def tell(self, message: ToControl) -> None:
        """Send what is only of use now; without a connection it is dropped."""
        if self._writer is not None:
            self._writer.write(encode(message))

    async def running(self) -> None:
        """Stay connected for ever."""
        wait = _REDIAL_SECONDS
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(
                    str(self._path), limit=_MAX_LINE
                )
            except OSError:
                await self._clock.sleep(wait)
                wait = min(wait * 1.5, _REDIAL_LONGEST)
                continue
            wait = _REDIAL_SECONDS
            await self._talk(reader, writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._changed.clear()
        writer.write(encode(self._handler.hello()))
        self._writer = writer
        reporting = asyncio.create_task(self._reporting(writer), name="reports")
        try:
            while line := await reader.readline():
                self._handler.take(decode_to_node(line))
        except (ConnectionError, ValueError):
            pass  # a broken line or a message of another version: dial again and start over
        finally:
            self._writer = None
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
            writer.transport.abort()

    async def _reporting(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._wake.wait()
            await self._clock.sleep(_GATHER_SECONDS)
            self._wake.clear()
            changed, self._changed = self._changed, {}
            for uid, last in changed.items():
                report = last or self._handler.report(uid)
                if report is not None:
                    writer.write(encode(report))
            await writer.drain()
