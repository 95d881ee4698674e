"""Keep one pod of a DaemonSet on each node that should have one.

In: a DaemonSet, its pods and revisions, the nodes, the time.    Out: actions.
Before: cluster/fitting.py, cluster/revisions.py        After: cluster/controllers.py
Source: kubernetes pkg/controller/daemon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.api.placing import Toleration
from lateen.api.pod import PodSpec
from lateen.api.sets import DaemonSet, DaemonSetStatus
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, Action, LookAgain, PutObject
from lateen.cluster.children import deleted, made_pod, new_names, pod_tree
from lateen.cluster.fitting import selected, untolerated
from lateen.cluster.nodes import node_of
from lateen.cluster.pods import available_in, is_done, is_ready, is_terminating, pod_of
from lateen.cluster.revisions import REVISION_LABEL, History, forgotten, history_of
from lateen.cluster.rollouts import share_of
from lateen.cluster.statuses import say

_SELF = "daemonset-controller"
_NODE = "node.kubernetes.io"
# What every pod of a DaemonSet stays through, as in Kubernetes.
_TOLERATED = (
    *(Toleration(key=f"{_NODE}/{k}", operator="Exists", effect="NoExecute") for k in ("not-ready", "unreachable")),
    *(
        Toleration(key=f"{_NODE}/{k}", operator="Exists", effect="NoSchedule")
        for k in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
    ),
)  # fmt: skip


class _Daemon(Struct, frozen=True, kw_only=True):
    """A DaemonSet with its pods by node; `nodes` are those that should have one.

    `kept` are those it would not come to any more, but where it may go on.
    """

    owner: Obj
    nodes: tuple[str, ...]
    kept: tuple[str, ...]
    pods: Mapping[str, tuple[Obj, ...]]
    history: History
    now: datetime

    @property
    def typed(self) -> DaemonSet:
        return daemonset_of(self.owner)

    def is_new(self, pod: Obj) -> bool:
        """Whether it has the template of now."""
        return pod.meta.labels.get(REVISION_LABEL) == self.history.hash

    def wait(self, pod: Obj) -> float | None:
        """Seconds until it is available, 0 if it is, None if that cannot be said."""
        if is_terminating(pod) or is_done(pod):
            return None
        return available_in(pod, self.typed.spec.min_ready_seconds, self.now)


def daemonset_of(obj: Obj) -> DaemonSet:
    """The typed DaemonSet."""
    if not isinstance(obj.typed, DaemonSet):
        raise Bug(f"{obj.key} is no DaemonSet")
    return obj.typed


def reconcile_daemonset(
    owner: Obj, pods: Sequence[Obj], revisions: Sequence[Obj], nodes: Sequence[Obj], now: datetime
) -> tuple[Action, ...]:
    """The next step towards one pod of the current template on each node."""
    if owner.meta.deletion_timestamp:
        return ()
    spec = daemonset_of(owner).spec
    history = history_of(owner, spec.template, revisions)
    wanted, kept = _nodes_for(spec.template.spec, [node_of(node) for node in nodes])
    by_node: dict[str, tuple[Obj, ...]] = {}
    for pod in pods:
        place = _node_of_pod(pod)
        by_node[place] = (*by_node.get(place, ()), pod)
    daemon = _Daemon(owner=owner, nodes=wanted, kept=kept, pods=by_node, history=history, now=now)
    used = {r.key.name for r in revisions if _is_used(r, pods)} | {history.name}
    waits = [wait for pod in pods if (wait := daemon.wait(pod))]
    return (
        *history.actions,
        *_placed(daemon, pods),
        *_updated(daemon),
        *forgotten(revisions, used, spec.revision_history_limit),
        *say(owner, _status(daemon)),
        *([LookAgain(after=min(waits))] if waits else []),
    )


def _nodes_for(spec: PodSpec, nodes: Sequence[Node]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nodes that should have a pod, and those where one may only go on."""
    tolerations = (*spec.tolerations, *_TOLERATED)
    wanted: list[str] = []
    kept: list[str] = []
    for node in nodes:
        name = node.metadata.name
        if spec.node_name not in ("", name) or not selected(spec, node):
            continue
        if not any(untolerated(node, tolerations, ("NoSchedule", "NoExecute"))):
            wanted.append(name)
        elif not any(untolerated(node, tolerations, ("NoExecute",))):
            kept.append(name)
    return tuple(wanted), tuple(kept)


def _is_used(revision: Obj, pods: Sequence[Obj]) -> bool:
    value = revision.meta.labels.get("controller.kubernetes.io/hash")
    return any(pod.meta.labels.get(REVISION_LABEL) == value for pod in pods)


def _node_of_pod(pod: Obj) -> str:
    """Where it is, or where alone it may go."""
    spec = pod_of(pod).spec
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    if spec.node_name or required is None:
        return spec.node_name
    fields = (f for term in required.node_selector_terms for f in term.match_fields)
    return next((value for f in fields for value in f.values), "")


