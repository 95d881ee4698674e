"""A plain two-way byte stream out of an HTTP request: the upgraded connection, or a WebSocket.

In: web.Request.    Out: Wire: RawWire, SocketWire.
Before: -       After: apiserver/streaming_spdy.py, apiserver/streaming.py
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Protocol

from aiohttp import WSMsgType, web

_BUFFER = 256 * 1024  # bytes read ahead
_CHUNK = 64 * 1024


class Wire(Protocol):
    """Bytes both ways; all errors of the connection read as its end."""

    async def read(self) -> bytes:
        """What comes next; nothing at the end."""

    async def write(self, data: bytes) -> None:
        """Send, when there is room."""

    async def close(self) -> None:
        """Send what is left and end the connection."""


class _Upgraded(asyncio.StreamReaderProtocol):
    """Takes over a connection from the HTTP server, and tells it of the end."""

    def __init__(self, reader: asyncio.StreamReader, before: asyncio.BaseProtocol) -> None:
        super().__init__(reader)
        self._before = before

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._before.connection_lost(exc)


class RawWire:
    """The request's own connection, after `101 Switching Protocols`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    def switch(cls, request: web.Request, headers: Mapping[str, str]) -> RawWire:
        """Answer with 101 and these headers, and take the connection over."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the caller has gone")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode())
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BUFFER)
        protocol = _Upgraded(reader, transport.get_protocol())
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def read(self) -> bytes:
        """What comes next; nothing at the end."""
        with contextlib.suppress(OSError):
            return await self._reader.read(_CHUNK)
        return b""

    async def write(self, data: bytes) -> None:
        """Send, when there is room."""
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def close(self) -> None:
        """Send what is left and end the connection."""
        self._writer.close()


class SocketWire:
    """Bytes as a WebSocket's binary messages."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        """The next message; nothing at the end."""
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.BINARY:
                return b""
            if message.data:
                return bytes(message.data)

    async def write(self, data: bytes) -> None:
        """Send, when there is room."""
        with contextlib.suppress(OSError):
            await self._socket.send_bytes(data)

    async def close(self) -> None:
        """End the connection in order."""
        await self._socket.close()
