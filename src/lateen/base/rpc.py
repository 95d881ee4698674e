"""Serve gRPC calls on a Unix socket: HTTP/2 by h2, messages as bytes, neither task nor thread per call.

In: methods by path; connections.    Out: calls: messages in, messages out, a status.
Before: base/calls.py, base/frames.py After: xds/server.py, ca/workloadapi.py
Source: "gRPC over HTTP2" (the protocol's own text), RFC 9113. Why not grpc.aio: docs/decisions/0010.

What comes is handed to a `Served` at once, in the event loop's own turn. What a client is too slow to
read stays with its call, as references to bytes that calls may share; nothing is copied ahead of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import quote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from lateen.base.calls import Call, Method, Served, Status
from lateen.base.errors import EnvironmentFault
from lateen.base.frames import (
    END_STREAM,
    HEAD,
    BadFrame,
    Incoming,
    content_of,
    end_of,
    given_back,
    head_of,
    room_for,
)

__all__ = ["Call", "Method", "RpcServer", "Served", "Status"]
_PATH_LIMIT = 104  # bytes; the smallest sun_path of the systems we run on
_BACKLOG = 4096  # clients that come at once, as all do after a restart
_PIECE = 128 * 1024  # bytes given to the socket at a time
_AHEAD = 64 * 1024  # bytes that may wait for the socket
_WINDOW = (
    1024 * 1024
)  # bytes a client may send before they are taken: what it lists when it comes back
_GIVE_BACK = _WINDOW // 4  # bytes that are taken before the client is told so


class _Connection(asyncio.Protocol):
    """One client's connection, and the calls on it."""

    def __init__(self, server: RpcServer) -> None:
        self._server = server
        config = H2Configuration(client_side=False, header_encoding="utf-8")
        self._wire = H2Connection(config)
        self._incoming = Incoming(self._wire.max_inbound_frame_size)
        self._untold = 0  # bytes taken that the client has not been told of
        self._calls: dict[int, Call] = {}
        self._transport: asyncio.Transport | None = None
        self.peer: str | bytes = ""
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_AHEAD)
        self.peer = self._transport.get_extra_info("peername") or ""
        self._server.connections.add(self)
        self._wire.initiate_connection()
        self._wire.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW})
        self._wire.increment_flow_control_window(_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for number, frame in self._incoming.frames(data):
                call = self._calls.get(number)
                if call is None or call.half_closed or call.counted:
                    self._through_h2(frame)
                else:
                    call.take(content_of(frame), len(frame) - HEAD, self._server.largest)
                    if frame[4] & END_STREAM:
                        self._through_h2(end_of(number))
        except ProtocolError as error:
            if isinstance(error, BadFrame):  # else h2 has said so itself
                self._wire.close_connection(error.error_code)
            self._flush()
            self.close()
        self._flush()

    def _through_h2(self, frame: bytes) -> None:
        for event in self._wire.receive_data(frame):
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._begin(event)
            case DataReceived():
                if size := event.flow_controlled_length or 0:
                    self._wire.acknowledge_received_data(size, event.stream_id or 0)
                if call := self._calls.get(event.stream_id or 0):  # else it is over
                    call.take(event.data or b"", 0, self._server.largest)
            case StreamEnded():
                if call := self._calls.get(event.stream_id or 0):
                    call.hear_the_end()
            case StreamReset():
                if call := self._calls.pop(event.stream_id or 0, None):
                    call.close()
            case WindowUpdated() | RemoteSettingsChanged():
                self._write_all()
            case ConnectionTerminated():
                self.close()
            case _:
                pass

    def _begin(self, event: RequestReceived) -> None:
        headers = {str(name): str(value) for name, value in event.headers or ()}
        call = self._calls[event.stream_id or 0] = Call(self, event.stream_id or 0, headers)
        method = self._server.methods.get(headers.get(":path", ""))
        if method is None or not headers.get("content-type", "").startswith("application/grpc"):
            call.end(Status.UNIMPLEMENTED, "no such method")
            return
        served = method(call)
        if not call.over:
            call.served = served

    def took(self, call: Call, size: int) -> None:
        """Let the client send as much again, when it is worth telling."""
        call.untold += size
        self._untold += size
        told = b""
        if call.untold >= _GIVE_BACK and not call.over:
            told += given_back(call.number, call.untold)
            call.untold = 0
        if self._untold >= _GIVE_BACK:
            told += given_back(0, self._untold)
            self._untold = 0
        if told:
            self._flush(told)

    def write(self, call: Call) -> None:
        """Send of a call what may be sent now."""
        if self._transport is None or call.over:
            return
        try:
            self._write(call)
        except StreamClosedError:
            call.close()  # the client has ended it, which is about to be told
        except ProtocolError:
            self.close()  # the client has ended the connection

    def _write(self, call: Call) -> None:
        while call.blocked and not self._full:
            if not call.answered:
                call.answered = True
                self._wire.send_headers(call.number, _HEAD)
            frames = self._frames_of(call)
            self._flush(*frames)
            if not frames:
                break
        stuck, call.stuck = call.stuck, call.blocked
        if stuck and not call.stuck and call.served is not None:
            call.served.writable()
        if (end := call.ending) is not None:
            self._end(call, *end)

    def _frames_of(self, call: Call) -> list[bytes | memoryview]:
        """As much as the socket is given at a time and the client takes: heads and parts in turn."""
        frames: list[bytes | memoryview] = []
        left = _PIECE
        while call.blocked and left > 0 and (room := room_for(self._wire, call.number)) > 0:
            part = call.next_part(room)
            frames += (head_of(self._wire, call.number, len(part)), part)
            left -= len(part)
        return frames

    def _end(self, call: Call, status: Status, details: str) -> None:
        tail = [("grpc-status", str(status.value))]
        if details:
            tail.append(("grpc-message", quote(details, safe=" !\"#$&'()*+,/:;<=>?@[\\]^`{|}")))
        head = [] if call.answered else _HEAD
        self._wire.send_headers(call.number, [*head, *tail], end_stream=True)
        if not call.half_closed:  # the client had more to say, and is told not to
            self._wire.reset_stream(call.number, ErrorCodes.NO_ERROR)
        self._calls.pop(call.number, None)
        call.close()
        self._flush()

    def _write_all(self) -> None:
        for call in tuple(self._calls.values()):
            self.write(call)

    def _flush(self, *frames: bytes | memoryview) -> None:
        """Send what h2 has to say, and these after it."""
        said = self._wire.data_to_send()
        if self._transport is not None and (said or frames):
            self._transport.write(b"".join((said, *frames)) if frames else said)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._write_all()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.connections.discard(self)
        self._drop_calls()

    def _drop_calls(self) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.close()

    def close(self) -> None:
        """End the connection once what the socket was given is sent."""
        if self._transport is not None:
            self._transport.close()
        self._drop_calls()

    def leave(self) -> None:
        """Tell the client that the server ends, and go, whether or not it reads that."""
        transport = self._transport
        if transport is None:
            return
        with contextlib.suppress(ProtocolError):
            self._wire.close_connection()
        self._flush()
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()


_HEAD = [(":status", "200"), ("content-type", "application/grpc")]


class RpcServer:
    """A server of some methods. Use from one event loop."""

    def __init__(self, methods: Mapping[str, Method], *, largest: int) -> None:
        """`methods` by path, `/package.Service/Method`; `largest`: bytes of a client's message."""
        self.methods = methods
        self.largest = largest
        self.connections: set[_Connection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._socket: Path | None = None

    async def start(self, socket: Path) -> None:
        """Listen on a Unix socket of mode 0600; its folder should be 0700.

        A socket left there by an earlier run is replaced. Raises EnvironmentFault.
        """
        if len(str(socket).encode()) >= _PATH_LIMIT:
            raise EnvironmentFault(f"{socket} is too long for a Unix socket's name")
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(socket.lstat().st_mode):
                raise EnvironmentFault(f"{socket} is in the way and is not a socket")
            socket.unlink()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_unix_server(
                lambda: _Connection(self), socket, backlog=_BACKLOG, start_serving=False
            )
        except OSError as error:
            raise EnvironmentFault(f"cannot listen on {socket}: {error}") from error
        socket.chmod(0o600)
        await self._server.start_serving()
        self._socket = socket

    async def stop(self) -> None:
        """End every call and remove the socket."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in tuple(self.connections):
            connection.leave()
        await asyncio.sleep(0)  # so that the connections are told of their end
        if self._socket:
            self._socket.unlink(missing_ok=True)
