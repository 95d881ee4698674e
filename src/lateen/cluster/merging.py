"""Merge trees: what somebody wants, over what is there.

In: trees.    Out: trees.    Source: kubectl apply's three-way merge, with lists as atoms.
Before: -       After: cluster/applying.py, cluster/gateways.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def overlaid(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`live` with every wanted field set; fields not spoken of stay."""
    return merged({}, live, wanted)


def merged(
    last: Mapping[str, Any], live: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """`live` with every wanted field set, and without those `last` had and `wanted` has no more.

    Fields neither speaks of are somebody else's and stay. A list is taken or left whole.
    """
    kept = {key: value for key, value in live.items() if key in wanted or key not in last}
    return {**kept, **{key: _value(last.get(key), live.get(key), wanted[key]) for key in wanted}}


def _value(last: Any, live: Any, wanted: Any) -> Any:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return merged(last if isinstance(last, Mapping) else {}, live, wanted)
    return wanted
