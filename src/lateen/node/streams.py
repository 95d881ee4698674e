"""Join two byte streams until both directions have ended.

In: two (reader, writer) pairs.    Out: `join`, `reset`.
Before: -       After: node/relay.py, node/serviceproxy.py
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

CHUNK = 64 * 1024
_BROKEN = (ConnectionError, TimeoutError, OSError)


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
        writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST, so that the peer fails at once."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
