"""Pack a series' values, and the times that many series share, into few bytes.

In: arrays of numbers.    Out: bytes, and back.
Before: -        After: history/disk.py

Most series of a mesh stand still or count by whole numbers, so a column is one of: the same value all along;
whole numbers as differences; anything else as it is. What is left of it is deflated. Values are kept bit by bit.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable
from itertools import accumulate
from operator import sub

_SAME, _WHOLE, _PLAIN = b"s", b"w", b"p"
_SIZES = ("b", "h", "i", "q")
_LARGEST = float(2**53)
_WORTH_IT = 24  # bytes from which deflating is tried
_DEFLATED, _AS_IS = b"z", b"-"


def pack_times(times: array[int]) -> bytes:
    """Times that rise, most of them by nearly the same."""
    return _packed_whole(times)


def unpack_times(body: bytes) -> array[int]:
    """What `pack_times` packed."""
    return _unpacked_whole(body)


def pack_values(values: array[float]) -> bytes:
    """One column; an empty one is not allowed."""
    first = values[0]
    if values.count(first) == len(values):
        return _SAME + struct.pack("<Id", len(values), first)
    if _are_whole(values):
        return _WHOLE + _packed_whole(array("q", map(int, values)))
    return _PLAIN + _deflated(_little(values))


def unpack_values(body: bytes) -> array[float]:
    """What `pack_values` packed."""
    kind, rest = body[:1], body[1:]
    if kind == _SAME:
        count, value = struct.unpack("<Id", rest)
        same: array[float] = array("d", [value]) * count
        return same
    if kind == _WHOLE:
        return array("d", _unpacked_whole(rest))
    plain: array[float] = _from_little("d", _inflated(rest))
    return plain


def _are_whole(values: array[float]) -> bool:
    """NaN and infinities are not; -0.0 would lose its sign, and is as good as never seen."""
    return all(map(float.is_integer, values)) and max(map(abs, values)) < _LARGEST


def _packed_whole(numbers: array[int]) -> bytes:
    steps = list(map(sub, numbers[1:], numbers))
    size = _SIZES[-1]
    for code in _SIZES:
        half = 1 << (array(code).itemsize * 8 - 1)
        if not steps or (-half <= min(steps) and max(steps) < half):
            size = code
            break
    return size.encode() + struct.pack("<q", numbers[0]) + _deflated(_little(array(size, steps)))


def _unpacked_whole(body: bytes) -> array[int]:
    size = body[:1].decode()
    (first,) = struct.unpack("<q", body[1:9])
    steps: Iterable[int] = _from_little(size, _inflated(body[9:]))
    return array("q", accumulate(steps, initial=first))


def _deflated(body: bytes) -> bytes:
    if len(body) >= _WORTH_IT:
        small = zlib.compress(body, 6)
        if len(small) < len(body):
            return _DEFLATED + small
    return _AS_IS + body


def _inflated(body: bytes) -> bytes:
    return zlib.decompress(body[1:]) if body[:1] == _DEFLATED else body[1:]


def _little(numbers: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _from_little(code: str, body: bytes) -> array:  # type: ignore[type-arg]
    numbers = array(code)
    numbers.frombytes(body)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
