"""Roll out a Deployment's template over ReplicaSets.

In: a Deployment, its ReplicaSets, their pods, the time.    Out: actions.
Before: cluster/rollouts.py, cluster/deploymentstatus.py        After: cluster/replicasets.py
Source: kubernetes pkg/controller/deployment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, LookAgain, PutObject, Tell
from lateen.cluster.children import owner_reference
from lateen.cluster.deploymentstatus import deadline_in, deployment_of, is_complete, status_of
from lateen.cluster.naming import HASH_LABEL, canonical, template_hash
from lateen.cluster.pods import is_done
from lateen.cluster.replicasets import replicaset_of
from lateen.cluster.rollouts import Counts, limits_of, new_replicas, rolled, shared
from lateen.cluster.statuses import say

REVISION = "deployment.kubernetes.io/revision"
_SELF = "deployment-controller"
_NOT_COPIED = (REVISION, "kubectl.kubernetes.io/last-applied-configuration")


class _Rollout(Struct, frozen=True, kw_only=True):
    """A Deployment with its ReplicaSet of the current template and the others, by age."""

    deployment: Obj
    new: Obj | None
    old: tuple[Obj, ...]
    revision: int

    @property
    def all(self) -> tuple[Obj, ...]:
        return (*self.old, self.new) if self.new else self.old


def reconcile_deployment(
    deployment: Obj, replicasets: Sequence[Obj], pods: Sequence[Obj], now: datetime
) -> tuple[Action, ...]:
    """The next step towards all replicas having the current template, and how far it is."""
    if deployment.meta.deletion_timestamp:
        return ()
    rollout = _rollout_of(deployment, replicasets)
    status = status_of(deployment, rollout.new, rollout.all, now)
    complete = is_complete(deployment_of(deployment), status)
    wait = deadline_in(deployment, status, now)
    return (
        *_scaled(rollout, pods),
        *_revision_noted(rollout),
        *(_cleaned_up(rollout) if complete else ()),
        *say(deployment, status),
        *([LookAgain(after=wait)] if wait is not None else []),
    )


def _rollout_of(deployment: Obj, replicasets: Sequence[Obj]) -> _Rollout:
    wanted = canonical(deployment_of(deployment).spec.template)
    by_age = sorted(replicasets, key=lambda r: (r.meta.creation_timestamp or "", r.key.name))
    same = [r for r in by_age if canonical(replicaset_of(r).spec.template) == wanted]
    new = same[0] if same else None
    old = tuple(r for r in by_age if r is not new)
    newest = max((_revision(r) for r in old), default=0)
    revision = newest + 1 if new is None or _revision(new) <= newest else _revision(new)
    return _Rollout(deployment=deployment, new=new, old=old, revision=revision)


def _revision(replicaset: Obj) -> int:
    text = replicaset.meta.annotations.get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def _scaled(rollout: _Rollout, pods: Sequence[Obj]) -> list[Action]:
    spec = deployment_of(rollout.deployment).spec
    limits, new = limits_of(spec), rollout.new
    if spec.paused:
        return _resized_only(rollout)
    if spec.strategy.type == "Recreate":
        return _recreated(rollout, pods)
    if new is None:
        others = sum(replicaset_of(r).spec.replicas for r in rollout.old)
        return _created(rollout, new_replicas(limits, 0, others))
    steps = rolled(limits, _counts(new), [_counts(r) for r in rollout.old])
    wanted = [(r, steps.get(r.key.name, replicaset_of(r).spec.replicas)) for r in rollout.all]
    return [action for r, replicas in wanted for action in _resized(rollout, r, replicas)]


def _resized_only(rollout: _Rollout) -> list[Action]:
    """A paused Deployment begins and goes on with no rollout, but takes another number of replicas."""
    wanted = deployment_of(rollout.deployment).spec.replicas
    sizes = {r.key.name: replicaset_of(r).spec.replicas for r in rollout.all}
    shares = shared(wanted, sizes)
    newest = max(rollout.all, key=_revision, default=None)
    if newest is not None and not any(sizes.values()):
        shares = {newest.key.name: wanted}
    return [
        action
        for r in rollout.all
        for action in _resized(rollout, r, shares.get(r.key.name, sizes[r.key.name]))
    ]


def _recreated(rollout: _Rollout, pods: Sequence[Obj]) -> list[Action]:
    """No pod of a new template before the last of the old ones has ended."""
    emptied = [action for r in rollout.old for action in _resized(rollout, r, 0)]
    old = {r.meta.uid for r in rollout.old}
    running = any(
        owner.uid in old and not is_done(pod) for pod in pods for owner in pod.meta.owner_references
    )
    if emptied or running:
        return emptied
    replicas = deployment_of(rollout.deployment).spec.replicas
    if rollout.new is None:
        return _created(rollout, replicas)
    return _resized(rollout, rollout.new, replicas)


def _counts(replicaset: Obj) -> Counts:
    typed = replicaset_of(replicaset)
    return Counts(
        name=replicaset.key.name,
        replicas=typed.spec.replicas,
        available=min(typed.status.available_replicas, typed.spec.replicas),
    )


def _created(rollout: _Rollout, replicas: int) -> list[Action]:
    deployment = rollout.deployment
    typed, names = deployment_of(deployment), {r.key.name for r in rollout.old}
    hashes = (template_hash(typed.spec.template, collision) for collision in count())
    # A name already taken by another template: the hashes of the two are equal, so take the next.
    value = next(h for h in hashes if f"{deployment.key.name}-{h}" not in names)
    spec = deployment.raw["spec"]
    template, selector = spec["template"], spec["selector"]
    meta = template.get("metadata") or {}
    labels = {**(meta.get("labels") or {}), HASH_LABEL: value}
    match = {**(selector.get("matchLabels") or {}), HASH_LABEL: value}
    made: dict[str, Any] = {
        "replicas": replicas,
        "selector": {**selector, "matchLabels": match},
        "template": {**template, "metadata": {**meta, "labels": labels}},
    }
    if typed.spec.min_ready_seconds:
        made["minReadySeconds"] = typed.spec.min_ready_seconds
    tree = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{deployment.key.name}-{value}",
            "namespace": deployment.key.namespace,
            "labels": labels,
            "annotations": _annotations(rollout, {}),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": made,
    }
    name = f"{deployment.key.name}-{value}"
    return [PutObject(raw=tree, source=CONTROLLERS), *_scaling(rollout, name, 0, replicas)]


def _annotations(rollout: _Rollout, before: Mapping[str, str]) -> dict[str, str]:
    """The Deployment's own, for its history; with the revision, and the sizes kubectl reads."""
    limits = limits_of(deployment_of(rollout.deployment).spec)
    theirs = rollout.deployment.meta.annotations.items()
    return {
        **before,
        **{key: value for key, value in theirs if key not in _NOT_COPIED},
        REVISION: str(rollout.revision),
        "deployment.kubernetes.io/desired-replicas": str(limits.replicas),
        "deployment.kubernetes.io/max-replicas": str(limits.replicas + limits.surge),
    }


