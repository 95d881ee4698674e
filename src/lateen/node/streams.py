"""Join two byte streams until both directions have ended.

In: two (reader, writer) pairs.    Out: `join`, `reset`, `held`.
Before: -       After: node/relay.py, node/serviceproxy.py, node/dns.py
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections.abc import Awaitable, Callable

CHUNK = 64 * 1024
_SOON, _LATE = 0.0005, 0.05  # seconds between two looks
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_BROKEN = (ConnectionError, TimeoutError, OSError)


def held(serve: Serve) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """What to give `asyncio.start_server`, so that each connection's task lives until it is done.

    The loop itself refers to tasks only weakly. One that waits for a stream that is paused and for
    nothing else would be collected as garbage, and its connection cut off.
    """
    tasks: set[asyncio.Future[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return accept


async def join(
    first: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    second: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Copy both ways. An end of input is passed on as such and the other direction goes on; a broken
    connection breaks the other one too. Both are closed on return."""
    ways = (
        asyncio.create_task(_copy(first[0], second[1])),
        asyncio.create_task(_copy(second[0], first[1])),
    )
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        broken = any(way.exception() for way in done)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    for _, writer in (first, second):
        if broken:
            reset(writer)
        else:
            writer.close()
    for _, writer in (first, second):
        with contextlib.suppress(*_BROKEN):
            await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        await _taken(writer)
        writer.write_eof()


async def _taken(writer: asyncio.StreamWriter) -> None:
    """On a Unix socket, return when the other side has read everything.

    Envoy drops a connection when it sees its end before it has read its PROXY header.
    """
    raw = writer.get_extra_info("socket")
    if raw.family != socket.AF_UNIX:
        return
    pause = _SOON
    while writer.transport.get_write_buffer_size() or _unread(raw.fileno()):
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LATE)


def _unread(fd: int) -> int:
    """How much of what was written is still on its way, in the kernel's bytes; raises OSError."""
    (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
    return int(count)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST, so that the peer fails at once."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
