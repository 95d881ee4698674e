"""Which packets may reach a pod and which may leave it, whatever its proxy says.

In: -    Out: PodFilter, Allow, Block, PortRange; `admits`.
Before: -       After: translate/packets.py, node/guarding.py, stages/bordering.py
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

EVERY_PORT = (0, 65535)


class PortRange(Struct, frozen=True, kw_only=True, order=True):
    """Ports of one protocol (`TCP`, `UDP`, `SCTP`), both ends included."""

    protocol: str
    first: int = EVERY_PORT[0]
    last: int = EVERY_PORT[1]

    def holds(self, protocol: str, port: int) -> bool:
        """Whether that port is one of them."""
        return protocol == self.protocol and self.first <= port <= self.last


class Block(Struct, frozen=True, kw_only=True, order=True):
    """The IPv4 addresses of a network (`10.0.0.0/8`) less those of some networks in it."""

    network: str
    excluded: tuple[str, ...] = ()

    def holds(self, address: str) -> bool:
        """Whether that address is in it."""
        return _within(address, self.network) and not any(
            _within(address, e) for e in self.excluded
        )


EVERYWHERE = Block(network="0.0.0.0/0")


class Allow(Struct, frozen=True, kw_only=True):
    """Packets that pass: with one of these at the other end, to one of these ports.

    `pods` are addresses of pods, `blocks` networks. Without `ports` every packet passes, whatever its
    protocol. `origin` names the policy and the rule.
    """

    pods: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    ports: tuple[PortRange, ...] = ()
    origin: str = ""

    def holds(self, address: str, protocol: str, port: int) -> bool:
        """Whether a packet with this address at the other end passes to this port."""
        if self.ports and not any(each.holds(protocol, port) for each in self.ports):
            return False
        return address in self.pods or any(block.holds(address) for block in self.blocks)


class PodFilter(Struct, frozen=True, kw_only=True):
    """What passes in each direction; None where no policy is about the pod: everything does.

    A connection is judged by who opened it: its answers pass. A pod always reaches itself.
    """

    ingress: tuple[Allow, ...] | None = None
    egress: tuple[Allow, ...] | None = None


OPEN = PodFilter()


def admits(allows: Iterable[Allow] | None, address: str, protocol: str, port: int) -> bool:
    """Whether one direction of a filter lets a connection pass."""
    return allows is None or any(each.holds(address, protocol, port) for each in allows)


@cache
def _network(text: str) -> IPv4Network:
    return IPv4Network(text)


def _within(address: str, network: str) -> bool:
    return IPv4Address(address) in _network(network)
