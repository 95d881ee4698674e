"""exec, attach and port-forward over WebSockets and over SPDY, byte by byte."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lateen.apiserver.app import make_app
from lateen.apiserver.streaming_frames import (
    BadFrame,
    Data,
    Frame,
    Framer,
    SynStream,
    data_frame,
    ping_frame,
)
from tests.apiserver.pretended import ECHO_PORT, PretendedPod
from tests.apiserver.serve import TOKEN, Client, client_of
from tests.apiserver.world import deps_for, pod, store_with

pytestmark = pytest.mark.anyio
_POD = "/api/v1/namespaces/default/pods/web"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def served(**fields: Any) -> AsyncIterator[tuple[Client, PretendedPod]]:
    store = store_with(pod("web", **fields))
    pretended = PretendedPod()
    app = make_app(store, replace(deps_for(store), open_stream=pretended.open), token=TOKEN)
    async with client_of(app) as client:
        yield client, pretended


def exec_path(*command: str, **flags: bool) -> str:
    given_ = "".join(f"&{name}={str(value).lower()}" for name, value in flags.items())
    words = "&".join(f"command={word}" for word in command)
    return f"{_POD}/exec?{words}&stdout=true&stderr=true{given_}"


async def heard(socket: ClientWebSocketResponse) -> dict[int, bytes]:
    """Everything until the end, by channel."""
    found: dict[int, bytes] = {}
    async for message in socket:
        assert message.type is WSMsgType.BINARY
        found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
    return found


async def test_a_command_over_a_websocket_ends_with_its_status() -> None:
    path = exec_path("fail", "x")
    async with (
        served() as (client, pretended),
        client.ws_connect(path, protocols=["v5.channel.k8s.io"]) as ws,
    ):
        found = await heard(ws)
    assert (found[1], found[2]) == (b"out\n", b"err\n")
    status = json.loads(found[3])
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    (asked,) = pretended.asked
    assert asked.command == ("fail", "x")  # type: ignore[union-attr]
    assert pretended.streams[0].closed.is_set()


async def test_input_ends_with_a_close_message_and_all_comes_back() -> None:
    async with served() as (client, _):
        path = exec_path("cat", stdin=True)
        async with client.ws_connect(path, protocols=["v5.channel.k8s.io"]) as ws:
            await ws.send_bytes(b"\x00hello ")
            await ws.send_bytes(b"\x00world")
            await ws.send_bytes(b"\xff\x00")
            found = await heard(ws)
    assert found[1] == b"hello world"
    assert json.loads(found[3])["status"] == "Success"


async def test_sizes_reach_the_terminal() -> None:
    async with served() as (client, _):
        path = exec_path("size", stdin=True, tty=True)
        async with client.ws_connect(path, protocols=["v4.channel.k8s.io"]) as ws:
            await ws.send_bytes(b'\x04{"Width":80,"Height":24}')
            found = await heard(ws)
    assert found[1] == b'{"Width":80,"Height":24}'


async def test_text_messages_are_in_base64() -> None:
    async with served() as (client, _):
        protocols = ["v4.base64.channel.k8s.io"]
        async with client.ws_connect(exec_path("fail"), protocols=protocols) as ws:
            texts = [message.data async for message in ws]
    assert texts[0] == "1" + base64.b64encode(b"out\n").decode()


async def test_a_command_that_cannot_start_is_an_internal_error() -> None:
    path = exec_path("missing")
    async with (
        served() as (client, _),
        client.ws_connect(path, protocols=["v4.channel.k8s.io"]) as ws,
    ):
        status = json.loads((await heard(ws))[3])
    assert (status["status"], status["code"]) == ("Failure", 500)
    assert status["message"] == "Internal error occurred: no such file"


async def test_a_caller_that_leaves_ends_the_command() -> None:
    async with served() as (client, pretended):
        ws = await client.ws_connect(exec_path("cat", stdin=True), protocols=["v5.channel.k8s.io"])
        await ws.send_bytes(b"\x00x")
        await ws.receive()
        await ws.close()
        await pretended.streams[0].closed.wait()


@pytest.mark.parametrize(
    ("path", "headers", "code", "words"),
    [
        (exec_path(), {}, 400, "at least one command"),
        (f"{_POD}/exec?command=x", {}, 400, "at least 1 of stdin, stdout, stderr"),
        (f"{_POD}/exec?command=x&stdout=1&container=no", {}, 400, "container no is not valid"),
        (exec_path("x"), {}, 400, "Upgrade request required"),
        (
            exec_path("x"),
            {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"},
            403,
            "unable to negotiate protocol",
        ),
        (f"{_POD}/attach", {}, 400, "at least 1 of"),
    ],
)
async def test_what_cannot_be_served_is_an_ordinary_answer(
    path: str, headers: dict[str, str], code: int, words: str
) -> None:
    async with served() as (client, _), client.post(path, headers=headers) as answer:
        assert answer.status == code
        assert words in (await answer.json())["message"]


async def test_a_completed_pod_runs_no_command() -> None:
    async with served(phase="Succeeded") as (client, _), client.post(exec_path("x")) as answer:
        assert answer.status == 400
        assert "current phase is Succeeded" in (await answer.json())["message"]


async def test_ports_over_a_websocket_begin_with_their_number() -> None:
    async with served() as (client, _):
        path = f"{_POD}/portforward?ports={ECHO_PORT}&ports=1"
        async with client.ws_connect(path, protocols=["v4.channel.k8s.io"]) as ws:
            await ws.send_bytes(b"\x00ping")
            found: dict[int, bytes] = {}
            while found.get(0, b"")[2:] != b"ping" or len(found.get(3, b"")) <= 2:
                data = (await ws.receive()).data
                found[data[0]] = found.get(data[0], b"") + data[1:]
    assert {n: found[n][:2] for n in found} == {
        0: ECHO_PORT.to_bytes(2, "little"),
        1: ECHO_PORT.to_bytes(2, "little"),
        2: b"\x01\x00",
        3: b"\x01\x00",
    }
    assert found[3][2:] == b"failed to connect"


class SpdyClient:
    """kubectl's side of a SPDY connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.framer = Framer()
        self.next = 1

    def open(self, **headers: str) -> int:
        number, self.next = self.next, self.next + 2
        self.writer.write(self.framer.syn(SynStream(stream=number, headers=headers)))
        return number

    async def until_closed(self) -> list[Frame]:
        frames: list[Frame] = []
        while data := await self.reader.read(65536):
            frames += self.framer.feed(data)
        return frames

    async def data_of(self, number: int) -> bytes:
        """What one stream brings, until it ends."""
        found = b""
        while True:
            for frame in self.framer.feed(await self.reader.read(65536)):
                if isinstance(frame, Data) and frame.stream == number:
                    found += frame.data
                    if frame.fin:
                        return found


