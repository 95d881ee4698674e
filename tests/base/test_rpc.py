"""The gRPC server on a socket, asked by the gRPC library: messages of any size, slow readers, what ends a call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, StreamEnded, StreamReset, WindowUpdated
from h2.settings import SettingCodes

from lateen.base.rpc import Call, RpcServer, Status

LARGEST = 1024 * 1024


@dataclass
class Half:
    """Our half of a call, which notes what happens."""

    call: Call
    got: list[bytes] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    seen: asyncio.Event = field(default_factory=asyncio.Event)

    def received(self, message: bytes) -> None:
        self.got.append(message)
        self.seen.set()

    def writable(self) -> None:
        self._note("writable")

    def said_all(self) -> None:
        self._note("said all")

    def gone(self) -> None:
        self._note("gone")

    def _note(self, what: str) -> None:
        self.happened.append(what)
        self.seen.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something to come true."""
        async with asyncio.timeout(5):
            while not true():
                self.seen.clear()
                await self.seen.wait()


class Echo(Half):
    """Says what it is told, in two parts."""

    def received(self, message: bytes) -> None:
        super().received(message)
        self.call.send((message[:1], message[1:]))

    def said_all(self) -> None:
        super().said_all()
        self.call.end()


class Rig:
    """A server with one method, and clients of it."""

    def __init__(self, path: Path, method: type[Half]) -> None:
        self.path = path
        self.halves: list[Half] = []
        self.server = RpcServer({"/test/Talk": self._begin}, largest=LARGEST)
        self._method = method
        self._arrived = asyncio.Event()
        self._open = contextlib.AsyncExitStack()

    def _begin(self, call: Call) -> Half:
        self.halves.append(self._method(call))
        self._arrived.set()
        return self.halves[-1]

    async def half(self) -> Half:
        """The first call's, once it came."""
        async with asyncio.timeout(5):
            await self._arrived.wait()
        return self.halves[0]

    async def channel(self) -> Any:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
        made = grpc.aio.insecure_channel(f"unix:{self.path}", options=options)
        return await self._open.enter_async_context(made)

    async def call(self, path: str = "/test/Talk") -> Any:
        return (await self.channel()).stream_stream(path)(metadata=(("who", "me"),))

    def closing(self, writer: asyncio.StreamWriter) -> None:
        """Close it before the server ends."""

        async def close() -> None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        self._open.push_async_callback(close)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.server.start(self.path)
        try:
            yield
        finally:
            await self._open.aclose()
            await self.server.stop()


def serve(
    folder: Path, scenario: Callable[[Rig], Awaitable[None]], method: type[Half] = Echo
) -> None:
    async def run() -> None:
        rig = Rig(folder / "s", method)
        async with rig.running():
            await scenario(rig)

    asyncio.run(run())


async def read(call: Any) -> Any:
    async with asyncio.timeout(5):
        return await call.read()


async def status(call: Any) -> tuple[str, str]:
    async with asyncio.timeout(5):
        return (await call.code()).name, await call.details()


@pytest.mark.parametrize("size", [0, 1, 5, 16_384, 70_000, LARGEST])
def test_messages_of_any_size_go_both_ways(tmp_path: Path, size: int) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        for turn in range(2):
            message = bytes([turn]) * size
            await call.write(message)
            assert await read(call) == message
        await call.done_writing()
        assert await status(call) == ("OK", "")
        assert (await rig.half()).happened == ["said all", "gone"]
        assert rig.halves[0].call.metadata["who"] == "me"

    serve(tmp_path, scenario)


