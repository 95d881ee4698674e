"""How fast a HorizontalPodAutoscaler may follow its wishes.

In: a wish, the rules of both directions, what was wished and done before.    Out: replicas, and why.
Before: api/autoscaling.py        After: cluster/autoscaling.py
Source: kubernetes pkg/controller/podautoscaler/horizontal.go, convertDesiredReplicasWithBehaviorRate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from lateen.api.autoscaling import AutoscalerSpec, ScalingPolicy, ScalingRules

_UP = ScalingRules(
    stabilization_window_seconds=0,
    policies=(
        ScalingPolicy(type="Pods", value=4, period_seconds=15),
        ScalingPolicy(type="Percent", value=100, period_seconds=15),
    ),
)
_DOWN = ScalingRules(
    stabilization_window_seconds=300,
    policies=(ScalingPolicy(type="Percent", value=100, period_seconds=15),),
)
_LONGEST = timedelta(hours=1)  # the longest stabilisation window and period there is


class Past(Struct, frozen=True, kw_only=True):
    """What was wished for and when; by how much was scaled and when (negative: down)."""

    wishes: tuple[tuple[datetime, int], ...] = ()
    changes: tuple[tuple[datetime, int], ...] = ()

    def wished(self, replicas: int, now: datetime) -> Past:
        """With one more wish, and without what is too old to matter."""
        kept = tuple((at, n) for at, n in self.wishes if now - at < _LONGEST)
        return Past(wishes=(*kept, (now, replicas)), changes=self.changes)

    def changed(self, by: int, now: datetime) -> Past:
        """With one more change."""
        kept = tuple((at, n) for at, n in self.changes if now - at < _LONGEST)
        return Past(wishes=self.wishes, changes=(*kept, (now, by)))


class Allowed(Struct, frozen=True, kw_only=True):
    """The replicas that may be; why they are not the wish, as the conditions say it."""

    replicas: int
    stabilized: str = ""  # a reason of condition AbleToScale
    limited: str = ""  # a reason of condition ScalingLimited


def rules_up(spec: AutoscalerSpec) -> ScalingRules:
    """The rules for more replicas."""
    return _filled(spec.behavior.scale_up, _UP)


def rules_down(spec: AutoscalerSpec) -> ScalingRules:
    """The rules for fewer replicas."""
    return _filled(spec.behavior.scale_down, _DOWN)


def allowed(spec: AutoscalerSpec, current: int, wish: int, past: Past, now: datetime) -> Allowed:
    """The step towards the wish that bounds, stabilisation and rates allow; `past` includes it."""
    steady = _steadied(spec, current, wish, past, now)
    stabilized = ""
    if steady != wish:
        stabilized = "ScaleUpStabilized" if steady < wish else "ScaleDownStabilized"
    if steady > current:
        edge = _edge(rules_up(spec), current, past, now, up=True)
        most = min(spec.max_replicas, max(edge, current))
        reason = "TooManyReplicas" if most == spec.max_replicas else "ScaleUpLimit"
        if steady > most:
            return Allowed(replicas=most, stabilized=stabilized, limited=reason)
    elif steady < current:
        edge = _edge(rules_down(spec), current, past, now, up=False)
        least = max(spec.min_replicas, min(edge, current))
        reason = "TooFewReplicas" if least == spec.min_replicas else "ScaleDownLimit"
        if steady < least:
            return Allowed(replicas=least, stabilized=stabilized, limited=reason)
    return Allowed(replicas=steady, stabilized=stabilized)


def _filled(rules: ScalingRules | None, default: ScalingRules) -> ScalingRules:
    if rules is None:
        return default
    window = rules.stabilization_window_seconds
    return ScalingRules(
        stabilization_window_seconds=default.stabilization_window_seconds
        if window is None
        else window,
        select_policy=rules.select_policy,
        policies=rules.policies or default.policies,
        tolerance=rules.tolerance,
    )


def _steadied(spec: AutoscalerSpec, current: int, wish: int, past: Past, now: datetime) -> int:
    """Up only as far as every wish of the window went, down only as far as the highest."""

    def within(rules: ScalingRules) -> list[int]:
        window = timedelta(seconds=rules.stabilization_window_seconds or 0)
        return [n for at, n in past.wishes if now - at <= window] or [wish]

    lowest, highest = min(*within(rules_up(spec)), wish), max(*within(rules_down(spec)), wish)
    return min(max(current, lowest), highest)


def _edge(rules: ScalingRules, current: int, past: Past, now: datetime, *, up: bool) -> int:
    """How far the policies let it go: each counts from what there was when its period began."""
    if rules.select_policy == "Disabled":
        return current
    edges: list[int] = []
    for policy in rules.policies:
        since = now - timedelta(seconds=policy.period_seconds)
        done = sum(n for at, n in past.changes if at > since and (n > 0) == up)
        start = current - done
        step = policy.value if policy.type == "Pods" else start * policy.value / 100
        edges.append(math.ceil(start + step) if up else math.floor(start - step))
    farthest: Callable[[Iterable[int]], int] = max if up else min
    nearest: Callable[[Iterable[int]], int] = min if up else max
    return (nearest if rules.select_policy == "Min" else farthest)(edges)
