"""Answer a pod's `exec`, `attach` and `portforward`: upgrade the request, then carry bytes.

In: a pod and a query.    Out: a connection that has been served to its end.
Before: apiserver/streaming_callers.py, apiserver/streaming_forwarding.py        After: apiserver/app.py

WebSocket (kubectl from 1.30, client libraries) and SPDY/3.1 (kubectl before) are served alike.
Source: core/v1 PodExecOptions, PodAttachOptions, PodPortForwardOptions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.apiserver.deps import (
    AttachRequest,
    ExecRequest,
    Objects,
    OpenPodStream,
    PodStream,
)
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.podlogs import chosen_container
from lateen.apiserver.reading import found
from lateen.apiserver.streaming_callers import (
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    Caller,
    SocketCaller,
    SpdyCaller,
)
from lateen.apiserver.streaming_forwarding import (
    TUNNEL,
    forward_channels,
    forward_spdy,
    ports_asked,
)
from lateen.apiserver.streaming_spdy import SpdyConnection
from lateen.apiserver.streaming_wires import RawWire, SocketWire, Wire
from lateen.apiserver.targets import Target
from lateen.base.errors import EnvironmentFault

_TRUE = ("true", "1")
_COMMANDS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io")
_SPDY_COMMAND = "v4.channel.k8s.io"
_SPDY_FORWARD = "portforward.k8s.io"
_FORWARDS = (TUNNEL, "v4.channel.k8s.io")
_HEARTBEAT_SECONDS = 30.0
_CLOSE_SECONDS = 1.0  # for a caller to answer that it has heard the end; some never do
_OPEN_SECONDS = 30.0  # for a SPDY caller to open its streams, as the kubelet


async def answer_stream(
    request: web.Request, target: Target, store: Objects, open_stream: OpenPodStream
) -> web.StreamResponse:
    """Serve one of the three; faults before the upgrade are ordinary answers."""
    pod = found(store, target)
    _require_running(pod)
    if target.subresource == "portforward":
        return await _forward(request, pod, open_stream)
    return await _talk(request, _asked(request, target.subresource, pod), open_stream)


def _require_running(pod: Obj) -> None:
    assert isinstance(pod.typed, Pod)  # noqa: S101 - only pods have these
    status = pod.typed.status
    if status.phase in ("Succeeded", "Failed"):
        words = "cannot exec into a container in a completed pod; current phase is"
        raise ApiFault(400, f"{words} {status.phase}")
    if not pod.typed.spec.node_name or not status.pod_ip:
        raise ApiFault(400, f"pod {pod.key.name} does not have a host assigned")


def _asked(request: web.Request, what: str, pod: Obj) -> ExecRequest | AttachRequest:
    query = request.query
    container = chosen_container(query.get("container", ""), pod)
    stdin, tty = (query.get(name) in _TRUE for name in ("stdin", "tty"))
    if not any(query.get(name) in _TRUE for name in ("stdin", "stdout", "stderr")):
        raise ApiFault(400, "you must specify at least 1 of stdin, stdout, stderr")
    if what == "attach":
        return AttachRequest(uid=pod.meta.uid, container=container, stdin=stdin)
    command = tuple(query.getall("command", []))
    if not command:
        raise ApiFault(400, "you must specify at least one command for the container")
    return ExecRequest(uid=pod.meta.uid, container=container, command=command, stdin=stdin, tty=tty)


async def _talk(
    request: web.Request, asked: ExecRequest | AttachRequest, open_stream: OpenPodStream
) -> web.StreamResponse:
    if _wants_socket(request):
        socket = await _socket(request, _COMMANDS)
        caller = SocketCaller(socket, text="base64" in (socket.ws_protocol or ""))
        await _carry(caller, asked, open_stream)
        return socket
    _require_spdy(request, _SPDY_COMMAND)
    tty = request.query.get("tty") in _TRUE
    kinds = {"stdin": STDIN, "stdout": STDOUT} | ({} if tty else {"stderr": STDERR})
    wanted = {ERROR} | {n for name, n in kinds.items() if request.query.get(name) in _TRUE}
    wanted |= {RESIZE} if tty else set()
    async with _spdy(RawWire.switch(request, _switching(_SPDY_COMMAND))) as connection:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OPEN_SECONDS):
                spdy = await SpdyCaller.opened(connection, wanted)
            if spdy is not None:
                await _carry(spdy, asked, open_stream)
    return web.Response()


async def _carry(
    caller: Caller, asked: ExecRequest | AttachRequest, open_stream: OpenPodStream
) -> None:
    """Both ways until the command ends or the caller goes."""
    try:
        stream = await open_stream(asked)
    except EnvironmentFault as fault:
        await caller.finish(_status({"error": str(fault)}))
        return
    down = asyncio.create_task(_down(stream, caller), name="stream to caller")
    up = asyncio.create_task(_up(caller, stream), name="stream to pod")
    try:
        await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
        if down.done():
            await caller.finish(_status(down.result()))
    finally:
        stream.close()
        for task in (down, up):
            task.cancel()
        await asyncio.gather(down, up, return_exceptions=True)


async def _down(stream: PodStream, caller: Caller) -> dict[str, Any]:
    while (piece := await stream.receive()) is not None:
        channel, data = piece
        if channel == ERROR:
            ended: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
            return ended
        await caller.send(channel, data)
    return {"error": "the node agent has gone"}


async def _up(caller: Caller, stream: PodStream) -> None:
    while (piece := await caller.receive()) is not None:
        await stream.send(*piece)


def _status(ended: dict[str, Any]) -> bytes:
    """The Status that tells how a command ended."""
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    if error := ended.get("error"):
        message = f"Internal error occurred: {error}"
        more = {"status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    elif code := ended.get("exit_code", 0):
        more = {
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    else:
        more = {"status": "Success"}
    return json.dumps(status | more).encode()


async def _forward(
    request: web.Request, pod: Obj, open_stream: OpenPodStream
) -> web.StreamResponse:
    if not _wants_socket(request):
        _require_spdy(request, _SPDY_FORWARD)
        async with _spdy(RawWire.switch(request, _switching(_SPDY_FORWARD))) as connection:
            await forward_spdy(connection, pod.meta.uid, open_stream)
        return web.Response()
    protocols = request.headers.get("Sec-WebSocket-Protocol", "")
    ports = () if TUNNEL in protocols else ports_asked(request.query.getall("ports", []))
    socket = await _socket(request, _FORWARDS)
    if socket.ws_protocol == TUNNEL:
        async with _spdy(SocketWire(socket)) as connection:
            await forward_spdy(connection, pod.meta.uid, open_stream)
    else:
        await forward_channels(socket, ports, pod.meta.uid, open_stream)
    return socket


def _wants_socket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def _socket(request: web.Request, protocols: tuple[str, ...]) -> web.WebSocketResponse:
    """Upgrade to a WebSocket that speaks one of these; 400 when the caller speaks none."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if not {p.strip() for p in offered.split(",")} & set(protocols):
        known = ", ".join(protocols)
        raise ApiFault(400, f"unable to upgrade: no subprotocol of [{offered}] is of [{known}]")
    socket = web.WebSocketResponse(
        protocols=protocols, heartbeat=_HEARTBEAT_SECONDS, timeout=_CLOSE_SECONDS
    )
    await socket.prepare(request)
    return socket


def _require_spdy(request: web.Request, protocol: str) -> None:
    if request.headers.get("Upgrade", "").lower() != "spdy/3.1":
        raise ApiFault(400, "Upgrade request required")
    offered = ",".join(request.headers.getall("X-Stream-Protocol-Version", []))
    if protocol not in {p.strip() for p in offered.split(",")}:
        words = f"client supports [{offered}], server accepts [{protocol}]"
        raise ApiFault(403, f"unable to upgrade: unable to negotiate protocol: {words}")


def _switching(protocol: str) -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "SPDY/3.1",
        "X-Stream-Protocol-Version": protocol,
    }


@asynccontextmanager
async def _spdy(wire: Wire) -> AsyncIterator[SpdyConnection]:
    """A connection that is read while the block runs, and ended after it."""
    connection = SpdyConnection(wire)
    reading = asyncio.create_task(connection.serving(), name="spdy")
    try:
        yield connection
    finally:
        await connection.close()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
