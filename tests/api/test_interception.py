"""What of a pod's TCP goes past its proxy, as its annotations say."""

from __future__ import annotations

import pytest

from lateen.api.interception import EVERYTHING, Interception, interception_of

PREFIX = "traffic.sidecar.istio.io/"


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("excludeInboundPorts", "9000, 80,9000", Interception(inbound=(80, 9000))),
        ("includeInboundPorts", "*", EVERYTHING),
        ("includeInboundPorts", "", Interception(only_inbound=())),
        ("includeInboundPorts", "80", Interception(only_inbound=(80,))),
        ("excludeOutboundPorts", "5432,x,70000", Interception(outbound=(5432,))),
        ("excludeOutboundIPRanges", "10.1.2.3/8", Interception(networks=("10.0.0.0/8",))),
    ],
)
def test_annotations_are_read(name: str, text: str, read: Interception) -> None:
    assert interception_of({PREFIX + name: text}) == read


def test_a_port_that_is_wanted_and_excluded_is_left_alone() -> None:
    both = Interception(inbound=(80,), only_inbound=(80, 90))
    assert [port for port in (80, 90, 100) if both.takes_in(port)] == [90]


def test_calls_are_spared_by_port_or_by_network() -> None:
    spared = Interception(outbound=(5432,), networks=("10.0.0.0/8",))
    assert not spared.takes_out("198.18.0.1", 5432)
    assert not spared.takes_out("10.9.9.9", 80)
    assert spared.takes_out("198.18.0.1", 80)
    assert spared.takes_out("", 80)
