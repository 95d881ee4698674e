"""Carry a stream into a pod: a command, a container's own input and output, or a connection.

In: OpenStream, the pods.    Out: `serve_stream`: frames to and from the control plane, then an end.
Before: node/frames.py, node/pods.py        After: node/agent.py

The agent dials out for each stream and listens nowhere, so no process in the sandbox finds a door. A
command joins its container's namespaces and gets its walls: no capability, the same filter of calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from lateen.base.errors import LateenError
from lateen.base.tasks import named
from lateen.node import frames, linux, specs
from lateen.node.addresses import PROXY_MARK
from lateen.node.containers import Container
from lateen.node.network import socket_in
from lateen.node.pods import Pod
from lateen.node.processes import Process, StartError, killed_at_end
from lateen.node.protocol import (
    Attach,
    Execute,
    Forward,
    OpenStream,
    StreamEnd,
    StreamHello,
    encode,
)
from lateen.node.status import PROXY

_CHUNK = 32 * 1024
_MUCH = 256 * 1024  # bytes a slow reader may be behind before a command has to wait for it
_TOO_MUCH = 4 * 1024 * 1024  # bytes behind at which one that is attached is given up
_LOCALHOST = "127.0.0.1"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Refused(LateenError):
    """What was asked for cannot be; the text is for the user."""


async def serve_stream(path: Path, asked: OpenStream, pod: Pod | None) -> None:
    """Dial the control plane at `path` and serve one stream to its end."""
    try:
        stream = await asyncio.open_unix_connection(str(path))
    except OSError:
        return  # the control plane is gone, and whoever asked with it
    reader, writer = stream
    try:
        writer.write(encode(StreamHello(id=asked.id)))
        end = await _carry(asked, pod, stream)
        frames.write_frame(writer, frames.ENDED, msgspec.json.encode(end))
        await writer.drain()
        writer.write_eof()
        while await reader.read(_CHUNK):  # the end is heard before the connection goes
            pass
    except (OSError, ValueError):
        pass  # the other end has gone
    finally:
        writer.transport.abort()


async def _carry(asked: OpenStream, pod: Pod | None, stream: Stream) -> StreamEnd:
    try:
        if pod is None:
            raise _Refused("the pod does not run")
        match asked.what:
            case Execute() as execute:
                return await _execute(pod, execute, stream)
            case Attach() as attach:
                return await _attach(pod, attach, stream)
            case Forward() as forward:
                return await _forward(pod, forward, stream)
    except _Refused as refused:
        return StreamEnd(error=str(refused))


def _running(pod: Pod, name: str) -> tuple[Container, Process]:
    if name == PROXY:
        raise _Refused(f"container {PROXY} is lateen's own: no command runs in it")
    container = pod.container(name)
    if container is None or container.process is None:
        raise _Refused(f'container not found ("{name}")')
    return container, container.process


async def _execute(pod: Pod, asked: Execute, stream: Stream) -> StreamEnd:
    _, first = _running(pod, asked.container)
    processes = pod.place.services.processes
    stdin = "terminal" if asked.tty else "pipe" if asked.stdin else ""
    run = pod.place.container(asked.container)
    groups = pod.place.members(run)
    spec = specs.joined_spec(pod.run, run, asked.argv, stdin, groups)
    sending = _Sending(stream[1])
    try:
        process = await processes.join(
            first, spec, sending.taking(frames.STDOUT), sending.taking(frames.STDERR)
        )
    except StartError as error:
        raise _Refused(f"failed to exec in container: {error}") from None
    sending.process = process
    async with killed_at_end(processes, process):
        try:
            if asked.tty and not asked.stdin:
                _keep_quiet(process)
            if not await _until(_ended(process, sending), _feed(stream[0], process)):
                return StreamEnd(error="the caller has gone")
        finally:
            process.hang_up()
    status = process.ended.result()
    return StreamEnd(exit_code=128 - status if status < 0 else status)


async def _ended(process: Process, sending: _Sending) -> None:
    """Wait for its end and until all it wrote is on its way."""
    await asyncio.shield(process.ended)
    await process.output_read()
    await sending.drained()


def _keep_quiet(process: Process) -> None:
    """A terminal nobody types at; it stays open, since its end would hang the command up."""
    if process.stdin is not None:
        process.stdin.close()
        process.stdin = None


async def _attach(pod: Pod, asked: Attach, stream: Stream) -> StreamEnd:
    container, process = _running(pod, asked.container)
    run = pod.place.container(asked.container)
    writer = stream[1]
    gone = asyncio.Event()

    def take(channel: int, data: bytes) -> None:
        if writer.transport.get_write_buffer_size() > _TOO_MUCH:
            gone.set()
        else:
            frames.write_frame(writer, channel, data)

    container.attached.add(take)
    try:
        feeding = _feed(stream[0], process if asked.stdin else None)
        ended = await _until(_first_of(process.ended, gone), feeding)
        if ended and not gone.is_set():
            await process.output_read()
    finally:
        container.attached.discard(take)
        if asked.stdin and run.stdin_once and process.stdin is not None:
            process.stdin.close()
    if not process.ended.done():
        return StreamEnd(error="the reader was too slow" if gone.is_set() else "detached")
    status = process.ended.result()
    return StreamEnd(exit_code=128 - status if status < 0 else status)


async def _first_of(future: asyncio.Future[int], event: asyncio.Event) -> None:
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((future, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _until(work: Coroutine[Any, Any, None], feeding: Coroutine[Any, Any, None]) -> bool:
    """Whether `work` was done before the caller went away; both are over on return."""
    working, caller = named("stream", work), named("stream input", feeding)
    try:
        await asyncio.wait((working, caller), return_when=asyncio.FIRST_COMPLETED)
        return working.done()
    finally:
        for task in (working, caller):
            task.cancel()
        await asyncio.gather(working, caller, return_exceptions=True)


async def _feed(reader: asyncio.StreamReader, process: Process | None) -> None:
    """Pass on what the caller types; returns when the caller has gone."""
    while (frame := await frames.read_frame(reader)) is not None:
        channel, data = frame
        if process is None:
            continue
        match channel:
            case frames.STDIN if process.stdin is not None:
                with contextlib.suppress(OSError):  # a command need not read to the end
                    process.stdin.write(data)
                    await process.stdin.drain()
            case frames.CLOSE if process.stdin is not None and process.terminal < 0:
                process.stdin.close()
            case frames.RESIZE:
                _resize(process, data)


class _Size(msgspec.Struct, frozen=True):
    """What kubectl sends when a window changes."""

    Width: int = 0
    Height: int = 0


def _resize(process: Process, data: bytes) -> None:
    with contextlib.suppress(msgspec.MsgspecError):
        size = msgspec.json.decode(data, type=_Size)
        process.resize(size.Width, size.Height)


class _Sending:
    """Sends what a command writes, and lets it wait while the caller does not read."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: asyncio.Task[None] | None = None
        self.process: Process | None = None

    def taking(self, channel: int) -> Callable[[bytes], None]:
        """Takes one of its outputs."""

        def take(data: bytes) -> None:
            frames.write_frame(self._writer, channel, data)
            behind = self._writer.transport.get_write_buffer_size() > _MUCH
            if behind and self._waiting is None and self.process is not None:
                self._waiting = named("slow reader", self._wait(self.process))

        return take

    async def _wait(self, process: Process) -> None:
        process.read_on(False)
        with contextlib.suppress(OSError):
            await self._writer.drain()
        process.read_on(True)
        self._waiting = None

    async def drained(self) -> None:
        """Wait until the caller has read nearly everything."""
        with contextlib.suppress(OSError):
            await self._writer.drain()


