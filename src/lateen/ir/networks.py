"""Networks as texts (CIDR): the form they are compared in, and the narrowest that holds an address.

In: texts.    Out: texts.
Before: -     After: translate/rawroutes.py, explain/
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network


def network_of(text: str) -> str:
    """A network by its first address: `10.1.2.3/8` is `10.0.0.0/8`, and an address alone its own."""
    return str(ip_network(text, strict=False))


def narrowest(networks: Iterable[str], address: str) -> str | None:
    """The narrowest network an address is in; "" holds all of them. None if it is in none."""
    found: tuple[int, str] | None = None
    for text in networks:
        length = -1
        if text:
            network = ip_network(text)
            if not address or ip_address(address) not in network:
                continue
            length = network.prefixlen
        if found is None or length > found[0]:
            found = (length, text)
    return found[1] if found else None
