"""Keep a PodDisruptionBudget's status: how many pods may be taken away now.

In: a budget, the pods it selects, the sets that made them, the time.    Out: actions.
Before: cluster/pods.py        After: cluster/controllers.py, apiserver/ (eviction)
Source: kubernetes pkg/controller/disruption.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.policy import BudgetStatus, PodDisruptionBudget
from lateen.base.errors import Bug
from lateen.cluster.actions import Action
from lateen.cluster.pods import is_done, is_ready, is_terminating
from lateen.cluster.rollouts import share_of
from lateen.cluster.statuses import say, with_conditions


def budget_of(obj: Obj) -> PodDisruptionBudget:
    """The typed budget."""
    if not isinstance(obj.typed, PodDisruptionBudget):
        raise Bug(f"{obj.key} is no PodDisruptionBudget")
    return obj.typed


def reconcile_budget(
    budget: Obj, pods: Sequence[Obj], sets: Sequence[Obj], now: datetime
) -> tuple[Action, ...]:
    """Say how many of the pods are healthy, should be, and may be missing.

    `sets` are what may own pods: their spec.replicas say how many are expected of each.
    """
    if budget.meta.deletion_timestamp:
        return ()
    typed = budget_of(budget)
    mine = [pod for pod in pods if selects(typed, pod) and not is_done(pod)]
    expected = _expected(mine, {s.meta.uid: s for s in sets})
    healthy = sum(is_ready(pod) and not is_terminating(pod) for pod in mine)
    desired = _desired(typed, expected)
    allowed = max(0, healthy - desired) if expected else 0
    enough = Condition(
        type="DisruptionAllowed",
        status="True" if allowed else "False",
        reason="SufficientPods" if allowed else "InsufficientPods",
        observed_generation=budget.meta.generation,
    )
    status = BudgetStatus(
        observed_generation=budget.meta.generation,
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=desired,
        expected_pods=expected,
        conditions=with_conditions(typed.status.conditions, [enough], now),
    )
    return say(budget, status)


def selects(budget: PodDisruptionBudget, pod: Obj) -> bool:
    """Whether the budget speaks of this pod; an empty selector of all, none of none."""
    selector = budget.spec.selector
    return selector is not None and selector.matches(pod.meta.labels)


def _desired(budget: PodDisruptionBudget, expected: int) -> int:
    """Percentages are rounded up, in favour of those that stay for minAvailable."""
    spec = budget.spec
    if spec.max_unavailable is not None:
        return max(0, expected - math.ceil(share_of(spec.max_unavailable, expected)))
    if spec.min_available is not None:
        return math.ceil(share_of(spec.min_available, expected))
    return 0


def _expected(pods: Iterable[Obj], sets: Mapping[str, Obj]) -> int:
    """The replicas of every set that made one of the pods; a Deployment counts in place of its sets."""
    counted: dict[str, int] = {}
    for pod in pods:
        owner = _top(pod, sets)
        if owner is None:
            counted[pod.meta.uid] = 1
        else:
            replicas = (owner.raw.get("spec") or {}).get("replicas", 1)
            counted[owner.meta.uid] = replicas if isinstance(replicas, int) else 1
    return sum(counted.values())


def _top(obj: Obj, sets: Mapping[str, Obj]) -> Obj | None:
    """The topmost of the sets that stand behind an object."""
    found: Obj | None = None
    while True:
        owners = (o.uid for o in obj.meta.owner_references if o.controller)
        above = next((sets[uid] for uid in owners if uid in sets), None)
        if above is None:
            return found
        found = obj = above
