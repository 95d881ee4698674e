"""Choose which less important pods are to end so that a more important one finds room.

In: a pod, the ground, what is against each node, budgets.    Out: Victims, or why there are none.
Before: cluster/grounds.py, cluster/budgets.py        After: cluster/scheduling.py
Source: kubernetes pkg/scheduler/framework/preemption, plugins/defaultpreemption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.cluster.budgets import budget_of, selects
from lateen.cluster.fitting import Against
from lateen.cluster.grounds import Ground, Settler, against
from lateen.cluster.pods import is_terminating, pod_of

_HOPELESS = "Preemption is not helpful for scheduling"
_NOBODY = "No preemption victims found for incoming pod"


class Victims(Struct, frozen=True, kw_only=True):
    """Who is to go from which node; `broken` of them against a PodDisruptionBudget."""

    node: str
    pods: tuple[Settler, ...]
    broken: int = 0

    @property
    def price(self) -> tuple[int, int, int, int, str]:
        """The least broken budgets, the least important, the fewest; then by name."""
        importances = [s.importance for s in self.pods]
        return (self.broken, max(importances), sum(importances), len(importances), self.node)


def preempt(
    pod: Settler,
    ground: Ground,
    reasons: Mapping[str, tuple[Against, ...]],
    budgets: Sequence[Obj],
    *,
    never: bool,
) -> Victims | str:
    """Whom to end for this pod, or in which words nobody can be; `pod` is on no node yet."""
    if never:
        return "preemption: not eligible due to preemptionPolicy=Never."
    nominated = pod_of(pod.obj).status.nominated_node_name
    if any(is_terminating(s.obj) for s in _lesser(pod, ground, nominated)):
        return "preemption: not eligible due to a terminating pod on the nominated node."
    why: Counter[str] = Counter()
    found: list[Victims] = []
    for name, some in reasons.items():
        if any(reason.hopeless for reason in some):
            why[_HOPELESS] += 1
            continue
        chosen = _victims(pod, ground, name, budgets)
        if isinstance(chosen, Victims):
            found.append(chosen)
        else:
            why.update(chosen)
    if found:
        return min(found, key=lambda victims: victims.price)
    return f"preemption: {no_node(len(reasons), why)}"


def no_node(count: int, reasons: Mapping[str, int]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`"""
    said = ", ".join(sorted(f"{number} {words}" for words, number in reasons.items()))
    return f"0/{count} nodes are available: {said}."


def _lesser(pod: Settler, ground: Ground, name: str) -> list[Settler]:
    return [s for s in ground.on(name) if s.importance < pod.importance]


def _victims(
    pod: Settler, ground: Ground, name: str, budgets: Sequence[Obj]
) -> Victims | tuple[str, ...]:
    """Without all the less important it must fit; then as many as can are let stay."""
    lesser = _lesser(pod, ground, name)
    if not lesser:
        return (_NOBODY,)
    going = {s.obj.meta.uid for s in lesser}
    left = against(pod.obj, ground.without(name, going))[name]
    if left:
        return tuple(reason.words for reason in left)
    broken = _breaking(lesser, budgets)
    order = sorted(
        lesser,
        key=lambda s: (s.obj.meta.uid not in broken, -s.importance, s.obj.meta.creation_timestamp),
    )
    for settler in order:
        fewer = going - {settler.obj.meta.uid}
        if not against(pod.obj, ground.without(name, fewer))[name]:
            going = fewer
    chosen = tuple(s for s in lesser if s.obj.meta.uid in going)
    return Victims(node=name, pods=chosen, broken=len(going & broken))


def _breaking(settlers: Iterable[Settler], budgets: Sequence[Obj]) -> set[str]:
    """Those whose end a budget does not allow, the most important being counted first."""
    left = {b.meta.uid: budget_of(b).status.disruptions_allowed for b in budgets}
    broken: set[str] = set()
    for settler in sorted(settlers, key=lambda s: -s.importance):
        for budget in budgets:
            same = budget.key.namespace == settler.obj.key.namespace
            if same and selects(budget_of(budget), settler.obj):
                left[budget.meta.uid] -= 1
                if left[budget.meta.uid] < 0:
                    broken.add(settler.obj.meta.uid)
    return broken
