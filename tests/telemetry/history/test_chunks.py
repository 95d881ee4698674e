"""Columns come back as they were, in few bytes where they stand still or count."""

from __future__ import annotations

import struct
from array import array

from hypothesis import given
from hypothesis import strategies as st

from lateen.telemetry.history.chunks import pack_times, pack_values, unpack_times, unpack_values
from lateen.telemetry.history.series import STALE, is_stale

ANY = st.floats(allow_nan=True, allow_infinity=True).filter(lambda v: v != 0 or str(v) == "0.0")
WHOLE = st.integers(-(2**52), 2**52).map(float)


def bits(values: array[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in values]


@given(st.lists(ANY | st.just(STALE), min_size=1, max_size=200) | st.lists(WHOLE, min_size=1))
def test_values_come_back_bit_by_bit(values: list[float]) -> None:
    column = array("d", values)
    assert bits(unpack_values(pack_values(column))) == bits(column)


@given(st.lists(st.integers(0, 2**45), min_size=1, unique=True).map(sorted))
def test_times_come_back(times: list[int]) -> None:
    assert list(unpack_times(pack_times(array("q", times)))) == times


def test_what_stands_still_or_counts_evenly_takes_hardly_any_room() -> None:
    assert len(pack_values(array("d", [7.5] * 120))) < 16
    assert len(pack_values(array("d", [1e6 + 25 * i for i in range(120)]))) < 32
    assert len(pack_times(array("q", range(1_700_000_000_000, 1_700_000_600_000, 5000)))) < 32


def test_only_the_mark_is_stale() -> None:
    assert is_stale(STALE)
    assert not any(map(is_stale, (float("nan"), 0.0, float("inf"))))
