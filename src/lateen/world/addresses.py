"""Give ServiceEntry hosts without an address one of their own, as Istio's auto-allocation does.

In: hosts, oldest first.    Out: addresses of 240.240.0.0/16.
Before: -                   After: world/build.py

An address follows from the host's name alone; only where two hosts fall on the same one does the
younger move on. So a new host never takes the address of an older one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

_THIRD = 256
_FOURTH = 254  # .0 and .255 are left out
_SLOTS = _THIRD * _FOURTH


def allocate(hosts: Iterable[str]) -> dict[str, str]:
    """An address for each host; hosts beyond the 65,024 there are get none."""
    taken: set[int] = set()
    found: dict[str, str] = {}
    for host in hosts:
        if host in found or len(taken) == _SLOTS:
            continue
        digest = hashlib.blake2b(host.encode(), digest_size=8).digest()
        slot = int.from_bytes(digest) % _SLOTS
        while slot in taken:
            slot = (slot + 1) % _SLOTS
        taken.add(slot)
        found[host] = f"240.240.{slot // _FOURTH}.{slot % _FOURTH + 1}"
    return found
