"""Talk with the node agent: one connection, wishes out, facts in.

In: ToNode messages.    Out: ToControl messages, handed to a listener.
Before: stages/streaming.py        After: node/agent.py (through node/protocol.py)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from lateen.node.protocol import StreamHello, ToControl, ToNode, decode_to_control, encode
from lateen.stages.streaming import Streams

log = logging.getLogger(__name__)
STOP_PATIENCE = 1.0  # seconds
LINE_LIMIT = 16 * 1024 * 1024  # bytes of one message; a pod's volumes are in it


class NodeLink:
    """The control plane's end of the agent's connection."""

    def __init__(self, socket: Path, on_message: Callable[[ToControl], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self.streams = Streams(self.send)
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._served: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    @property
    def connected(self) -> bool:
        """Whether an agent is there to hear what is sent."""
        return self._writer is not None

    def send(self, message: ToNode) -> None:
        """Send, or drop if no agent is there: it will say Hello and be told everything again."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    async def start(self) -> None:
        """Listen on the socket (0600)."""
        self._socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._serve, path=str(self._socket), limit=LINE_LIMIT
        )
        self._socket.chmod(0o600)

    async def stop(self) -> None:
        """Close the connections and the socket, and wait a little until nobody serves them."""
        if self._server is not None:
            self._server.close()
        for writer in self._served.values():
            writer.close()
        if tasks := [task for task in self._served if task]:
            await asyncio.wait(tasks, timeout=STOP_PATIENCE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        self._served[this] = writer
        try:
            first = decode_to_control(await reader.readline())
            if isinstance(first, StreamHello):
                await self.streams.serve(first.id, reader, writer)
                return
            previous, self._writer = self._writer, writer
            if previous is not None:
                previous.close()
            self._on_message(first)
            while line := await reader.readline():
                self._on_message(decode_to_control(line))
        except (msgspec.MsgspecError, ValueError, ConnectionError) as fault:
            log.warning("the node agent's connection is closed: %s", fault)
        finally:
            self._served.pop(this)
            if self._writer is writer:
                self._writer = None
            with contextlib.suppress(ConnectionError):
                writer.close()
