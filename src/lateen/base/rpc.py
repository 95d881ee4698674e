"""Serve gRPC calls on a Unix socket: HTTP/2 by h2, messages as bytes, neither task nor thread per call.

In: methods by path; connections.    Out: calls: messages in, messages out, a status.
Before: base/errors.py               After: xds/server.py, ca/workloadapi.py
Source: "gRPC over HTTP2" (the protocol's own text), RFC 9113. Why not grpc.aio: docs/decisions/0010.

What comes is handed to a `Served` at once, in the event loop's own turn. What a client is too slow to
read stays with its call, as references to bytes that calls may share; nothing is copied ahead of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Protocol, cast
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

from lateen.base.errors import EnvironmentFault

_PATH_LIMIT = 104  # bytes; the smallest sun_path of the systems we run on
_BACKLOG = 4096  # clients that come at once, as all do after a restart
_PIECE = 128 * 1024  # bytes given to the socket at a time
_AHEAD = 64 * 1024  # bytes that may wait for the socket
_WINDOW = (
    1024 * 1024
)  # bytes a client may send before they are taken: what it lists when it comes back
_PREFIX = struct.Struct("!BI")  # compressed or not, length


class Status(IntEnum):
    """How a call ended; gRPC's own numbers."""

    OK = 0
    INVALID_ARGUMENT = 3
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAUTHENTICATED = 16


class Served(Protocol):
    """Our half of a call. None of these waits."""

    def received(self, message: bytes) -> None:
        """The client sent this."""

    def writable(self) -> None:
        """All that had to wait has been given to the socket."""

    def said_all(self) -> None:
        """The client will send no more; it may still read."""

    def gone(self) -> None:
        """The call is over, whoever ended it."""


Method = Callable[["Call"], Served]


class Call:
    """The client's half. `peer`: the address of the client's own socket, mostly none."""

    def __init__(self, connection: _Connection, number: int, metadata: Mapping[str, str]) -> None:
        self.metadata = metadata
        self.number = number
        self.served: Served | None = None
        self.peer = connection.peer
        self._connection = connection
        self._waiting: deque[bytes | memoryview] = deque()
        self._got = bytearray()
        self._ending: tuple[Status, str] | None = None
        self._owed = 0  # bytes taken that the client has not been told of
        self._held = False
        self.answered = False  # whether the response has begun
        self.half_closed = False  # whether the client has said all
        self.stuck = False  # whether something could not be sent when it should have been
        self.over = False

    @property
    def blocked(self) -> bool:
        """Whether something waits for the client to read."""
        return bool(self._waiting)

    def send(self, parts: Iterable[bytes]) -> None:
        """One message, in parts. It waits where the client does not read; `blocked` says so."""
        if self.over or self._ending is not None:
            return
        parts = list(parts)
        prefix = _PREFIX.pack(0, sum(map(len, parts)))
        self._waiting.append(prefix + parts[0] if parts else prefix)
        self._waiting.extend(parts[1:])
        self._connection.write(self)

    def end(self, status: Status = Status.OK, details: str = "") -> None:
        """Say no more, once what waits is sent."""
        if not self.over and self._ending is None:
            self._ending = status, details
            self._connection.write(self)

    @property
    def ending(self) -> tuple[Status, str] | None:
        """The status to send, when nothing else waits."""
        return None if self._waiting else self._ending

    def next_part(self, room: int) -> bytes | memoryview:
        """Some of what waits, at most `room` bytes."""
        first = self._waiting.popleft()
        if len(first) <= room:
            return first
        whole = memoryview(first)
        self._waiting.appendleft(whole[room:])
        return whole[:room]

    def hold(self) -> None:
        """Let the client wait with more; what it has sent already still comes."""
        self._held = True

    def go_on(self) -> None:
        """Take more from the client again."""
        if self._held:
            self._held = False
            owed, self._owed = self._owed, 0
            self._connection.go_on(self.number, owed)

    def take(self, data: bytes, size: int, largest: int) -> None:
        """Bytes that came, `size` of them by the client's own count."""
        if self._held:
            self._owed += size
        else:
            self._connection.took(self.number, size)
        self._got += data
        while not self.over and len(self._got) >= _PREFIX.size:
            compressed, length = _PREFIX.unpack_from(self._got)
            if compressed or length > largest:
                why = "compressed" if compressed else f"larger than {largest} bytes"
                self._waiting.clear()
                self.end(Status.RESOURCE_EXHAUSTED, f"a message is {why}")
                return
            if len(self._got) < (whole := _PREFIX.size + length):
                return
            message = bytes(self._got[_PREFIX.size : whole])
            del self._got[:whole]
            if self.served is not None:
                self.served.received(message)

    def hear_the_end(self) -> None:
        """The client has said all."""
        self.half_closed = True
        if self.served is not None:
            self.served.said_all()

    def close(self) -> None:
        """The call is over, whatever waits."""
        self.over = True
        self._waiting.clear()
        served, self.served = self.served, None
        if served is not None:
            served.gone()


class _Connection(asyncio.Protocol):
    """One client's connection, and the calls on it."""

    def __init__(self, server: RpcServer) -> None:
        self._server = server
        config = H2Configuration(client_side=False, header_encoding="utf-8")
        self._wire = H2Connection(config)
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
            for event in self._wire.receive_data(data):
                self._take(event)
        except ProtocolError:
            self._flush()  # the reason, as HTTP/2 puts it
            self.close()
        self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._begin(event)
            case DataReceived():
                size = event.flow_controlled_length or 0
                if call := self._calls.get(event.stream_id or 0):
                    call.take(event.data or b"", size, self._server.largest)
                else:  # of a call that is over
                    self.took(event.stream_id or 0, size)
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

    def took(self, number: int, size: int) -> None:
        """Let the client send as much again."""
        if size:
            self._wire.acknowledge_received_data(size, number)

    def go_on(self, number: int, size: int) -> None:
        """The same, outside of what a connection's bytes bring about."""
        with contextlib.suppress(ProtocolError):  # the connection is about to end
            self.took(number, size)
        self._flush()

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
            sent = self._write_piece(call)
            self._flush()
            if not sent:
                break
        stuck, call.stuck = call.stuck, call.blocked
        if stuck and not call.stuck and call.served is not None:
            call.served.writable()
        if (end := call.ending) is not None:
            self._end(call, *end)

    def _write_piece(self, call: Call) -> int:
        """Some frames, as many as the socket is given at a time and the client takes; their bytes."""
        wire, sent = self._wire, 0
        if not call.answered:
            call.answered = True
            wire.send_headers(call.number, _HEAD)
        while call.blocked and sent < _PIECE:
            room = min(wire.local_flow_control_window(call.number), wire.max_outbound_frame_size)
            if room <= 0:
                break
            part = call.next_part(room)
            wire.send_data(call.number, cast("bytes", part))
            sent += len(part)
        return sent

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

    def _flush(self) -> None:
        if self._transport is not None and (data := self._wire.data_to_send()):
            self._transport.write(data)

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
