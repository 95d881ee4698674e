"""The arithmetic of a rollout: how many replicas each ReplicaSet of a Deployment should want next.

In: counts.    Out: new counts by name.    Source: kubernetes pkg/controller/deployment/rolling.go.
Before: api/workload.py        After: cluster/deployments.py
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from lateen.api.fields import IntOrString
from lateen.api.workload import DeploymentSpec, RollingUpdate


class Counts(Struct, frozen=True, kw_only=True):
    """A ReplicaSet: the replicas it wants and how many of them are available."""

    name: str
    replicas: int
    available: int


class Limits(Struct, frozen=True, kw_only=True):
    """Replicas wanted; how many more may exist, how many fewer may be available, meanwhile."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def min_available(self) -> int:
        """How many must stay available."""
        return max(0, self.replicas - self.unavailable)


def limits_of(spec: DeploymentSpec) -> Limits:
    """Percentages of the replicas, surge rounded up, unavailable rounded down; not both may be 0."""
    if spec.strategy.type == "Recreate":
        return Limits(replicas=spec.replicas, surge=0, unavailable=spec.replicas)
    update = spec.strategy.rolling_update or RollingUpdate()
    surge = math.ceil(share_of(update.max_surge, spec.replicas))
    unavailable = min(math.floor(share_of(update.max_unavailable, spec.replicas)), spec.replicas)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas=spec.replicas, surge=surge, unavailable=unavailable)


def new_replicas(limits: Limits, new: int, old: int) -> int:
    """What the new ReplicaSet should want, given what it and all old ones together want now."""
    if new >= limits.replicas:
        return limits.replicas
    room = limits.replicas + limits.surge - new - old
    return new + max(0, min(room, limits.replicas - new))


def rolled(limits: Limits, new: Counts, old: Sequence[Counts]) -> dict[str, int]:
    """The next step of a rolling update; `old` is ordered by age. Empty when there is none.

    First the new one grows. Then of the old ones the replicas that are not available go, then as many
    available ones as the limit lets go.
    """
    others = sum(o.replicas for o in old)
    grown = new_replicas(limits, new.replicas, others)
    if grown != new.replicas:
        return {new.name: grown}
    room = new.replicas + others - limits.min_available - (new.replicas - new.available)
    if room <= 0:
        return {}
    steps: dict[str, int] = {}
    for one in old:
        gone = min(room, max(0, one.replicas - one.available))
        if gone:
            steps[one.name] = one.replicas - gone
            room -= gone
    spare = new.available + sum(o.available for o in old) - limits.min_available
    for one in old:
        replicas = steps.get(one.name, one.replicas)
        gone = min(replicas, max(0, spare))
        if gone:
            steps[one.name] = replicas - gone
            spare -= gone
    return steps


def shared(wanted: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """So many replicas over ReplicaSets as they are sized now, the largest taking what is left over."""
    total = sum(sizes.values())
    if not total:
        return {}
    shares = {name: wanted * size // total for name, size in sizes.items()}
    largest = max(sorted(sizes), key=lambda name: sizes[name])
    shares[largest] += wanted - sum(shares.values())
    return shares


def share_of(wanted: IntOrString, replicas: int) -> float:
    """A number of replicas, from a number or a percentage; not rounded."""
    if isinstance(wanted, int):
        return max(0, wanted)
    written = re.fullmatch(r"(\d+)(%?)", wanted)
    if written is None:
        return replicas / 4  # the default; a check has reported the text
    number = int(written[1])
    return number * replicas / 100 if written[2] else number
