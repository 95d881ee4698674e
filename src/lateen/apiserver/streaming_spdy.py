"""A SPDY connection whose streams the caller opens.

In: Wire.    Out: SpdyConnection: `serving`, `accept`; SpdyStream: `read`, `write`, `finish`.
Before: apiserver/streaming_frames.py        After: apiserver/streaming.py
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import assert_never

from lateen.apiserver.streaming_frames import (
    BadFrame,
    Data,
    Frame,
    Framer,
    GoAway,
    Ping,
    Reset,
    SynStream,
    data_frame,
    goaway_frame,
    ping_frame,
    reset_frame,
)
from lateen.apiserver.streaming_wires import Wire

MOST_STREAMS = 512
_PIECES = 16  # of one stream that may wait to be read; then the whole connection waits
_CHUNK = 64 * 1024


class SpdyStream:
    """One stream; both ends finish their own direction."""

    def __init__(self, number: int, headers: dict[str, str], wire: Wire) -> None:
        self.number = number
        self.headers = headers
        self._wire = wire
        self._pieces: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._finished = False
        self._ended = False

    async def read(self) -> bytes:
        """What comes next; nothing at the end, and after it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._pieces or self._ended)
            self._changed.notify_all()
            return self._pieces.popleft() if self._pieces else b""

    async def write(self, data: bytes) -> None:
        """Send, when there is room."""
        for start in range(0, len(data), _CHUNK):
            await self._wire.write(data_frame(self.number, data[start : start + _CHUNK]))

    async def finish(self) -> None:
        """Nothing more will be written."""
        if not self._finished:
            async with self._changed:
                self._finished = True
                self._changed.notify_all()
            await self._wire.write(data_frame(self.number, b"", fin=True))

    async def take(self, data: bytes, *, fin: bool) -> None:
        """What the other end sent; waits while much is unread, unless nobody will read it."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._pieces) < _PIECES or self._finished)
            if data and not self._finished:
                self._pieces.append(data)
            self._ended = self._ended or fin
            self._changed.notify_all()

    async def end(self) -> None:
        """The other end sends nothing more, at once."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()


class SpdyConnection:
    """The streams of one connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._framer = Framer()
        self._streams: dict[int, SpdyStream] = {}
        self._opened: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self._last = 0
        self.ended = asyncio.Event()

    async def serving(self) -> None:
        """Read until the other end has gone; every stream ends with it."""
        try:
            while data := await self._wire.read():
                for frame in self._framer.feed(data):
                    await self._take(frame)
        except BadFrame:
            pass  # nothing that follows could be understood
        finally:
            self.ended.set()
            self._opened.put_nowait(None)
            for stream in self._streams.values():
                await stream.end()

    async def accept(self) -> SpdyStream | None:
        """The next stream the other end opens; None when the connection has ended."""
        return await self._opened.get()

    def forget(self, stream: SpdyStream) -> None:
        """A stream both ends are done with."""
        self._streams.pop(stream.number, None)

    async def close(self) -> None:
        """Say that this is all, and end the connection."""
        await self._wire.write(goaway_frame(self._last))
        await self._wire.close()

    async def _take(self, frame: Frame) -> None:
        match frame:
            case SynStream():
                await self._open(frame)
            case Data():
                if stream := self._streams.get(frame.stream):
                    await stream.take(frame.data, fin=frame.fin)
            case Reset():
                if stream := self._streams.pop(frame.stream, None):
                    await stream.end()
            case Ping():
                if frame.id % 2:  # even numbers are ours, and we ask none
                    await self._wire.write(ping_frame(frame.id))
            case GoAway():
                pass  # it closes the connection when its streams are done
            case _:
                assert_never(frame)

    async def _open(self, frame: SynStream) -> None:
        if len(self._streams) >= MOST_STREAMS or frame.stream in self._streams:
            await self._wire.write(reset_frame(frame.stream))
            return
        stream = SpdyStream(frame.stream, frame.headers, self._wire)
        self._streams[frame.stream] = stream
        self._last = max(self._last, frame.stream)
        await self._wire.write(self._framer.reply(frame.stream))
        if frame.fin:
            await stream.take(b"", fin=True)
        self._opened.put_nowait(stream)
