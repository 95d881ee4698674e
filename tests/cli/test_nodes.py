"""`--nodes` and `--zones` say how many nodes there are and where."""

from __future__ import annotations

import pytest

from lateen.base.errors import EnvironmentFault
from lateen.cli.up import parse_nodes


@pytest.mark.parametrize(
    ("count", "zones", "places"),
    [
        (0, "", ()),
        (2, "", ("", "")),
        (3, "a,b", ("local/a", "local/b", "local/a")),
        (0, "a,b", ("local/a", "local/b")),
        (2, "eu/a,us/b/rack1", ("eu/a", "us/b/rack1")),
    ],
)
def test_zones_are_taken_in_turn(count: int, zones: str, places: tuple[str, ...]) -> None:
    assert parse_nodes(count, zones) == places


@pytest.mark.parametrize("zones", [",", "a,", "/a", "a/b/c/d", "-a", "a b", "ä"])
def test_a_zone_that_cannot_be_a_label_is_refused(zones: str) -> None:
    with pytest.raises(EnvironmentFault, match="wanted names such as a,b or eu/a,us/b"):
        parse_nodes(0, zones)


def test_there_is_a_limit() -> None:
    with pytest.raises(EnvironmentFault, match="at most 50"):
        parse_nodes(51, "")
