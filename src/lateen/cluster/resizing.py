"""End the pods whose requests are far from what is recommended, so that new ones get them.

In: a VerticalPodAutoscaler with its status, its pods, budgets, the time.    Out: actions.
Before: cluster/recommending.py        After: stages/sizing.py
Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/updater (priority, restriction), its default flags.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.quantity import exact
from lateen.api.vertical import ContainerRecommendation
from lateen.cluster.actions import Action, DeleteObject, Tell
from lateen.cluster.amounts import asked_of
from lateen.cluster.budgets import budget_of, selects
from lateen.cluster.evicting import disrupted
from lateen.cluster.pods import is_active, is_ready, pod_of
from lateen.cluster.recommending import vertical_of
from lateen.cluster.statuses import moment

MODES = ("Auto", "Recreate", "InPlaceOrRecreate")  # those that end pods
_LEAST_REPLICAS = 2  # a workload of fewer live pods is left alone
_AT_ONCE = 0.5  # of a workload's pods
_LONG = 12 * 3600.0  # seconds a pod lives before it is ended for a difference within the bounds
_DIFFERENCE = 0.1
_SELF = "vpa-updater"


class _Off(Struct, frozen=True, kw_only=True):
    """How far a pod is from its recommendation."""

    outside: bool = False
    difference: float = 0.0


def resize(
    vertical: Obj, pods: Sequence[Obj], replicas: int, budgets: Sequence[Obj], now: datetime
) -> tuple[Action, ...]:
    """End as many as may be ended now; `replicas` are how many the workload wants."""
    spec, status = vertical_of(vertical).spec, vertical_of(vertical).status
    policy = spec.update_policy
    if policy.update_mode not in MODES or status.recommendation is None:
        return ()
    live = [pod for pod in pods if is_active(pod)]
    least = _LEAST_REPLICAS if policy.min_replicas is None else policy.min_replicas
    if len(live) < least:
        return ()
    ready = sum(is_ready(pod) for pod in live)
    most = max(1, math.floor(replicas * _AT_ONCE))
    allowed = max(0, ready - (replicas - most))
    offs = [(pod, _off(pod, status.recommendation.container_recommendations)) for pod in live]
    due = [(off, pod) for pod, off in offs if is_ready(pod) and _is_due(pod, off, now)]
    order = sorted(due, key=lambda one: (not one[0].outside, -one[0].difference, one[1].key))
    left = {b.meta.uid: budget_of(b).status.disruptions_allowed for b in budgets}
    actions: list[Action] = []
    for _, pod in order[:allowed]:
        mine = [b for b in budgets if selects(budget_of(b), pod)]
        if all(left[b.meta.uid] > 0 for b in mine):
            left |= {b.meta.uid: left[b.meta.uid] - 1 for b in mine}
            actions += _evicted(vertical, pod, now)
    return tuple(actions)


def _off(pod: Obj, recommendations: Sequence[ContainerRecommendation]) -> _Off:
    """Whether a request is out of bounds; how far all requests together are from the target."""
    by_name = {one.container_name: one for one in recommendations}
    outside = False
    asked: dict[str, float] = {}
    wanted: dict[str, float] = {}
    for container in pod_of(pod).spec.containers:
        one = by_name.get(container.name)
        if one is None:
            continue
        for resource, target in one.target.items():
            scale = 1000 if resource == "cpu" else 1
            have = asked_of(container, resource) / scale
            asked[resource] = asked.get(resource, 0.0) + have
            wanted[resource] = wanted.get(resource, 0.0) + float(exact(target))
            low, high = one.lower_bound[resource], one.upper_bound[resource]
            outside |= not float(exact(low)) <= have <= float(exact(high))
    apart = (abs(wanted[r] - asked[r]) / max(asked[r], 1e-3) for r in wanted)
    return _Off(outside=outside, difference=sum(apart))


def _is_due(pod: Obj, off: _Off, now: datetime) -> bool:
    if off.outside:
        return True
    since = moment(pod_of(pod).status.start_time)
    if since is None or (now - since).total_seconds() < _LONG:
        return False
    return off.difference >= _DIFFERENCE


def _evicted(vertical: Obj, pod: Obj, now: datetime) -> Iterator[Action]:
    why = Condition(
        type="DisruptionTarget",
        status="True",
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
    )
    words = "Pod was evicted by VPA Updater to apply resource recommendation."
    yield disrupted(pod, why, now)
    yield Tell(about=pod, reason="EvictedByVPA", message=words, component=_SELF)
    words = f"VPA Updater evicted Pod {pod.key.name} to apply resource recommendation."
    yield Tell(about=vertical, reason="EvictedPod", message=words, component=_SELF)
    yield DeleteObject(key=pod.key)
