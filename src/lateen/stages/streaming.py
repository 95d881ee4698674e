"""Streams into pods: ask the agent for one, and match the connection it dials.

In: a pod's uid and what to do in it.    Out: PodStream: frames of node/frames.py, both ways.
Before: node/protocol.py        After: stages/nodes.py, app/control.py

A stream's id is 128 random bits told to the agent alone, good for one connection and a few seconds:
nothing else in the sandbox that reaches this socket can take a stream over.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import assert_never

from lateen.apiserver.deps import AttachRequest, ExecRequest, ForwardRequest
from lateen.base.errors import EnvironmentFault
from lateen.node import frames
from lateen.node.protocol import Attach, Execute, Forward, OpenStream, ToNode

DIAL_SECONDS = 5.0


class PodStream:
    """One stream. `closed` is set when nobody needs its connection any more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.closed = asyncio.Event()

    async def receive(self) -> tuple[int, bytes] | None:
        """The next piece from the pod; None when there is no more."""
        with contextlib.suppress(frames.BadFrame):
            return await frames.read_frame(self._reader)
        return None

    async def send(self, channel: int, data: bytes) -> None:
        """Pass a piece on, when there is room; what comes after the stream's end is dropped."""
        with contextlib.suppress(ConnectionError):
            for start in range(0, max(len(data), 1), frames.LARGEST):
                frames.write_frame(self._writer, channel, data[start : start + frames.LARGEST])
            await self._writer.drain()

    def close(self) -> None:
        """Be done with it; the command of an exec is ended if it still runs."""
        self.closed.set()


class Streams:
    """The streams being dialled."""

    def __init__(self, send: Callable[[ToNode], None]) -> None:
        self._send = send
        self._dialling: dict[str, asyncio.Future[PodStream]] = {}

    async def open_for(self, asked: ExecRequest | AttachRequest | ForwardRequest) -> PodStream:
        """What the API asks for; raises EnvironmentFault as `open`."""
        what: Execute | Attach | Forward
        match asked:
            case ExecRequest():
                what = Execute(
                    container=asked.container,
                    argv=asked.command,
                    stdin=asked.stdin,
                    tty=asked.tty,
                )
            case AttachRequest():
                what = Attach(container=asked.container, stdin=asked.stdin)
            case ForwardRequest():
                what = Forward(port=asked.port, address=asked.address)
            case _:
                assert_never(asked)
        return await self.open(asked.uid, what)

    async def open(self, uid: str, what: Execute | Attach | Forward) -> PodStream:
        """Have the agent dial; raises EnvironmentFault when it does not within DIAL_SECONDS."""
        id_ = secrets.token_hex(16)
        arrived: asyncio.Future[PodStream] = asyncio.get_running_loop().create_future()
        self._dialling[id_] = arrived
        try:
            self._send(OpenStream(id=id_, uid=uid, what=what))
            async with asyncio.timeout(DIAL_SECONDS):
                return await arrived
        except asyncio.CancelledError:
            if arrived.done() and not arrived.cancelled():
                arrived.result().close()
            raise
        except TimeoutError:
            raise EnvironmentFault("the node agent does not answer") from None
        finally:
            del self._dialling[id_]

    async def serve(
        self, id_: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take a connection that says it is a stream; returns when it may be closed."""
        arrived = self._dialling.get(id_)
        if arrived is None or arrived.done():
            return
        stream = PodStream(reader, writer)
        arrived.set_result(stream)
        await stream.closed.wait()
