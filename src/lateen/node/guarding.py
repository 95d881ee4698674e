"""The packet filter of one pod's NetworkPolicies: a table of its own in the pod's namespace.

In: PodFilter.                 Out: Chains and sets; `encode_guard`.
Before: node/nft.py            After: node/network.py

Packets are judged where they are what they are on the wire: coming in before the redirection to the
proxy, so that a port is the application's; going out after it, so that an address is another pod's or
an outside one, never a Service's. What is not let pass is dropped. Every packet of the side that opened a
connection is judged, not the first alone: a change also ends what is open.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

from lateen.ir.packets import EVERY_PORT, EVERYWHERE, Allow, Block, PodFilter, PortRange
from lateen.node import addresses as at
from lateen.node.nft import (
    ACCEPT,
    ANSWER,
    DESTINATION,
    NOT_EQUAL,
    RELATED,
    SOURCE,
    AddressSet,
    Chain,
    Rule,
    address_among,
    address_in,
    encode,
    end,
    input_from,
    marked,
    of_protocol,
    on_ports,
    output_to,
)

TABLE = "lateen-policies"
_PROTOCOLS = {
    "TCP": socket.IPPROTO_TCP,
    "UDP": socket.IPPROTO_UDP,
    "SCTP": socket.IPPROTO_SCTP,
}
_BEFORE_NAT = -150  # after the tracking of connections
_AFTER_NAT = 0


def encode_guard(passing: PodFilter) -> bytes:
    """One transaction that puts this filter in place of the pod's last one."""
    chains, sets = guard(passing)
    return encode(TABLE, chains, sets, replace=True)


def guard(passing: PodFilter) -> tuple[tuple[Chain, ...], tuple[AddressSet, ...]]:
    """The chains for the directions that are closed, and the addresses they look for."""
    chains: list[Chain] = []
    sets: list[AddressSet] = []
    if passing.ingress is not None:
        made = _sets("from", passing.ingress)
        rules = (
            (*input_from("lo"), *end(ACCEPT)),
            *_of_others(),
            *_rules(SOURCE, "from", passing.ingress),
        )
        chains.append(_closed("ingress", "prerouting", rules, _BEFORE_NAT))
        sets += made
    if passing.egress is not None:
        made = _sets("to", passing.egress)
        rules = (
            (*output_to("lo"), *end(ACCEPT)),
            (*marked(at.PROBE_MARK), *end(ACCEPT)),
            *_of_others(),
            *_rules(DESTINATION, "to", passing.egress),
        )
        chains.append(_closed("egress", "postrouting", rules, _AFTER_NAT))
        sets += made
    return tuple(chains), tuple(sets)


def _closed(name: str, hook: str, rules: tuple[Rule, ...], priority: int) -> Chain:
    return Chain(name=name, hook=hook, type="filter", rules=rules, accept=False, priority=priority)


def _of_others() -> Iterator[Rule]:
    """Answers to what the other side was let to ask, and the network's word on either."""
    yield (*ANSWER, *end(ACCEPT))
    yield (*RELATED, *end(ACCEPT))


def _sets(name: str, allows: Iterable[Allow]) -> Iterator[AddressSet]:
    for index, allow in enumerate(allows):
        if allow.pods:
            yield AddressSet(name=f"{name}-{index}", addresses=allow.pods)


def _rules(which: int, name: str, allows: Iterable[Allow]) -> Iterator[Rule]:
    for index, allow in enumerate(allows):
        peers: list[Rule] = [address_among(which, f"{name}-{index}")] if allow.pods else []
        peers += [_block(which, block) for block in allow.blocks]
        for peer in peers:
            for ports in map(_ports, allow.ports) if allow.ports else ((),):
                yield (*peer, *ports, *end(ACCEPT))


def _ports(ports: PortRange) -> Rule:
    protocol = of_protocol(_PROTOCOLS[ports.protocol])
    if (ports.first, ports.last) == EVERY_PORT:
        return protocol
    return (*protocol, *on_ports(ports.first, ports.last))


def _block(which: int, block: Block) -> Rule:
    within = () if block == EVERYWHERE else _network(which, block.network)
    parts = (part for out in block.excluded for part in _network(which, out, NOT_EQUAL))
    return (*within, *parts)


def _network(which: int, network: str, op: int = 0) -> Rule:
    address, _, length = network.partition("/")
    return () if length == "0" else address_in(which, address, int(length), op)
