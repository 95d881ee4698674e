"""What workloads are said to call, so that their proxies need be told of nothing else.

In: -    Out: Need, Needs.
Before: base/origin.py       After: sources/needs.py, world/model.py, translate/scope.py
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from lateen.base.origin import Origin

OTHERS = "*"  # the workloads of a namespace that are not named


class Need(Struct, frozen=True, kw_only=True):
    """The hosts that the pods of a workload call, by namespace (`*` for any) as a Sidecar has them."""

    hosts: tuple[tuple[str, str], ...]
    origin: Origin


Needs = Mapping[tuple[str, str], Need]  # by namespace and workload, or OTHERS


def need_of(needs: Needs, namespace: str, workload: str) -> Need | None:
    """What is said of a workload; None if nothing is."""
    return needs.get((namespace, workload)) or needs.get((namespace, OTHERS))
