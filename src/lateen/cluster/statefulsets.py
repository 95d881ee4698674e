"""Keep a StatefulSet's numbered pods, in order, with their claims.

In: a StatefulSet, its pods, revisions and claims, the time.    Out: actions.
Before: cluster/statefulpods.py, cluster/revisions.py        After: cluster/controllers.py
Source: kubernetes pkg/controller/statefulset/stateful_set_control.go.

With policy OrderedReady at most one pod is on its way at a time: the next is made, and one too many is
ended, only when all before it are available. Policy Parallel waits for nobody.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct

from lateen.api.fields import IntOrString
from lateen.api.objects import Obj
from lateen.api.sets import StatefulSetSpec, StatefulSetStatus
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, LookAgain, PutObject, Tell
from lateen.cluster.pods import available_in, is_done, is_ready, is_terminating
from lateen.cluster.revisions import History, forgotten, history_of
from lateen.cluster.rollouts import share_of
from lateen.cluster.statefulpods import (
    claim_names,
    claim_trees,
    numbered_pod,
    ordinal_of,
    revision_of,
    statefulset_of,
)
from lateen.cluster.statuses import say

_SELF = "statefulset-controller"


class _Set(Struct, frozen=True, kw_only=True):
    """A StatefulSet with its pods by number: those it wants, and those beyond, the highest first."""

    owner: Obj
    pods: dict[int, Obj]
    wanted: range
    beyond: tuple[int, ...]
    claims: frozenset[str]
    history: History
    current: str  # the name of the revision all pods had before the update under way
    now: datetime

    @property
    def spec(self) -> StatefulSetSpec:
        return statefulset_of(self.owner).spec

    @property
    def ordered(self) -> bool:
        return self.spec.pod_management_policy != "Parallel"

    def wait(self, ordinal: int) -> float | None:
        """Seconds until the pod is available, 0 if it is, None if that cannot be said."""
        pod = self.pods.get(ordinal)
        if pod is None or is_terminating(pod) or is_done(pod):
            return None
        return available_in(pod, self.spec.min_ready_seconds, self.now)


def reconcile_statefulset(
    owner: Obj,
    pods: Sequence[Obj],
    revisions: Sequence[Obj],
    claims: Collection[str],
    now: datetime,
) -> tuple[Action, ...]:
    """The next step towards the pods wanted; `claims` are the names of the namespace's claims."""
    if owner.meta.deletion_timestamp:
        return ()
    spec = statefulset_of(owner).spec
    history = history_of(owner, spec.template, revisions)
    start = spec.ordinals.start
    wanted = range(start, start + spec.replicas)
    numbered = {n: pod for pod in pods if (n := ordinal_of(owner, pod)) is not None}
    whole = _Set(
        owner=owner,
        pods=numbered,
        wanted=wanted,
        beyond=tuple(sorted((n for n in numbered if n not in wanted), reverse=True)),
        claims=frozenset(claims),
        history=history,
        current=_current(owner, history, revisions),
        now=now,
    )
    status = _status(whole)
    used = {history.name, status.current_revision, *(revision_of(pod) for pod in pods)}
    waits = [wait for n in numbered if (wait := whole.wait(n))]
    return (
        *history.actions,
        *_steps(whole),
        *forgotten(revisions, used, spec.revision_history_limit),
        *say(owner, status),
        *([LookAgain(after=min(waits))] if waits else []),
    )


def _current(owner: Obj, history: History, revisions: Sequence[Obj]) -> str:
    known = {revision.key.name for revision in revisions}
    current = statefulset_of(owner).status.current_revision
    return current if current in known else history.name


def _steps(whole: _Set) -> tuple[Action, ...]:
    """Pods that are missing first, then those too many, then those of an old template."""
    made, done = _completed(whole)
    if not done:
        return made
    ended, done = _shrunk(whole)
    if not done or whole.spec.update_strategy.type == "OnDelete":
        return (*made, *ended)
    return (*made, *ended, *_updated(whole))


def _completed(whole: _Set) -> tuple[tuple[Action, ...], bool]:
    """Make what is missing; whether the next thing may be done."""
    made: list[Action] = []
    for ordinal in whole.wanted:
        pod = whole.pods.get(ordinal)
        if pod is None:
            made += _created(whole, ordinal)
        elif is_done(pod):
            made += [] if is_terminating(pod) else _ended(whole, ordinal)
        elif whole.wait(ordinal) == 0:
            made += _claims(whole, ordinal)
            continue
        else:
            made += _claims(whole, ordinal)
        if whole.ordered:
            return tuple(made), False
    return tuple(made), True


def _created(whole: _Set, ordinal: int) -> list[Action]:
    """The pod of that number with its claims; numbers not yet updated keep the template before."""
    history = whole.history
    revision = whole.current if _keeps_current(whole, ordinal) else history.name
    template = history.template(revision, whole.owner.raw["spec"]["template"])
    put = numbered_pod(whole.owner, ordinal, template, revision)
    name = put.raw["metadata"]["name"]
    words = f"create Pod {name} in StatefulSet {whole.owner.key.name} successful"
    return [*_claims(whole, ordinal), put, _tell(whole, "SuccessfulCreate", words)]