@asynccontextmanager
async def spdy(client: Client, path: str, protocol: str) -> AsyncIterator[SpdyClient]:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {client.host}:{client.port}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        f"X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n"
    )
    writer.write(head.encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert answer.startswith("HTTP/1.1 101 ")
    assert f"X-Stream-Protocol-Version: {protocol}" in answer
    try:
        yield SpdyClient(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_command_over_spdy() -> None:
    async with served() as (client, _):
        path = exec_path("cat", stdin=True)
        async with spdy(client, path, "v4.channel.k8s.io") as connection:
            error, stdin, stdout, stderr = (
                connection.open(streamtype=kind) for kind in ("error", "stdin", "stdout", "stderr")
            )
            connection.writer.write(ping_frame(1))
            connection.writer.write(data_frame(stdin, b"x" * 200_000))
            connection.writer.write(data_frame(stdin, b"end", fin=True))
            status = json.loads(await connection.data_of(error))
            connection.writer.write_eof()
            rest = await connection.until_closed()
    assert status["status"] == "Success"
    assert not [frame for frame in rest if isinstance(frame, Data)]
    assert stdout < stderr


async def test_what_spdy_brings_is_complete_and_each_stream_ends() -> None:
    async with served() as (client, _):
        path = exec_path("fail")
        async with spdy(client, path, "v4.channel.k8s.io") as connection:
            numbers = [connection.open(streamtype=kind) for kind in ("stdout", "stderr", "error")]
            frames = await connection.until_closed()
    data = [frame for frame in frames if isinstance(frame, Data)]
    texts = [b"".join(f.data for f in data if f.stream == number) for number in numbers]
    assert texts[:2] == [b"out\n", b"err\n"]
    assert json.loads(texts[2])["reason"] == "NonZeroExitCode"
    assert {frame.stream for frame in data if frame.fin} == set(numbers)


async def test_pairs_of_streams_are_forwarded_each_for_itself() -> None:
    async with served() as (client, pretended):
        path = f"{_POD}/portforward"
        async with spdy(client, path, "portforward.k8s.io") as connection:
            bad = connection.open(streamtype="error", port="1", requestid="0")
            connection.open(streamtype="data", port="1", requestid="0")
            assert b"failed to connect" in await connection.data_of(bad)
            connection.open(streamtype="error", port=str(ECHO_PORT), requestid="1")
            data = connection.open(streamtype="data", port=str(ECHO_PORT), requestid="1")
            connection.writer.write(data_frame(data, b"ping", fin=True))
            assert await connection.data_of(data) == b"ping"
        for stream in pretended.streams:
            await stream.closed.wait()
    assert len(pretended.streams) == 2


async def test_a_port_forward_tunnelled_through_a_websocket() -> None:
    async with served() as (client, _):
        protocols = ["SPDY/3.1+portforward.k8s.io"]
        async with client.ws_connect(f"{_POD}/portforward", protocols=protocols) as ws:
            assert ws.protocol == protocols[0]
            framer = Framer()
            headers = {"port": str(ECHO_PORT), "requestid": "0"}
            for number, kind in ((1, "error"), (3, "data")):
                opening = SynStream(stream=number, headers=headers | {"streamtype": kind})
                await ws.send_bytes(framer.syn(opening))
            await ws.send_bytes(data_frame(3, b"ping"))
            found: list[Frame] = []
            while Data(stream=3, data=b"ping") not in found:
                found += framer.feed((await ws.receive()).data)


_HEADERS = st.dictionaries(st.from_regex(r"[a-z-]{1,20}", fullmatch=True), st.text(max_size=30))


@settings(max_examples=30)
@given(st.lists(st.tuples(_HEADERS, st.binary(max_size=100), st.booleans()), max_size=5), st.data())
def test_frames_are_read_as_written_in_whatever_pieces(
    streams: list[tuple[dict[str, str], bytes, bool]], pieces: st.DataObject
) -> None:
    writer, reader = Framer(), Framer()
    sent: list[Frame] = []
    raw = b""
    for number, (headers, data, fin) in enumerate(streams):
        opening = SynStream(stream=number * 2 + 1, headers=headers)
        sent += [opening, Data(stream=number * 2 + 1, data=data, fin=fin)]
        raw += writer.syn(opening) + data_frame(number * 2 + 1, data, fin=fin)
    found: list[Frame] = []
    while raw:
        size = pieces.draw(st.integers(1, len(raw)))
        found += reader.feed(raw[:size])
        raw = raw[size:]
    assert found == sent


@given(st.binary(max_size=200))
def test_whatever_comes_is_frames_or_refused(raw: bytes) -> None:
    for prefix in (b"", b"\x80\x03\x00\x01\x00\x00\x00\x20" + bytes(10)):
        try:
            Framer().feed(prefix + raw)
        except BadFrame:
            continue
