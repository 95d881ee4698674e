"""The rules made of a filter let pass what the filter lets pass, packet by packet."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lateen.ir.packets import EVERYWHERE, OPEN, Allow, Block, PodFilter, PortRange, admits
from lateen.node import addresses as at
from lateen.node.guarding import encode_guard, guard
from lateen.node.nft import AddressSet, Chain, Expression

_NUMBERS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP, "SCTP": socket.IPPROTO_SCTP}


@dataclass(frozen=True, kw_only=True)
class Packet:
    """What the rules look at."""

    source: str = "198.18.0.9"
    destination: str = "198.18.0.8"
    protocol: str = "TCP"
    port: int = 80
    interface: str = "eth0"
    answer: bool = False
    related: bool = False
    mark: int = 0


def passes(chain: Chain, sets: tuple[AddressSet, ...], packet: Packet) -> bool:
    """Walk a chain as the kernel does: the first rule that matches decides, else the policy."""
    names = {one.name: frozenset(one.addresses) for one in sets}
    for rule in chain.rules:
        if _matches(rule, packet, names):
            return True  # every rule of these chains accepts
    return chain.accept


def _matches(
    rule: tuple[Expression, ...], packet: Packet, names: Mapping[str, frozenset[str]]
) -> bool:
    register = b""
    for expression in (one for part in rule for one in part):
        attributes = dict(expression["attrs"])
        data: dict[str, Any] = dict(attributes["NFTA_EXPR_DATA"]["attrs"])
        match attributes["NFTA_EXPR_NAME"]:
            case "cmp":
                if not _compared(register, data):
                    return False
            case "bitwise":
                mask = dict(data["NFTA_BITWISE_MASK"]["attrs"])["NFTA_DATA_VALUE"]
                register = bytes(a & b for a, b in zip(register, mask, strict=True))
            case "lookup":
                if socket.inet_ntoa(register) not in names[data["NFTA_LOOKUP_SET"]]:
                    return False
            case "immediate":
                return True
            case loads:
                register = _loaded(loads, data, packet)
    raise AssertionError("a rule without a verdict")


def _compared(register: bytes, data: Mapping[str, Any]) -> bool:
    value: bytes = dict(data["NFTA_CMP_DATA"]["attrs"])["NFTA_DATA_VALUE"]
    outcomes: dict[int, bool] = {
        0: register == value,
        1: register != value,
        3: register <= value,
        5: register >= value,
    }
    return outcomes[data["NFTA_CMP_OP"]]


def _loaded(kind: str, data: Mapping[str, Any], packet: Packet) -> bytes:
    if kind == "meta":
        return {
            3: struct.pack("=I", packet.mark),
            6: packet.interface.encode().ljust(16, b"\0"),
            7: packet.interface.encode().ljust(16, b"\0"),
            16: bytes([_NUMBERS[packet.protocol]]),
        }[data["NFTA_META_KEY"]]
    if kind == "ct":
        state = struct.pack("=I", 4 if packet.related else 8)
        return {0: state, 1: bytes([packet.answer])}[data["NFTA_CT_KEY"]]
    offset = data["NFTA_PAYLOAD_OFFSET"]
    if data["NFTA_PAYLOAD_BASE"] == 2:
        return struct.pack("!H", packet.port)
    return socket.inet_aton(packet.source if offset == 12 else packet.destination)


addresses = st.sampled_from(
    ["198.18.0.8", "198.18.0.9", "198.18.7.1", "10.1.2.3", "10.1.2.200", "10.9.0.1"]
)
networks = st.sampled_from(["198.18.0.8/31", "10.1.0.0/16", "10.0.0.0/8", "10.1.2.3/32"])
ports = st.sampled_from([1, 53, 79, 80, 81, 65535])


@st.composite
def ranges(draw: st.DrawFn) -> PortRange:
    protocol = draw(st.sampled_from(sorted(_NUMBERS)))
    if draw(st.booleans()):
        return PortRange(protocol=protocol)
    first, last = sorted((draw(ports), draw(ports)))
    return PortRange(protocol=protocol, first=first, last=last)


blocks = st.just(EVERYWHERE) | st.builds(
    Block, network=networks, excluded=st.lists(networks, max_size=2).map(tuple)
)
allows = st.builds(
    Allow,
    pods=st.lists(addresses, max_size=3, unique=True).map(tuple),
    blocks=st.lists(blocks, max_size=2).map(tuple),
    ports=st.lists(ranges(), max_size=2).map(tuple),
)
directions = st.lists(allows, max_size=3).map(tuple)


@given(allowed=directions, other=addresses, port=ports, protocol=st.sampled_from(sorted(_NUMBERS)))
def test_rules_let_pass_what_the_filter_admits(
    allowed: tuple[Allow, ...], other: str, port: int, protocol: str
) -> None:
    wanted = admits(allowed, other, protocol, port)
    (chain,), sets = guard(PodFilter(ingress=allowed))
    assert passes(chain, sets, Packet(source=other, protocol=protocol, port=port)) == wanted
    (chain,), sets = guard(PodFilter(egress=allowed))
    assert passes(chain, sets, Packet(destination=other, protocol=protocol, port=port)) == wanted


def test_a_closed_pod_reaches_itself_hears_answers_and_is_probed() -> None:
    (incoming, outgoing), sets = guard(PodFilter(ingress=(), egress=()))
    for chain in (incoming, outgoing):
        assert passes(chain, sets, Packet(interface="lo"))
        assert passes(chain, sets, Packet(answer=True))
        assert passes(chain, sets, Packet(related=True))
        assert not passes(chain, sets, Packet())
        assert not passes(chain, sets, Packet(mark=at.PROXY_MARK))
    assert passes(outgoing, sets, Packet(mark=at.PROBE_MARK))
    assert not passes(incoming, sets, Packet(mark=at.PROBE_MARK))


def test_packets_are_judged_before_and_after_redirection() -> None:
    (incoming, outgoing), _ = guard(PodFilter(ingress=(), egress=()))
    assert (incoming.hook, incoming.priority) == ("prerouting", -150)
    assert outgoing.hook == "postrouting"
    assert not incoming.accept
    assert not outgoing.accept


def test_a_change_is_one_transaction_that_takes_the_old_table_away() -> None:
    made = encode_guard(PodFilter(ingress=(Allow(pods=("198.18.0.9",) * 1),)))
    kinds = []
    rest = made
    while rest:
        length, kind = struct.unpack_from("=IH", rest)
        kinds.append(kind & 0xFF)
        rest = rest[length:]
    begin, make, take, again, *_, end = kinds
    assert (begin, make, take, again, end) == (0x10, 0, 2, 0, 0x11)
    assert encode_guard(OPEN) != made


def test_directions_no_policy_is_about_have_no_chain() -> None:
    assert guard(OPEN) == ((), ())
    (only,), _ = guard(PodFilter(egress=()))
    assert only.name == "egress"
