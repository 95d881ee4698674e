"""Recommend requests from what containers have used.

In: a VerticalPodAutoscaler, its pods, their usage, what was seen before, the time.
Out: its next status, and what has been seen.
Before: cluster/histograms.py        After: stages/sizing.py
Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/recommender (logic, model), its default flags.

The target is the 90th percentile of use with a margin of 15 per cent. The bounds are wide while little has
been seen: after a minute a pod must be far off to be touched, after a day not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.pod import Container
from lateen.api.quantity import exact
from lateen.api.vertical import (
    ContainerPolicy,
    ContainerRecommendation,
    Recommendation,
    Resources,
    VerticalPodAutoscaler,
    VerticalStatus,
)
from lateen.base.errors import Bug
from lateen.cluster.amounts import asked_of
from lateen.cluster.histograms import Histogram
from lateen.cluster.pods import is_active, pod_of
from lateen.cluster.replicacalc import Usage
from lateen.cluster.statuses import moment, with_conditions

SYNC_SECONDS = 15.0  # between two looks at the usage; the recommender of Kubernetes takes 60
_DAY = 24 * 3600.0
_MARGIN = 1.15
_TARGET, _LOWER, _UPPER = 0.9, 0.5, 0.95
_LEAST = {"cpu": 0.025, "memory": 250.0 * 1024**2}  # of a pod, shared by its containers
_BUMP, _BUMP_LEAST = 1.2, 100.0 * 1024**2  # of memory after an OOM kill


class Seen(Struct, frozen=True, kw_only=True):
    """What is known of the containers of one name."""

    cpu: Histogram
    memory: Histogram
    first: float  # seconds since the epoch
    samples: int = 0
    peaks: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # by pod: day, bytes
    kills: frozenset[tuple[str, str]] = frozenset()  # of memory: pod and time

    def confidence(self, now: float) -> float:
        """In days: of time, or of samples, whichever are fewer."""
        return min((now - self.first) / _DAY, self.samples * SYNC_SECONDS / _DAY)


Past = Mapping[str, Seen]  # by container


def vertical_of(obj: Obj) -> VerticalPodAutoscaler:
    """The typed VerticalPodAutoscaler."""
    if not isinstance(obj.typed, VerticalPodAutoscaler):
        raise Bug(f"{obj.key} is no VerticalPodAutoscaler")
    return obj.typed


def observed(past: Past, pods: Sequence[Obj], usage: Usage, now: datetime) -> Past:
    """What is known after one more look at the pods; containers nobody has any more are forgotten."""
    at = now.timestamp()
    names = {c.name for pod in pods for c in _containers(pod)}
    found = {name: seen for name, seen in past.items() if name in names}
    for pod in pods:
        used = usage.get(pod.meta.uid, {})
        for container in _containers(pod):
            seen = found.get(container.name) or _nothing(at)
            amounts = used.get(container.name)
            if amounts is not None and is_active(pod):
                seen = _sampled(seen, pod.meta.uid, container, amounts, at)
            seen = _killed(seen, pod, container, at)
            if seen.samples or seen.kills:
                found[container.name] = seen
    return found


def _nothing(at: float) -> Seen:
    return Seen(
        cpu=Histogram(first=0.01, since=at), memory=Histogram(first=1e7, since=at), first=at
    )


def _containers(pod: Obj) -> Iterator[Container]:
    spec = pod_of(pod).spec
    yield from spec.containers
    yield from (c for c in spec.init_containers if c.restart_policy == "Always")


def _sampled(
    seen: Seen, uid: str, container: Container, amounts: Mapping[str, Fraction], at: float
) -> Seen:
    """Cores weigh as much as is asked for; of memory only the highest of each day counts."""
    cores, size = float(amounts["cpu"]), float(amounts["memory"])
    weight = max(asked_of(container, "cpu") / 1000, 0.1)
    made = replace(seen, samples=seen.samples + 1, cpu=seen.cpu.added(cores, weight, at))
    return _peaked(made, uid, size, at)


def _peaked(seen: Seen, uid: str, size: float, at: float) -> Seen:
    day, peak = seen.peaks.get(uid, (0.0, 0.0))
    memory = seen.memory
    if at - day < _DAY:
        if size <= peak:
            return seen
        memory = memory.added(peak, -1.0, day)
    else:
        day = at
    peaks = {**seen.peaks, uid: (day, size)}
    return replace(seen, memory=memory.added(size, 1.0, day), peaks=peaks)


def _killed(seen: Seen, pod: Obj, container: Container, at: float) -> Seen:
    """A kill for want of memory is a sample of more than there was."""
    statuses = (
        *pod_of(pod).status.container_statuses,
        *pod_of(pod).status.init_container_statuses,
    )
    for status in statuses:
        ended = status.state.terminated or status.last_state.terminated
        if status.name != container.name or ended is None or ended.reason != "OOMKilled":
            continue
        kill = (pod.meta.uid, ended.finished_at or "")
        when = moment(ended.finished_at)
        if kill in seen.kills or (when is not None and when.timestamp() < seen.first - _DAY):
            continue
        had = max(seen.peaks.get(pod.meta.uid, (0.0, 0.0))[1], asked_of(container, "memory"))
        size = max(had * _BUMP, had + _BUMP_LEAST)
        seen = replace(_peaked(seen, pod.meta.uid, size, at), kills=seen.kills | {kill})
    return seen


def recommended(
    vertical: Obj, target: Obj | None, pods: Sequence[Obj], past: Past, now: datetime
) -> VerticalStatus:
    """The next status: a recommendation for each container seen, or why there is none."""
    spec, before = vertical_of(vertical).spec, vertical_of(vertical).status
    made = tuple(
        one
        for name in sorted(past)
        if past[name].samples
        and (policy := spec.resource_policy.of(name)).mode != "Off"
        and (one := _recommendation(name, past[name], len(past), policy, now)).target
    )
    recommendation = Recommendation(container_recommendations=made) if made else None
    conditions = _conditions(vertical, target, pods, bool(made or before.recommendation))
    kept = [c for c in before.conditions if c.type not in ("ConfigUnsupported", "NoPodsMatched")]
    return msgspec.structs.replace(
        before,
        recommendation=recommendation or before.recommendation,
        conditions=with_conditions(kept, conditions, now),
    )


def _conditions(
    vertical: Obj, target: Obj | None, pods: Sequence[Obj], given: bool
) -> list[Condition]:
    reason = words = ""
    found: list[Condition] = []
    if target is None:
        ref = vertical_of(vertical).spec.target_ref
        where = f"{ref.kind} {vertical.key.namespace}/{ref.name}"
        said = f"Cannot read targetRef. Reason: {where} does not exist"
        found.append(Condition(type="ConfigUnsupported", status="True", message=said))
    elif not pods:
        reason, words = "NoPodsMatched", "No pods match this VPA object"
        found.append(Condition(type=reason, status="True", reason=reason, message=words))
    if given:
        return [*found, Condition(type="RecommendationProvided", status="True")]
    none = Condition(type="RecommendationProvided", status="False", reason=reason, message=words)
    return [*found, none]


def _recommendation(
    name: str, seen: Seen, containers: int, policy: ContainerPolicy, now: datetime
) -> ContainerRecommendation:
    days = max(seen.confidence(now.timestamp()), 1e-6)
    wide, narrow = 1 + 1 / days, (1 + 0.001 / days) ** -2
    least = {resource: amount / containers for resource, amount in _LEAST.items()}

    def amounts(share: float, factor: float) -> dict[str, float]:
        raw = {"cpu": seen.cpu.percentile(share), "memory": seen.memory.percentile(share)}
        controlled = policy.controlled_resources
        return {
            resource: max(value * _MARGIN * factor, least[resource])
            for resource, value in raw.items()
            if controlled is None or resource in controlled
        }

    target = amounts(_TARGET, 1.0)
    return ContainerRecommendation(
        container_name=name,
        target=_written(target, policy),
        lower_bound=_written(amounts(_LOWER, narrow), policy),
        upper_bound=_written(amounts(_UPPER, wide), policy),
        uncapped_target=_written(target, ContainerPolicy()),
    )


def _written(amounts: Mapping[str, float], policy: ContainerPolicy) -> Resources:
    """Within the policy's bounds, as quantities: thousandths of a core, bytes."""
    made: Resources = {}
    for resource, amount in amounts.items():
        value = amount
        if (low := policy.min_allowed.get(resource)) is not None:
            value = max(value, float(exact(low)))
        if (high := policy.max_allowed.get(resource)) is not None:
            value = min(value, float(exact(high)))
        made[resource] = f"{round(value * 1000)}m" if resource == "cpu" else _bytes(round(value))
    return made


def _bytes(amount: int) -> str:
    """The shortest exact decimal form: 262144000 is `262144k`."""
    for suffix in ("", "k", "M", "G", "T"):
        if amount % 1000 or not amount or suffix == "T":
            return f"{amount}{suffix}"
        amount //= 1000
    return str(amount)
