"""DATA frames of HTTP/2 by hand, beside h2, which has the rest of the protocol.

In: bytes that came; parts of messages.     Out: frames; windows given back.
Before: -                                   After: base/rpc.py
Source: RFC 9113, 4.1 (frames), 5.2 (flow control), 6.1 (DATA), 6.9 (WINDOW_UPDATE).

h2 makes several objects of each frame and looks at it in several state machines, which was a third of the price of
sending something small to a proxy and hearing its answer. Nothing of what h2 decides depends on a call's bytes
but the windows: those of what comes are kept here, those of what goes stay in h2's own fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

HEAD = 9  # bytes before a frame's content
END_STREAM = 0x1
_PADDED = 0x8
_DATA, _WINDOW_UPDATE = 0x0, 0x8
_PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


class BadFrame(ProtocolError):
    """A client sent what is no frame; `error_code` is HTTP/2's word for it."""

    def __init__(self, code: ErrorCodes) -> None:
        super().__init__(code.name)
        self.error_code = code


class Incoming:
    """Parts the bytes of a client into frames."""

    def __init__(self, largest: int) -> None:
        """`largest`: bytes of a frame's content."""
        self._largest = largest
        self._opening = _PREFACE  # bytes still to come before the first frame
        self._rest = b""

    def frames(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Whole frames: DATA with the number of its stream, all else with 0. Raises BadFrame."""
        got = self._rest + data if self._rest else data
        at = 0
        if self._opening:
            at = min(self._opening, len(got))
            self._opening -= at
            yield 0, got[:at]
        while len(got) >= at + HEAD:
            size = int.from_bytes(got[at : at + 3])
            if size > self._largest:
                raise BadFrame(ErrorCodes.FRAME_SIZE_ERROR)
            end = at + HEAD + size
            if len(got) < end:
                break
            number = _number(got, at) if got[at + 3] == _DATA else 0
            yield number, got[at:end]
            at = end
        self._rest = got[at:]


def _number(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at + 5 : at + HEAD]) & 0x7FFF_FFFF


def content_of(frame: bytes) -> bytes:
    """What a DATA frame carries, without its padding. Raises BadFrame."""
    if not frame[4] & _PADDED:
        return frame[HEAD:]
    if len(frame) == HEAD or frame[HEAD] >= len(frame) - HEAD:
        raise BadFrame(ErrorCodes.PROTOCOL_ERROR)
    return frame[HEAD + 1 : len(frame) - frame[HEAD]]


def end_of(number: int) -> bytes:
    """A DATA frame that says no more than that the stream ends."""
    return b"\0\0\0" + bytes((_DATA, END_STREAM)) + number.to_bytes(4)


def given_back(number: int, size: int) -> bytes:
    """Let the client send so much more on a stream; 0: on the connection."""
    return b"\0\0\4" + bytes((_WINDOW_UPDATE, 0)) + number.to_bytes(4) + size.to_bytes(4)


def room_for(wire: H2Connection, number: int) -> int:
    """Bytes that the next DATA frame of a stream may carry. Raises StreamClosedError."""
    return min(wire.local_flow_control_window(number), wire.max_outbound_frame_size)


def head_of(wire: H2Connection, number: int, size: int) -> bytes:
    """What stands before the content of a DATA frame, which is taken off the client's windows."""
    wire.outbound_flow_control_window -= size
    wire.streams[number].outbound_flow_control_window -= size
    return size.to_bytes(3) + bytes((_DATA, 0)) + number.to_bytes(4)