async def _forward(pod: Pod, asked: Forward, stream: Stream) -> StreamEnd:
    reader, writer = stream
    connection = socket_in(pod.place.namespace())
    if not asked.address:
        # As the kubelet: to the app itself, not through the pod's proxy.
        connection.setsockopt(socket.SOL_SOCKET, linux.SO_MARK, PROXY_MARK)
    where = asked.address or _LOCALHOST, asked.port
    try:
        await asyncio.get_running_loop().sock_connect(connection, where)
    except OSError as error:
        connection.close()
        why = os.strerror(error.errno) if error.errno else str(error)
        place = asked.address or "localhost"
        words = f"failed to connect to {place}:{asked.port} inside the pod: {why}"
        raise _Refused(words) from None
    theirs, ours = await asyncio.open_connection(sock=connection)
    try:
        await _until(_from_pod(theirs, writer), _to_pod(reader, ours))
    finally:
        ours.transport.abort()
    return StreamEnd()


async def _from_pod(theirs: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await theirs.read(_CHUNK):
            frames.write_frame(writer, frames.STDOUT, data)
            await writer.drain()


async def _to_pod(reader: asyncio.StreamReader, ours: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while (frame := await frames.read_frame(reader)) is not None:
            channel, data = frame
            if channel == frames.STDIN:
                ours.write(data)
                await ours.drain()
            elif channel == frames.CLOSE:
                ours.write_eof()