def test_calls_share_a_connection(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        channel = await rig.channel()
        calls = [channel.stream_stream("/test/Talk")() for _ in range(20)]
        for number, call in enumerate(calls):
            await call.write(b"%d" % number)
        assert [await read(call) for call in calls] == [b"%d" % n for n in range(20)]
        assert len(rig.server.connections) == 1

    serve(tmp_path, scenario)


def test_what_a_client_does_not_read_waits(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        await call.write(b"x")
        half = await rig.half()
        await half.until(lambda: half.got == [b"x"])
        large = bytes(30_000_000)
        half.call.send((large,))
        assert half.call.blocked
        assert await read(call) == large
        await half.until(lambda: half.happened == ["writable"])
        assert not half.call.blocked

    serve(tmp_path, scenario, Half)


def test_a_client_that_is_held_waits_and_loses_nothing(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        await call.write(b"first")
        half = await rig.half()
        half.call.hold()
        messages = [bytes([n]) * 100_000 for n in range(100)]

        async def write() -> None:
            for message in messages:
                await call.write(message)

        writing = asyncio.create_task(write())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.shield(writing)
        assert sum(map(len, half.got)) < 5_000_000
        half.call.go_on()
        await writing
        await half.until(lambda: len(half.got) == 101)
        assert half.got[1:] == messages

    serve(tmp_path, scenario, Half)


def test_a_call_ends_with_what_is_said_of_it(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        await call.write(b"x")
        half = await rig.half()
        await half.until(lambda: half.got == [b"x"])
        half.call.send((b"last",))
        half.call.end(Status.INVALID_ARGUMENT, "100 % wrong: \u00e9\n")
        half.call.send((b"too late",))
        half.call.end()
        assert await read(call) == b"last"
        assert await status(call) == ("INVALID_ARGUMENT", "100 % wrong: \u00e9\n")
        assert half.happened == ["gone"]

    serve(tmp_path, scenario, Half)


def test_a_client_that_goes_is_noticed(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        await call.write(b"x")
        half = await rig.half()
        await half.until(lambda: half.got == [b"x"])
        call.cancel()
        await half.until(lambda: half.happened == ["gone"])
        half.call.send((b"to nobody",))
        half.call.end()

    serve(tmp_path, scenario, Half)


@pytest.mark.parametrize(
    ("path", "message", "said"),
    [
        (
            "/test/Other",
            None,
            "UNIMPLEMENTED",
        ),  # a write that meets the answer is an error of its own
        ("/test/Talk", bytes(LARGEST + 1), "RESOURCE_EXHAUSTED"),
    ],
)
def test_what_is_not_served_is_refused_in_words(
    tmp_path: Path, path: str, message: bytes | None, said: str
) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call(path)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            if message is not None:
                await call.write(message)
        assert (await status(call))[0] == said

    serve(tmp_path, scenario)


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\x08\7\0\0\0\0\1" + bytes(8),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64),
    ],
)
def test_noise_ends_its_own_connection_only(tmp_path: Path, noise: bytes) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        await call.write(b"before")
        assert await read(call) == b"before"
        reader, writer = await asyncio.open_unix_connection(str(rig.path))
        writer.write(noise)
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        await call.write(b"after")
        assert await read(call) == b"after"

    serve(tmp_path, scenario)


def test_the_end_of_the_server_is_told(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        await call.write(b"x")
        assert await read(call) == b"x"
        await rig.server.stop()
        assert (await status(call))[0] == "UNAVAILABLE"
        assert (await rig.half()).happened == ["gone"]
        assert not rig.path.exists()

    serve(tmp_path, scenario)


def parts_of(message: bytes, at: Iterable[int]) -> Iterable[bytes]:
    """A message cut at these places."""
    begin = 0
    for end in (*at, len(message)):
        yield message[begin:end]
        begin = end


@pytest.mark.parametrize("cuts", [(), (1,), (4, 5, 6), (30, 40_000)])
def test_where_a_message_is_cut_makes_no_difference(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    async def scenario(rig: Rig) -> None:
        call = await rig.call()
        await call.write(b"x")
        message = bytes(range(256)) * 300
        (await rig.half()).call.send(parts_of(message, cuts))
        assert await read(call) == message

    serve(tmp_path, scenario, Half)


@dataclass
class ByHand:
    """A client that says HTTP/2 its own way, through h2."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    wire: H2Connection
    got: bytes = b""
    updates: int = 0
    ended: bool = False
    farewell: int | None = None

    @classmethod
    async def connect(cls, rig: Rig, **headers: str) -> ByHand:
        reader, writer = await asyncio.open_unix_connection(str(rig.path))
        rig.closing(writer)
        client = cls(reader, writer, H2Connection(H2Configuration(client_side=True)))
        client.wire.initiate_connection()
        opening = {":method": "POST", ":scheme": "http", ":path": "/test/Talk", ":authority": "x"}
        opening |= {"content-type": "application/grpc"} | headers
        client.wire.send_headers(1, list(opening.items()))
        return client

    def send(self, data: bytes, at_a_time: int = 0) -> None:
        """What h2 has to say and then this, in writes of so many bytes."""
        raw = self.wire.data_to_send() + data
        size = at_a_time or len(raw)
        for begin in range(0, len(raw), size):
            self.writer.write(raw[begin : begin + size])

    async def until(self, true: Callable[[ByHand], bool]) -> None:
        async with asyncio.timeout(5):
            while not true(self):
                data = await self.reader.read(65_536)
                assert data or true(self)
                for event in self.wire.receive_data(data):
                    self._take(event)

    def _take(self, event: object) -> None:
        match event:
            case DataReceived():
                self.got += event.data or b""
            case WindowUpdated():
                self.updates += event.delta or 0
            case StreamEnded():
                self.ended = True
            case ConnectionTerminated() | StreamReset():
                self.farewell = int(event.error_code or 0)


def message_of(text: bytes) -> bytes:
    """As gRPC puts it on the wire."""
    return b"\0" + len(text).to_bytes(4) + text


def data_frame(content: bytes, flags: int = 0, stream: int = 1) -> bytes:
    return len(content).to_bytes(3) + bytes((0, flags)) + stream.to_bytes(4) + content


END, PADDED = 1, 8


@pytest.mark.parametrize("at_a_time", [1, 7, 0])
def test_frames_may_be_cut_padded_and_the_last(tmp_path: Path, at_a_time: int) -> None:
    async def scenario(rig: Rig) -> None:
        client = await ByHand.connect(rig)
        words = message_of(b"hello")
        frames = (
            data_frame(words[:3])
            + data_frame(b"")
            + data_frame(b"\2" + words[3:] + b"\0\0", PADDED)
            + data_frame(message_of(b"bye"), END)
        )
        client.send(frames, at_a_time)
        await client.until(lambda c: c.ended)
        assert client.got == message_of(b"hello") + message_of(b"bye")
        assert rig.halves[0].got == [b"hello", b"bye"]
        assert rig.halves[0].happened == ["said all", "gone"]

    serve(tmp_path, scenario)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (data_frame(bytes(16_385)), ErrorCodes.FRAME_SIZE_ERROR),
        (data_frame(b"\5abcd", PADDED), ErrorCodes.PROTOCOL_ERROR),
        (data_frame(b"", PADDED), ErrorCodes.PROTOCOL_ERROR),
        (data_frame(b"x", stream=3), ErrorCodes.PROTOCOL_ERROR),  # of no stream
        (data_frame(b"", END) + data_frame(b"x"), ErrorCodes.STREAM_CLOSED),
    ],
)
def test_a_frame_that_may_not_be_ends_what_it_concerns_with_its_reason(
    tmp_path: Path, frame: bytes, code: ErrorCodes
) -> None:
    async def scenario(rig: Rig) -> None:
        client = await ByHand.connect(rig)
        client.send(frame)
        await client.until(lambda c: c.farewell is not None)
        assert client.farewell == code
        assert "gone" in rig.halves[0].happened

    serve(tmp_path, scenario, Half)


def test_a_client_is_given_back_what_it_has_sent(tmp_path: Path) -> None:
    """All of it but less than a window's quarter, on the stream and on the connection."""

    async def scenario(rig: Rig) -> None:
        client = await ByHand.connect(rig)
        frames = [data_frame(bytes(16_384)) for _ in range(60)]
        client.send(b"".join(frames))
        sent = 60 * 16_384
        start = 1024 * 1024  # by which the server widens the connection's window at first
        await client.until(lambda c: c.updates - start > 2 * (sent - 262_144))
        assert client.updates - start <= 2 * sent

    serve(tmp_path, scenario, Half)


def test_a_length_that_is_told_must_be_right(tmp_path: Path) -> None:
    async def right(rig: Rig) -> None:
        client = await ByHand.connect(rig, **{"content-length": "10"})
        client.send(data_frame(message_of(b"hello"), END))
        await client.until(lambda c: c.ended)
        assert client.got == message_of(b"hello")

    async def wrong(rig: Rig) -> None:
        client = await ByHand.connect(rig, **{"content-length": "11"})
        client.send(data_frame(message_of(b"hello"), END))
        await client.until(lambda c: c.farewell is not None)
        assert client.farewell == ErrorCodes.PROTOCOL_ERROR

    serve(tmp_path, right)
    serve(tmp_path, wrong)


def test_no_more_is_sent_than_a_client_has_room_for(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        client = await ByHand.connect(rig)
        client.wire.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        client.send(data_frame(message_of(b"x")))
        half = await rig.half()
        await half.until(lambda: half.got == [b"x"])
        half.call.send((bytes(5000),))
        await client.until(lambda c: len(c.got) == 1000)
        assert half.call.blocked
        client.wire.increment_flow_control_window(4005, 1)
        client.send(b"")
        await client.until(lambda c: len(c.got) == 5005)
        assert not half.call.blocked

    serve(tmp_path, scenario, Half)
