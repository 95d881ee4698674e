"""Roll out a Deployment's template over ReplicaSets.

In: a Deployment, its ReplicaSets, their pods, the time.    Out: actions.
Before: cluster/rollouts.py        After: cluster/replicasets.py
Source: kubernetes pkg/controller/deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.workload import Deployment, DeploymentStatus
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, PutObject
from lateen.cluster.children import owner_reference
from lateen.cluster.naming import HASH_LABEL, canonical, template_hash
from lateen.cluster.pods import is_done
from lateen.cluster.replicasets import replicaset_of
from lateen.cluster.rollouts import Counts, limits_of, new_replicas, rolled
from lateen.cluster.statuses import say, with_conditions

REVISION = "deployment.kubernetes.io/revision"
_COMPLETE = "NewReplicaSetAvailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rollout:
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
    status = _status(rollout, now)
    return (
        *_scaled(rollout, pods),
        *_revision_noted(rollout),
        *(_cleaned_up(rollout) if _is_complete(deployment_of(deployment), status) else ()),
        *say(deployment, status),
    )


def deployment_of(obj: Obj) -> Deployment:
    """The typed Deployment."""
    if not isinstance(obj.typed, Deployment):
        raise Bug(f"{obj.key} is no Deployment")
    return obj.typed


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
    if spec.strategy.type == "Recreate":
        return _recreated(rollout, pods)
    if new is None:
        others = sum(replicaset_of(r).spec.replicas for r in rollout.old)
        return [_created(rollout, new_replicas(limits, 0, others))]
    steps = rolled(limits, _counts(new), [_counts(r) for r in rollout.old])
    wanted = [(r, steps.get(r.key.name, replicaset_of(r).spec.replicas)) for r in rollout.all]
    return [action for r, replicas in wanted for action in _resized(rollout, r, replicas)]


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
        return [_created(rollout, replicas)]
    return _resized(rollout, rollout.new, replicas)


def _counts(replicaset: Obj) -> Counts:
    typed = replicaset_of(replicaset)
    return Counts(
        name=replicaset.key.name,
        replicas=typed.spec.replicas,
        available=min(typed.status.available_replicas, typed.spec.replicas),
    )


def _created(rollout: _Rollout, replicas: int) -> PutObject:
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
            "annotations": {REVISION: str(rollout.revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": made,
    }
    return PutObject(raw=tree, source=CONTROLLERS)


def _resized(rollout: _Rollout, replicaset: Obj, replicas: int) -> list[Action]:
    """The ReplicaSet with this size and, if it is the current one, with all else that follows."""
    raw = replicaset.raw
    spec = {**raw["spec"], "replicas": replicas}
    meta = raw["metadata"]
    if replicaset is rollout.new:
        seconds = deployment_of(rollout.deployment).spec.min_ready_seconds
        spec.pop("minReadySeconds", None)
        spec |= {"minReadySeconds": seconds} if seconds else {}
        annotations = {**(meta.get("annotations") or {}), REVISION: str(rollout.revision)}
        meta = {**meta, "annotations": annotations}
    if spec == raw["spec"] and meta == raw["metadata"]:
        return []
    return [PutObject(raw={**raw, "metadata": meta, "spec": spec})]


def _revision_noted(rollout: _Rollout) -> list[Action]:
    deployment = rollout.deployment
    if deployment.meta.annotations.get(REVISION) == str(rollout.revision):
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


def _is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    wanted = deployment.spec.replicas
    return wanted == status.updated_replicas == status.replicas == status.available_replicas


def _status(rollout: _Rollout, now: datetime) -> DeploymentStatus:
    typed = deployment_of(rollout.deployment)
    sets = [replicaset_of(r) for r in rollout.all]
    available = sum(s.status.available_replicas for s in sets)
    status = DeploymentStatus(
        observed_generation=rollout.deployment.meta.generation,
        replicas=sum(s.status.replicas for s in sets),
        updated_replicas=replicaset_of(rollout.new).status.replicas if rollout.new else 0,
        ready_replicas=sum(s.status.ready_replicas for s in sets),
        available_replicas=available,
        unavailable_replicas=max(0, sum(s.spec.replicas for s in sets) - available),
        collision_count=typed.status.collision_count,
    )
    news = (_availability(typed, available), _progress(rollout, status))
    conditions = with_conditions(typed.status.conditions, news, now, dated=True)
    return DeploymentStatus(
        **{f: getattr(status, f) for f in status.__struct_fields__ if f != "conditions"},
        conditions=conditions,
    )


def _availability(deployment: Deployment, available: int) -> Condition:
    enough = available >= limits_of(deployment.spec).min_available
    return Condition(
        type="Available",
        status="True" if enough else "False",
        reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        message=f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    )


def _progress(rollout: _Rollout, status: DeploymentStatus) -> Condition:
    """A finished rollout stays finished, whatever becomes of its pods, until the next one begins."""
    typed = deployment_of(rollout.deployment)
    before = next((c for c in typed.status.conditions if c.type == "Progressing"), None)
    name = rollout.new.key.name if rollout.new else ""
    done = f'ReplicaSet "{name}" has successfully progressed.'
    finished = before is not None and before.reason == _COMPLETE and before.message == done
    if _is_complete(typed, status) or finished:
        return Condition(type="Progressing", status="True", reason=_COMPLETE, message=done)
    subject = f'ReplicaSet "{name}"' if name else f'Deployment "{rollout.deployment.key.name}"'
    return Condition(
        type="Progressing",
        status="True",
        reason="ReplicaSetUpdated",
        message=f"{subject} is progressing.",
    )