def _placed(daemon: _Daemon, pods: Sequence[Obj]) -> list[Action]:
    """Make what is missing; end what is too many, has ended, or is where it should not be."""
    actions: list[Action] = []
    missing: list[str] = []
    for node in daemon.nodes:
        there = daemon.pods.get(node, ())
        ended = [pod for pod in there if is_done(pod) and not is_terminating(pod)]
        actions += [a for pod in ended for a in deleted(daemon.owner, pod, _SELF)]
        staying = [pod for pod in there if not is_done(pod)]
        if not staying and not ended:
            missing.append(node)
        actions += [
            a for pod in _doubles(daemon, staying) for a in deleted(daemon.owner, pod, _SELF)
        ]
    for node, there in daemon.pods.items():
        if node not in (*daemon.nodes, *daemon.kept):
            gone = [pod for pod in there if not is_terminating(pod)]
            actions += [a for pod in gone for a in deleted(daemon.owner, pod, _SELF)]
    names = new_names(daemon.owner, pods, len(missing), daemon.now)
    for name, node in zip(names, missing, strict=True):
        actions += [_pod(daemon, name, node), made_pod(daemon.owner, name, _SELF)]
    return actions


def _doubles(daemon: _Daemon, there: Sequence[Obj]) -> list[Obj]:
    """All but the oldest of those of one template."""
    doubles: list[Obj] = []
    for new in (True, False):
        same = [p for p in there if daemon.is_new(p) is new and not is_terminating(p)]
        by_age = sorted(same, key=lambda p: (p.meta.creation_timestamp or "", p.key.name))
        doubles += by_age[1:]
    return doubles


def _pod(daemon: _Daemon, name: str, node: str) -> PutObject:
    tree = pod_tree(daemon.owner, name)
    meta, spec = tree["metadata"], dict(tree["spec"])
    labels = {**meta.get("labels", {}), REVISION_LABEL: daemon.history.hash}
    written = spec.get("affinity") or {}
    here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    only = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}}
    spec["affinity"] = {**written, "nodeAffinity": {**(written.get("nodeAffinity") or {}), **only}}
    spec["tolerations"] = [*(spec.get("tolerations") or []), *_tolerations()]
    raw: dict[str, Any] = {**tree, "metadata": {**meta, "labels": labels}, "spec": spec}
    return PutObject(raw=raw, source=CONTROLLERS)


def _tolerations() -> list[dict[str, str]]:
    return [{"key": t.key, "operator": t.operator, "effect": t.effect} for t in _TOLERATED]


def _updated(daemon: _Daemon) -> list[Action]:
    """End pods of an old template, as many nodes at a time as may be without.

    With a surge the new pod is made beside the old one, which ends when the new one is available.
    """
    spec = daemon.typed.spec
    if spec.update_strategy.type == "OnDelete":
        return []
    rolling = spec.update_strategy.rolling_update
    surge = math.ceil(share_of(rolling.max_surge, len(daemon.nodes)))
    if surge:
        return _surged(daemon, surge)
    most = math.ceil(share_of(rolling.max_unavailable, len(daemon.nodes)))
    away = sum(not _is_served(daemon, node) for node in daemon.nodes)
    actions: list[Action] = []
    for node in daemon.nodes:
        for pod in daemon.pods.get(node, ()):
            if daemon.is_new(pod) or is_terminating(pod) or is_done(pod):
                continue
            if daemon.wait(pod) == 0:
                if away >= most:
                    continue
                away += 1
            actions += deleted(daemon.owner, pod, _SELF)
    return actions


def _surged(daemon: _Daemon, surge: int) -> list[Action]:
    actions: list[Action] = []
    names: list[Obj] = [pod for there in daemon.pods.values() for pod in there]
    for node in daemon.nodes:
        there = [p for p in daemon.pods.get(node, ()) if not is_terminating(p) and not is_done(p)]
        old = [pod for pod in there if not daemon.is_new(pod)]
        new = [pod for pod in there if daemon.is_new(pod)]
        if old and any(daemon.wait(pod) == 0 for pod in new):
            actions += [a for pod in old for a in deleted(daemon.owner, pod, _SELF)]
        elif old and not new and surge > 0:
            surge -= 1
            (name,) = new_names(daemon.owner, names, 1, daemon.now)
            actions += [_pod(daemon, name, node), made_pod(daemon.owner, name, _SELF)]
        elif old and new:
            surge -= 1
    return actions


def _is_served(daemon: _Daemon, node: str) -> bool:
    return any(daemon.wait(pod) == 0 for pod in daemon.pods.get(node, ()))


def _status(daemon: _Daemon) -> DaemonSetStatus:
    there = {
        node: [p for p in daemon.pods.get(node, ()) if not is_done(p)] for node in daemon.nodes
    }
    astray = [
        node
        for node, pods in daemon.pods.items()
        if node not in daemon.nodes and any(not is_done(p) for p in pods)
    ]
    available = sum(_is_served(daemon, node) for node in daemon.nodes)
    return DaemonSetStatus(
        observed_generation=daemon.owner.meta.generation,
        desired_number_scheduled=len(daemon.nodes),
        current_number_scheduled=sum(bool(pods) for pods in there.values()),
        number_misscheduled=len(astray),
        number_ready=sum(any(is_ready(p) for p in pods) for pods in there.values()),
        updated_number_scheduled=sum(
            any(daemon.is_new(p) for p in pods) for pods in there.values()
        ),
        number_available=available,
        number_unavailable=len(daemon.nodes) - available,
        conditions=daemon.typed.status.conditions,
    )
