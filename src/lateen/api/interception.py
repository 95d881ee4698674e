"""What of a pod's TCP goes past its proxy: Istio's annotations `traffic.sidecar.istio.io/…`.

In: a pod's annotations.    Out: Interception.    Source: istio/api resource annotations, tools/istio-iptables.
Before: -                   After: world/workloads.py, node/protocol.py, check/injected.py

What is not a port or a network is passed over here; `lateen analyze` names it (IST0125).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

import msgspec

_PREFIX = "traffic.sidecar.istio.io/"
EXCLUDE_IN, INCLUDE_IN = f"{_PREFIX}excludeInboundPorts", f"{_PREFIX}includeInboundPorts"
EXCLUDE_OUT = f"{_PREFIX}excludeOutboundPorts"
EXCLUDE_NETWORKS = f"{_PREFIX}excludeOutboundIPRanges"


class Interception(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ports and networks that are left alone; `only_inbound`: of those that come in these are taken alone."""

    inbound: tuple[int, ...] = ()
    only_inbound: tuple[int, ...] | None = None
    outbound: tuple[int, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def spares_outbound(self) -> bool:
        """Whether anything that leaves goes past the proxy."""
        return bool(self.outbound or self.networks)

    def takes_in(self, port: int) -> bool:
        """Whether what comes to a port meets the proxy."""
        wanted = self.only_inbound is None or port in self.only_inbound
        return wanted and port not in self.inbound

    def takes_out(self, address: str, port: int) -> bool:
        """Whether what is dialled meets the proxy; `address` is "" where it is not known."""
        return port not in self.outbound and not any(
            _within(address, network) for network in self.networks
        )


EVERYTHING = Interception()


def interception_of(annotations: Mapping[str, str]) -> Interception:
    """Read the annotations."""
    taken = annotations.get(INCLUDE_IN, "*").strip()
    return Interception(
        inbound=tuple(_ports(annotations.get(EXCLUDE_IN, ""))),
        only_inbound=None if taken == "*" else tuple(_ports(taken)),
        outbound=tuple(_ports(annotations.get(EXCLUDE_OUT, ""))),
        networks=tuple(_networks(annotations.get(EXCLUDE_NETWORKS, ""))),
    )


def _ports(text: str) -> Iterator[int]:
    words = {word.strip() for word in text.split(",")}
    yield from sorted(int(w) for w in words if w.isdecimal() and 0 < int(w) < 65536)


def _networks(text: str) -> Iterator[str]:
    found = set()
    for word in text.split(","):
        try:
            found.add(IPv4Network(word.strip(), strict=False))
        except ValueError:
            continue
    yield from map(str, sorted(found))


def _within(address: str, network: str) -> bool:
    try:
        return IPv4Address(address) in IPv4Network(network)
    except ValueError:
        return False
