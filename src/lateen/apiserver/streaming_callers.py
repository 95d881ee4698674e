"""Who is at the other end of exec or attach: a SPDY connection or a WebSocket, behind one face.

In: an upgraded request.    Out: Caller: SpdyCaller, SocketCaller.
Before: apiserver/streaming_spdy.py        After: apiserver/streaming.py

Source: kubernetes apimachinery pkg/util/remotecommand (v4.channel.k8s.io, v5.channel.k8s.io).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from typing import Protocol

from aiohttp import WSMsgType, web

from lateen.apiserver.streaming_spdy import SpdyConnection, SpdyStream

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
NAMES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
_LINGER_SECONDS = 2.0  # for the caller to read the end before the connection goes


class Caller(Protocol):
    """Pieces on Kubernetes' channels."""

    async def receive(self) -> tuple[int, bytes] | None:
        """What the caller sends; None when it has gone."""

    async def send(self, channel: int, data: bytes) -> None:
        """Output for the caller."""

    async def finish(self, status: bytes) -> None:
        """The end: everything was sent, and this is the Status."""


class SocketCaller:
    """Each message is a channel's number and a piece of it; in base64 form, both as text."""

    def __init__(self, socket: web.WebSocketResponse, *, text: bool) -> None:
        self._socket = socket
        self._text = text

    async def receive(self) -> tuple[int, bytes] | None:
        """What the caller sends; None when it has gone."""
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return None
            piece = _piece(message.data, text=self._text)
            if piece is not None:
                return piece

    async def send(self, channel: int, data: bytes) -> None:
        """Output for the caller."""
        with contextlib.suppress(OSError):
            if self._text:
                await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await self._socket.send_bytes(bytes([channel]) + data)

    async def finish(self, status: bytes) -> None:
        """The end: everything was sent, and this is the Status."""
        await self.send(ERROR, status)
        await self._socket.close()


def _piece(data: bytes | str, *, text: bool) -> tuple[int, bytes] | None:
    """One message as channel and content; None for one that is neither."""
    raw = data.encode() if isinstance(data, str) else bytes(data)
    if not raw:
        return None
    if not text:
        return raw[0], raw[1:]
    with contextlib.suppress(ValueError, binascii.Error):
        return int(raw[:1]), base64.b64decode(raw[1:])
    return None


class SpdyCaller:
    """A stream for each channel, named by its header `streamtype`."""

    def __init__(self, connection: SpdyConnection, streams: dict[int, SpdyStream]) -> None:
        self._connection = connection
        self._streams = streams
        self._pieces: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(1)
        self._readers = [
            asyncio.create_task(self._reading(channel, streams[channel]), name=f"channel {channel}")
            for channel in (STDIN, RESIZE)
            if channel in streams
        ]

    @classmethod
    async def opened(cls, connection: SpdyConnection, wanted: set[int]) -> SpdyCaller | None:
        """Wait until the caller has opened these channels; None when it goes away instead."""
        streams: dict[int, SpdyStream] = {}
        while streams.keys() < wanted:
            stream = await connection.accept()
            if stream is None:
                return None
            channel = NAMES.get(stream.headers.get("streamtype", ""))
            if channel in wanted:
                streams[channel] = stream
        return cls(connection, streams)

    async def receive(self) -> tuple[int, bytes] | None:
        """What the caller sends; None when it has gone."""
        getting = asyncio.ensure_future(self._pieces.get())
        leaving = asyncio.ensure_future(self._connection.ended.wait())
        try:
            await asyncio.wait((getting, leaving), return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()
            leaving.cancel()

    async def send(self, channel: int, data: bytes) -> None:
        """Output for the caller."""
        if stream := self._streams.get(channel):
            await stream.write(data)

    async def finish(self, status: bytes) -> None:
        """The end: everything was sent, and this is the Status."""
        for reader in self._readers:
            reader.cancel()
        for channel in (STDIN, RESIZE, STDOUT, STDERR):
            if stream := self._streams.get(channel):
                await stream.finish()
        await self._streams[ERROR].write(status)
        await self._streams[ERROR].finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._connection.ended.wait()

    async def _reading(self, channel: int, stream: SpdyStream) -> None:
        while data := await stream.read():
            await self._pieces.put((channel, data))
        if channel == STDIN:
            await self._pieces.put((CLOSE, bytes([STDIN])))
