"""Ask a server's grpc.health.v1 service, over plain HTTP/2.

In: a connection, a service name.    Out: `check`.
Before: -       After: node/probes.py

One request and one small answer need no gRPC library, which alone would double the agent's memory:
the request's headers are written as HPACK literals, and the answer is read from its DATA frame.
Source: RFC 9113, RFC 7541 section 6.2.2, grpc/health/v1/health.proto.
"""

from __future__ import annotations

import asyncio
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 1, 4, 1, 8
_MAX_FRAME = 16 * 1024
_SERVING = 1


def request(service: str, authority: str) -> bytes:
    """The whole client side of one Check call."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    headers = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe/1.34"),
    )
    block = b"".join(b"\x00" + _text(key) + _text(value) for key, value in headers)
    body = struct.pack("!BI", 0, len(message)) + message
    return (
        _PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, 1, block)
        + _frame(_DATA, _END_STREAM, 1, body)
    )


def is_serving(data: bytes) -> bool:
    """Whether a length-prefixed HealthCheckResponse says SERVING."""
    return data[:1] == b"\0" and data[5:] == bytes((0x08, _SERVING))


async def check(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: str, authority: str
) -> bool:
    """Whether the server answers SERVING; raises OSError, EOFError or ValueError when it makes no sense."""
    writer.write(request(service, authority))
    data = b""
    while True:
        head = await reader.readexactly(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack("!BBI", head[3:])
        if length > _MAX_FRAME:
            raise ValueError("not an HTTP/2 server")
        body = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _DATA and stream == 1:
            data += body[1 : len(body) - body[0]] if flags & _PADDED else body
        if kind in {_RST_STREAM, _GOAWAY}:
            return False
        if kind in {_DATA, _HEADERS} and flags & _END_STREAM:
            return is_serving(data)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + struct.pack("!BBI", kind, flags, stream) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    return b"\x7f" + _varint(len(raw) - 127) + raw


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])
