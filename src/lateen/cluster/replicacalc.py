"""How many replicas one metric asks for.

In: pods, their usage, a target.    Out: Wish, or why there is none.
Before: api/autoscaling.py        After: cluster/autoscaling.py
Source: kubernetes pkg/controller/podautoscaler/replica_calculator.go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from msgspec import Struct

from lateen.api.autoscaling import MetricTarget
from lateen.api.objects import Obj
from lateen.api.quantity import exact
from lateen.base.errors import LateenError
from lateen.cluster.pods import is_active, is_ready, pod_of
from lateen.cluster.statuses import moment

# What each container of each pod uses: cores or bytes by `cpu` and `memory`, by the uid of the pod.
Usage = Mapping[str, Mapping[str, Mapping[str, Fraction]]]
TOLERANCE = Fraction(1, 10)
_CPU_START_SECONDS = (
    300.0  # a pod that is not ready so soon after its start says nothing of its need
)


class NoWish(LateenError):
    """Why nothing can be said."""


class Wish(Struct, frozen=True, kw_only=True):
    """The replicas wanted; what was measured, per cent of the requests and each pod's average."""

    replicas: int
    utilization: int | None
    average: Fraction


class Asked(Struct, frozen=True, kw_only=True):
    """A resource of all containers of a pod, or of one of them, and how much of it there should be."""

    resource: str
    container: str
    target: MetricTarget
    up: Fraction  # how far above the target nothing is done yet
    down: Fraction


def wish(current: int, pods: Sequence[Obj], usage: Usage, asked: Asked, now: datetime) -> Wish:
    """The replicas one resource asks for; raises NoWish."""
    active = [pod for pod in pods if is_active(pod)]
    if not active:
        raise NoWish("no pods returned by selector while calculating replica count")
    silent = [pod for pod in active if _says_nothing(pod, asked.resource, now)]
    heard = {
        pod.meta.uid: found
        for pod in active
        if pod not in silent and (found := _used(pod, usage, asked)) is not None
    }
    if not heard:
        raise NoWish("no metrics returned from resource metrics API")
    missing = [p for p in active if p not in silent and p.meta.uid not in heard]
    goals = {pod.meta.uid: _goal(pod, asked) for pod in active}
    ratio = _ratio(heard, goals)
    counted = dict(heard)
    if ratio < 1:
        # Pods that were not heard of count as just right, so that they never speed a scale-down up.
        counted |= {p.meta.uid: _full(p, goals[p.meta.uid], asked) for p in missing}
    elif ratio > 1:
        counted |= {p.meta.uid: Fraction(0) for p in (*missing, *silent)}
    replicas = _replicas(current, ratio, _ratio(counted, goals), len(counted), asked)
    return Wish(
        replicas=replicas,
        utilization=_utilization(heard, active, asked),
        average=sum(heard.values(), Fraction(0)) / len(heard),
    )


def _replicas(current: int, ratio: Fraction, after: Fraction, count: int, asked: Asked) -> int:
    """Nothing is done within the tolerance, nor when those not heard of would turn the direction."""
    if 1 - asked.down <= after <= 1 + asked.up or (ratio > 1) != (after > 1):
        return current
    replicas = math.ceil(after * count)
    wrong_way = (after < 1 and replicas > current) or (after > 1 and replicas < current)
    return current if wrong_way else replicas


def _ratio(used: Mapping[str, Fraction], goals: Mapping[str, Fraction]) -> Fraction:
    wanted = sum((goals[uid] for uid in used), Fraction(0))
    return sum(used.values(), Fraction(0)) / wanted if wanted else Fraction(0)


def _says_nothing(pod: Obj, resource: str, now: datetime) -> bool:
    status = pod_of(pod).status
    if status.phase == "Pending":
        return True
    started = moment(status.start_time)
    young = started is None or (now - started).total_seconds() < _CPU_START_SECONDS
    return resource == "cpu" and young and not is_ready(pod)


def _used(pod: Obj, usage: Usage, asked: Asked) -> Fraction | None:
    """Of the containers it names itself: its proxy asks for nothing, so it cannot be weighed."""
    containers = usage.get(pod.meta.uid)
    if containers is None:
        return None
    names = [c.name for c in pod_of(pod).spec.containers if asked.container in ("", c.name)]
    meant = [containers.get(name, {}) for name in names]
    if not meant or any(asked.resource not in c for c in meant):
        return None
    return sum((c[asked.resource] for c in meant), Fraction(0))


def _requested(pod: Obj, asked: Asked) -> Fraction:
    """The requests; raises NoWish for a container that has none."""
    total = Fraction(0)
    for container in pod_of(pod).spec.containers:
        if asked.container not in ("", container.name):
            continue
        resources = container.resources
        amount = resources.requests.get(asked.resource, resources.limits.get(asked.resource))
        if amount is None:
            raise NoWish(
                f"missing request for {asked.resource} in container {container.name}"
                f" of Pod {pod.key.name}"
            )
        total += exact(amount)
    return total


def _goal(pod: Obj, asked: Asked) -> Fraction:
    """What this pod would use if it were just right."""
    target = asked.target
    if target.average_utilization is not None:
        return _requested(pod, asked) * target.average_utilization / 100
    if target.average_value is not None:
        return exact(target.average_value)
    raise NoWish("invalid metric target: neither averageUtilization nor averageValue is set")


def _full(pod: Obj, goal: Fraction, asked: Asked) -> Fraction:
    """What a pod not heard of is taken to use: all it asked for, or the target if that is more."""
    if asked.target.average_utilization is None:
        return goal
    return max(goal, _requested(pod, asked))


def _utilization(heard: Mapping[str, Fraction], active: Sequence[Obj], asked: Asked) -> int | None:
    if asked.target.average_utilization is None:
        return None
    requests = sum((_requested(p, asked) for p in active if p.meta.uid in heard), Fraction(0))
    return int(sum(heard.values(), Fraction(0)) * 100 / requests) if requests else None
