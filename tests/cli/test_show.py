"""What `lateen proxy status` says of a proxy's size."""

from __future__ import annotations

import pytest

from lateen.cli.show import amount_of


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (34_567, "34.6 KB"), (1_234_567, "1.2 MB")],
)
def test_bytes_are_shown_for_people(size: int, shown: str) -> None:
    assert amount_of(size) == shown
