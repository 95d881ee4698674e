"""SPDY/3.1 frames, as kubectl speaks them for exec, attach and port-forward.

In: bytes.    Out: SynStream, Data, Reset, Ping, GoAway; Framer, which reads and writes them.
Before: -       After: apiserver/streaming_spdy.py

Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/. Headers of one direction
share one zlib stream with the protocol's dictionary. Flow control is not used by kubectl's library.
"""

from __future__ import annotations

import struct
import zlib

from msgspec import Struct

LARGEST = 4 * 1024 * 1024  # bytes of one frame's content that are taken
_LARGEST_HEADERS = 64 * 1024  # bytes, unpacked
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 6, 7, 8
_FIN = 1
_VERSION = 3
_HEAD = struct.Struct(">II")
_WORD = struct.Struct(">I")

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base content-encoding "
    "content-language content-length content-location content-md5 content-range content-type date "
    "etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma proxy-authenticate "
    "proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status|200 OK|version HTTP/1.1 url "
    "public set-cookie keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    before, ok, after = _WORDS.split("|")
    words = (*before.split(), ok, *after.split())
    return b"".join(_WORD.pack(len(w)) + w.encode() for w in words) + _TAIL.encode()


DICTIONARY = _dictionary()


class BadFrame(ValueError):
    """What came is no SPDY frame, or too large a one."""


class SynStream(Struct, frozen=True, kw_only=True):
    """A new stream with its headers (names in lower case); `fin`: its opener sends nothing more."""

    stream: int
    headers: dict[str, str]
    fin: bool = False


class Data(Struct, frozen=True, kw_only=True):
    """A piece of a stream."""

    stream: int
    data: bytes
    fin: bool = False


class Reset(Struct, frozen=True, kw_only=True):
    """A stream that is given up."""

    stream: int


class Ping(Struct, frozen=True, kw_only=True):
    """To be sent back as it came."""

    id: int


class GoAway(Struct, frozen=True, kw_only=True):
    """The other end opens no more streams."""


Frame = SynStream | Data | Reset | Ping | GoAway


class Framer:
    """One connection's reading and writing; bytes come in whatever pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)
        self._pack = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now; frames of no meaning here are passed over.

        Raises BadFrame.
        """
        self._rest += data
        found: list[Frame] = []
        while len(self._rest) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._rest)
            length = second & 0xFFFFFF
            if length > LARGEST:
                raise BadFrame(f"a frame of {length} bytes")
            if len(self._rest) < _HEAD.size + length:
                break
            body = bytes(self._rest[_HEAD.size : _HEAD.size + length])
            del self._rest[: _HEAD.size + length]
            frame = self._frame(first, second >> 24, body)
            if frame is not None:
                found.append(frame)
        return found

    def reply(self, stream: int) -> bytes:
        """Accept a stream."""
        block = self._pack.compress(_WORD.pack(0)) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return _control(_SYN_REPLY, _WORD.pack(stream) + block)

    def syn(self, frame: SynStream) -> bytes:
        """Open a stream."""
        pairs = [_text(name) + _text(value) for name, value in frame.headers.items()]
        plain = _WORD.pack(len(pairs)) + b"".join(pairs)
        block = self._pack.compress(plain) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        head = struct.pack(">IIH", frame.stream, 0, 0)
        return _control(_SYN_STREAM, head + block, _FIN if frame.fin else 0)

    def _frame(self, first: int, flags: int, body: bytes) -> Frame | None:
        fin = bool(flags & _FIN)
        if not first >> 31:
            return Data(stream=first, data=body, fin=fin)
        if (first >> 16) & 0x7FFF != _VERSION:
            raise BadFrame("a frame of another version of SPDY")
        try:
            match first & 0xFFFF:
                case k if k == _SYN_STREAM:
                    (stream,) = _WORD.unpack_from(body)
                    headers = self._headers(body[10:])
                    return SynStream(stream=stream & 0x7FFFFFFF, headers=headers, fin=fin)
                case k if k in (_SYN_REPLY, _HEADERS):
                    self._headers(body[4:])  # the shared zlib stream has to see it
                case k if k == _RST_STREAM:
                    return Reset(stream=_WORD.unpack_from(body)[0] & 0x7FFFFFFF)
                case k if k == _PING:
                    return Ping(id=_WORD.unpack_from(body)[0])
                case k if k == _GOAWAY:
                    return GoAway()
        except struct.error:
            raise BadFrame("a frame that ends too early") from None
        return None

    def _headers(self, packed: bytes) -> dict[str, str]:
        try:
            plain = self._unpack.decompress(packed, _LARGEST_HEADERS)
        except zlib.error as error:
            raise BadFrame(f"headers that cannot be unpacked: {error}") from None
        if self._unpack.unconsumed_tail:
            raise BadFrame("too many headers")
        (count,) = _WORD.unpack_from(plain)
        at, words = _WORD.size, []
        for _ in range(min(count * 2, len(plain))):
            (length,) = _WORD.unpack_from(plain, at)
            at += _WORD.size
            words.append(plain[at : at + length].decode("utf-8", "replace"))
            at += length
        return {name.lower(): value for name, value in zip(words[::2], words[1::2], strict=True)}


def data_frame(stream: int, data: bytes, *, fin: bool = False) -> bytes:
    """A piece of a stream."""
    return _HEAD.pack(stream, (_FIN if fin else 0) << 24 | len(data)) + data


def ping_frame(number: int) -> bytes:
    """A ping, or the answer to one."""
    return _control(_PING, _WORD.pack(number))


def goaway_frame(last: int) -> bytes:
    """No stream after `last` will be served."""
    return _control(_GOAWAY, struct.pack(">II", last, 0))


def reset_frame(stream: int) -> bytes:
    """Refuse a stream."""
    return _control(_RST_STREAM, struct.pack(">II", stream, 3))


def _control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return _HEAD.pack(0x80000000 | _VERSION << 16 | kind, flags << 24 | len(body)) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    return _WORD.pack(len(raw)) + raw
