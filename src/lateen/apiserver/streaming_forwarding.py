"""Forward ports of a pod over one connection of the caller's.

In: SpdyConnection or WebSocket, a pod's uid.    Out: `forward_spdy`, `forward_channels`, `join`.
Before: apiserver/streaming_spdy.py        After: apiserver/streaming.py, hookcalls.py

Over SPDY each connection is a pair of streams, data and error, with one requestID. Over a WebSocket
each port is a pair of channels, and each begins with the port's number in two bytes, little-endian.
Source: kubernetes pkg/kubelet/cri/streaming/portforward (httpstream.go, websocket.go).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import WSMsgType, web

from lateen.apiserver.deps import ForwardRequest, OpenPodStream, PodStream
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.streaming_spdy import SpdyConnection, SpdyStream
from lateen.base.errors import EnvironmentFault

TUNNEL = "SPDY/3.1+portforward.k8s.io"
_INPUT, _OUTPUT, _ENDED, _CLOSE = 0, 1, 3, 255
_MOST_PORTS = 64


def ports_asked(given: Sequence[str]) -> tuple[int, ...]:
    """The ports of a query (`ports=80&ports=81` or `ports=80,81`); 400 for what is none."""
    texts = [text for some in given for text in some.split(",")]
    if not texts:
        raise ApiFault(400, 'query parameter "ports" is required')
    if len(texts) > _MOST_PORTS:
        raise ApiFault(400, f'query parameter "ports": at most {_MOST_PORTS} ports')
    return tuple(_port(text) for text in texts)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535:
        return int(text)
    raise ApiFault(400, f'query parameter "ports": unable to parse "{text[:20]}" as a port')


async def forward_spdy(connection: SpdyConnection, uid: str, open_stream: OpenPodStream) -> None:
    """Serve each pair of streams until the caller goes."""
    halves: dict[str, SpdyStream] = {}
    tasks: set[asyncio.Task[None]] = set()
    try:
        while (stream := await connection.accept()) is not None:
            name = stream.headers.get("requestid", "")
            other = halves.pop(name, None)
            if other is None:
                halves[name] = stream
                continue
            pair = {s.headers.get("streamtype"): s for s in (stream, other)}
            if pair.keys() == {"data", "error"}:
                work = _pair(connection, pair["data"], pair["error"], uid, open_stream)
                task = asyncio.create_task(work, name=f"forward {name}")
                tasks.add(task)
                task.add_done_callback(tasks.discard)
    finally:
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pair(
    connection: SpdyConnection, data: SpdyStream, error: SpdyStream, uid: str, open_: OpenPodStream
) -> None:
    try:
        port = _port(data.headers.get("port", ""))
        words = await join(ForwardRequest(uid=uid, port=port), open_, data.read, data.write)
    except ApiFault as fault:
        words = str(fault)
    if words:
        await error.write(f"error forwarding port to pod: {words}".encode())
    for stream in (error, data):
        await stream.finish()
        connection.forget(stream)


async def forward_channels(
    socket: web.WebSocketResponse, ports: Sequence[int], uid: str, open_stream: OpenPodStream
) -> None:
    """Serve each port's channels until all its connections have ended, or the caller goes."""
    inputs: list[asyncio.Queue[bytes]] = [asyncio.Queue(16) for _ in ports]
    for number, port in enumerate(ports):
        for channel in (number * 2, number * 2 + 1):
            await socket.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
    reading = asyncio.create_task(_channels(socket, inputs), name="forward input")
    joined = asyncio.gather(
        *(
            _channel(socket, number, port, inputs[number], uid, open_stream)
            for number, port in enumerate(ports)
        )
    )
    try:
        await asyncio.wait((reading, joined), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (reading, joined):
            task.cancel()
        await asyncio.gather(reading, joined, return_exceptions=True)
    await socket.close()


async def _channels(socket: web.WebSocketResponse, inputs: Sequence[asyncio.Queue[bytes]]) -> None:
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        number, is_error = divmod(message.data[0], 2)
        if not is_error and number < len(inputs) and len(message.data) > 1:
            await inputs[number].put(bytes(message.data[1:]))


async def _channel(
    socket: web.WebSocketResponse,
    number: int,
    port: int,
    given: asyncio.Queue[bytes],
    uid: str,
    open_stream: OpenPodStream,
) -> None:
    async def write(data: bytes) -> None:
        await socket.send_bytes(bytes([number * 2]) + data)

    if words := await join(ForwardRequest(uid=uid, port=port), open_stream, given.get, write):
        await socket.send_bytes(bytes([number * 2 + 1]) + words.encode())


async def join(
    target: ForwardRequest,
    open_stream: OpenPodStream,
    read: Callable[[], Awaitable[bytes]],
    write: Callable[[bytes], Awaitable[None]],
) -> str:
    """Copy both ways until the pod's side has ended; what went wrong, or ""."""
    try:
        stream = await open_stream(target)
    except EnvironmentFault as fault:
        return str(fault)
    feeding = asyncio.create_task(_feed(read, stream), name=f"forward to {target.port}")
    try:
        while (piece := await stream.receive()) is not None:
            channel, data = piece
            if channel == _ENDED:
                return str(json.loads(data).get("error", ""))
            await write(data)
        return "the node agent has gone"
    except OSError:
        return "the caller has gone"
    finally:
        stream.close()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(read: Callable[[], Awaitable[bytes]], stream: PodStream) -> None:
    while data := await read():
        await stream.send(_INPUT, data)
    await stream.send(_CLOSE, bytes([_INPUT]))
