"""Quantities mean what Kubernetes takes them to mean."""

from __future__ import annotations

import pytest

from lateen.api.quantity import Quantity, milli, whole


@pytest.mark.parametrize(
    ("written", "thousandths"),
    [("100m", 100), ("1", 1000), (2, 2000), ("0.5", 500), (1.5, 1500), ("1u", 1), (".25", 250)],
)
def test_cpu_is_counted_in_thousandths_of_a_core(written: Quantity, thousandths: int) -> None:
    assert milli(written) == thousandths


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [
        ("128Mi", 128 * 2**20),
        ("1G", 10**9),
        ("1e3", 1000),
        ("1E", 10**18),
        ("12E2", 1200),
        ("1.5Gi", 3 * 2**29),
        ("100m", 1),
    ],
)
def test_memory_is_counted_in_bytes(written: str, bytes_: int) -> None:
    assert whole(written) == bytes_


@pytest.mark.parametrize("written", ["", "Mi", "1 Mi", "1mi", "one", "1..2", "0x10", "1KiB"])
def test_what_is_no_quantity_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        whole(written)
