"""A gRPC call as its server sees it: messages in, messages out, a status at the end.

In: bytes of a connection.      Out: messages to a `Served`; parts of its own for the connection.
Before: base/frames.py          After: base/rpc.py, which hands it on to those who serve

What is to be sent stays here as references to bytes that calls may share, until the client reads.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Protocol

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


class Carrier(Protocol):
    """The connection that a call is on."""

    peer: str | bytes

    def write(self, call: Call) -> None:
        """Send of the call what may be sent now."""

    def took(self, call: Call, size: int) -> None:
        """Let the client send as much again."""


class Call:
    """The client's half. `peer`: the address of the client's own socket, mostly none."""

    def __init__(self, connection: Carrier, number: int, metadata: Mapping[str, str]) -> None:
        self.metadata = metadata
        self.number = number
        self.served: Served | None = None
        self.peer = connection.peer
        self._connection = connection
        self._waiting: deque[bytes | memoryview] = deque()
        self._got = bytearray()
        self._ending: tuple[Status, str] | None = None
        self._owed = 0  # bytes that came while it was held
        self._held = False
        self.untold = 0  # bytes taken that the client has not been told of
        self.counted = "content-length" in metadata  # then h2 is to see that it is right
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
            self._connection.took(self, owed)

    def take(self, data: bytes, size: int, largest: int) -> None:
        """Bytes that came, `size` of them by the client's own count."""
        if self._held:
            self._owed += size
        else:
            self._connection.took(self, size)
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
        self._connection.took(self, self._owed)
        served, self.served = self.served, None
        if served is not None:
            served.gone()
