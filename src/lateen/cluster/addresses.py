"""Addresses for pods and Services, given out in order and never twice at a time.

In: the addresses in use.    Out: free ones.
Before: -       After: cluster/scheduling.py, cluster/services.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

PODS = IPv4Network("198.18.0.0/16")
SERVICES = IPv4Network("198.19.0.0/16")
HOST = "198.18.0.1"  # the sandbox's bridge: what pods know as their node
API = "198.19.0.1"  # of Service kubernetes
_KEPT_BACK = 16  # the first addresses of each network are the platform's


def free_addresses(network: IPv4Network, used: Iterable[str]) -> Iterator[str]:
    """Free addresses: first those above all in use, so that a freed one rests before its reuse."""
    first = int(network.network_address) + _KEPT_BACK
    last = int(network.broadcast_address) - 1
    taken = {number for address in used if first <= (number := _number(address)) <= last}
    begin = max(taken, default=first - 1) + 1
    for number in (*range(begin, last + 1), *range(first, begin)):
        if number not in taken:
            yield str(IPv4Address(number))


def _number(address: str) -> int:
    try:
        return int(IPv4Address(address))
    except ValueError:
        return 0