def _keeps_current(whole: _Set, ordinal: int) -> bool:
    strategy, status = whole.spec.update_strategy, statefulset_of(whole.owner).status
    if strategy.type != "RollingUpdate":
        return False
    if partition := strategy.rolling_update.partition:
        return ordinal < partition
    return ordinal < whole.wanted.start + status.current_replicas


def _claims(whole: _Set, ordinal: int) -> list[Action]:
    """The claims of that number that are not there."""
    made: list[Action] = []
    for name, tree in claim_trees(whole.owner, ordinal).items():
        if name not in whole.claims:
            words = (
                f"create Claim {name} Pod {whole.owner.key.name}-{ordinal} in StatefulSet"
                f" {whole.owner.key.name} success"
            )
            made += [PutObject(raw=tree, source=CONTROLLERS)]
            made += [_tell(whole, "SuccessfulCreate", words)]
    return made


def _shrunk(whole: _Set) -> tuple[tuple[Action, ...], bool]:
    """End what is too many, the highest number first; whether the next thing may be done."""
    unwell = [n for n in sorted(whole.pods) if whole.wait(n) != 0]
    made: list[Action] = []
    for ordinal in whole.beyond:
        if is_terminating(whole.pods[ordinal]):
            if whole.ordered:
                return tuple(made), False
            continue
        if whole.ordered and whole.wait(ordinal) != 0 and ordinal != unwell[0]:
            return tuple(made), False
        made += _ended(whole, ordinal)
        if whole.spec.persistent_volume_claim_retention_policy.when_scaled == "Delete":
            made += _claims_dropped(whole, ordinal)
        if whole.ordered:
            return tuple(made), False
    return tuple(made), not whole.beyond


def _claims_dropped(whole: _Set, ordinal: int) -> list[Action]:
    """They are held until no pod uses them any more."""
    namespace = whole.owner.key.namespace
    names = (n for n in claim_names(whole.owner, ordinal).values() if n in whole.claims)
    return [
        DeleteObject(
            key=ObjectKey(group="", kind="PersistentVolumeClaim", namespace=namespace, name=name)
        )
        for name in names
    ]


def _updated(whole: _Set) -> tuple[Action, ...]:
    """End the highest number of an old template, when all above it are available."""
    rolling = whole.spec.update_strategy.rolling_update
    first = max(whole.wanted.start, rolling.partition)
    if rolling.max_unavailable is not None:
        return _updated_together(whole, first, rolling.max_unavailable)
    for ordinal in reversed(whole.wanted):
        if ordinal < first:
            return ()
        pod = whole.pods.get(ordinal)
        if pod is None:
            return ()
        if revision_of(pod) != whole.history.name and not is_terminating(pod):
            return tuple(_ended(whole, ordinal))
        if whole.wait(ordinal) != 0:
            return ()
    return ()


def _updated_together(whole: _Set, first: int, most: IntOrString) -> tuple[Action, ...]:
    """End the highest numbers of an old template, as many as may be away beside those that are."""
    allowed = max(1, math.floor(share_of(most, whole.spec.replicas)))
    away = sum(whole.wait(ordinal) != 0 for ordinal in whole.wanted)
    old = [
        ordinal
        for ordinal in reversed(whole.wanted)
        if ordinal >= first
        and (pod := whole.pods.get(ordinal)) is not None
        and revision_of(pod) != whole.history.name
        and not is_terminating(pod)
    ]
    chosen = old[: max(0, allowed - away)]
    return tuple(action for ordinal in chosen for action in _ended(whole, ordinal))


def _ended(whole: _Set, ordinal: int) -> list[Action]:
    pod = whole.pods[ordinal]
    words = f"delete Pod {pod.key.name} in StatefulSet {whole.owner.key.name} successful"
    return [DeleteObject(key=pod.key), _tell(whole, "SuccessfulDelete", words)]


def _tell(whole: _Set, reason: str, words: str) -> Tell:
    return Tell(about=whole.owner, reason=reason, message=words, component=_SELF)


def _status(whole: _Set) -> StatefulSetStatus:
    spec, update = whole.spec, whole.history.name
    pods = whole.pods.values()
    staying = [pod for pod in pods if not is_terminating(pod)]
    ready = sum(is_ready(pod) for pod in pods)
    current = sum(revision_of(pod) == whole.current for pod in staying)
    updated = sum(revision_of(pod) == update for pod in staying)
    complete = updated == spec.replicas == ready and spec.update_strategy.type == "RollingUpdate"
    return StatefulSetStatus(
        observed_generation=whole.owner.meta.generation,
        replicas=len(pods),
        ready_replicas=ready,
        available_replicas=sum(whole.wait(n) == 0 for n in whole.pods),
        current_replicas=updated if complete else current,
        updated_replicas=updated,
        current_revision=update if complete else whole.current,
        update_revision=update,
        collision_count=0,
        conditions=statefulset_of(whole.owner).status.conditions,
    )
