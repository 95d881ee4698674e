"""A pod that exists only in its streams: a few commands, an echoing input, an echoing port."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from lateen.apiserver.deps import AttachRequest, ExecRequest, ForwardRequest

STDIN, STDOUT, STDERR, ENDED, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
Asked = ExecRequest | AttachRequest | ForwardRequest
ECHO_PORT = 7000


class PretendedStream:
    """The node's side of a stream, played by a task."""

    def __init__(self) -> None:
        self.given: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.said: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def receive(self) -> tuple[int, bytes] | None:
        return await self.said.get()

    async def send(self, channel: int, data: bytes) -> None:
        self.given.put_nowait((channel, data))

    def close(self) -> None:
        self.closed.set()

    def say(self, channel: int, text: bytes) -> None:
        self.said.put_nowait((channel, text))

    def end(self, code: int = 0, error: str = "") -> None:
        self.say(ENDED, json.dumps({"exit_code": code, "error": error}).encode())


@dataclass
class PretendedPod:
    """Opens streams and notes what was asked."""

    asked: list[Asked] = field(default_factory=list)
    streams: list[PretendedStream] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def open(self, asked: Asked) -> PretendedStream:
        self.asked.append(asked)
        stream = PretendedStream()
        self.streams.append(stream)
        self.tasks.append(asyncio.create_task(self._play(asked, stream)))
        return stream

    async def _play(self, asked: Asked, stream: PretendedStream) -> None:
        match asked:
            case ExecRequest(command=("fail", *_)):
                stream.say(STDOUT, b"out\n")
                stream.say(STDERR, b"err\n")
                stream.end(7)
            case ExecRequest(command=("missing", *_)):
                stream.end(error="no such file")
            case ExecRequest(command=("size", *_)):
                channel, data = await stream.given.get()
                assert channel == RESIZE
                stream.say(STDOUT, data)
                stream.end()
            case ExecRequest() | AttachRequest():
                await _echo(stream)
            case ForwardRequest(port=port) if port != ECHO_PORT:
                stream.end(error="failed to connect")
            case ForwardRequest():
                await _echo(stream)


async def _echo(stream: PretendedStream) -> None:
    while True:
        channel, data = await stream.given.get()
        if channel == CLOSE:
            break
        if channel == STDIN:
            stream.say(STDOUT, data)
    stream.end()