def _scaling(rollout: _Rollout, name: str, before: int, replicas: int) -> list[Action]:
    if before == replicas:
        return []
    direction = "up" if replicas > before else "down"
    words = f"Scaled {direction} replica set {name} from {before} to {replicas}"
    told = Tell(
        about=rollout.deployment, reason="ScalingReplicaSet", message=words, component=_SELF
    )
    return [told]


def _resized(rollout: _Rollout, replicaset: Obj, replicas: int) -> list[Action]:
    """The ReplicaSet with this size and, if it is the current one, with all else that follows."""
    raw = replicaset.raw
    spec = {**raw["spec"], "replicas": replicas}
    meta = raw["metadata"]
    if replicaset is rollout.new:
        seconds = deployment_of(rollout.deployment).spec.min_ready_seconds
        spec.pop("minReadySeconds", None)
        spec |= {"minReadySeconds": seconds} if seconds else {}
        meta = {**meta, "annotations": _annotations(rollout, meta.get("annotations") or {})}
    if spec == raw["spec"] and meta == raw["metadata"]:
        return []
    before = replicaset_of(replicaset).spec.replicas
    told = _scaling(rollout, replicaset.key.name, before, replicas)
    return [PutObject(raw={**raw, "metadata": meta, "spec": spec}), *told]


def _revision_noted(rollout: _Rollout) -> list[Action]:
    deployment = rollout.deployment
    begun = rollout.new is not None or not deployment_of(deployment).spec.paused
    if not begun or deployment.meta.annotations.get(REVISION) == str(rollout.revision):
        return []
    meta = deployment.raw["metadata"]
    annotations = {**(meta.get("annotations") or {}), REVISION: str(rollout.revision)}
    return [PutObject(raw={**deployment.raw, "metadata": {**meta, "annotations": annotations}})]


def _cleaned_up(rollout: _Rollout) -> list[Action]:
    limit = deployment_of(rollout.deployment).spec.revision_history_limit
    empty = [
        r
        for r in rollout.old
        if not (replicaset_of(r).spec.replicas or replicaset_of(r).status.replicas)
    ]
    by_revision = sorted(empty, key=_revision)
    return [DeleteObject(key=r.key) for r in by_revision[: max(0, len(empty) - limit)]]
