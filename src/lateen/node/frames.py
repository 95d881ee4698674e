"""The pieces of a byte stream between the control plane and a pod, each on a channel.

In: bytes of a connection.    Out: `write_frame`, `read_frame`, the channels.
Before: -       After: node/executing.py, stages/streaming.py

A frame is its channel (one byte), its length (four bytes, big-endian) and its content. The channels
are those of Kubernetes' v5.channel.k8s.io; CLOSE names the channel that has ended.
"""

from __future__ import annotations

import asyncio
import struct

STDIN, STDOUT, STDERR, ENDED, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
LARGEST = 1024 * 1024  # bytes of one frame
_HEAD = struct.Struct(">BI")


class BadFrame(ValueError):
    """What came is no frame."""


def write_frame(writer: asyncio.StreamWriter, channel: int, data: bytes) -> None:
    """Send one piece; the caller drains."""
    writer.write(_HEAD.pack(channel, len(data)) + data)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes] | None:
    """The next piece; None at the end, also when the connection breaks. Raises BadFrame."""
    try:
        channel, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if length > LARGEST:
            raise BadFrame(f"a frame of {length} bytes")
        return channel, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
