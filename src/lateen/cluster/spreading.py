"""Spread pods over zones and nodes, as their topologySpreadConstraints ask.

In: a pod, the nodes, the pods on them.    Out: Against, scores.
Before: cluster/company.py        After: cluster/grounds.py, cluster/scoring.py
Source: kubernetes pkg/scheduler/framework/plugins/podtopologyspread.

A pod without constraints is spread a little, too: away from those of the same owner, over nodes and
zones (Kubernetes' defaultConstraints).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.api.placing import SpreadConstraint
from lateen.base.locality import ZONE
from lateen.cluster.company import Neighbour, with_keys
from lateen.cluster.fitting import Against, selected, untolerated
from lateen.cluster.nodes import HOSTNAME
from lateen.cluster.pods import is_terminating, pod_of

_SKEWED = Against("node(s) didn't match pod topology spread constraints")
_UNLABELLED = Against(
    "node(s) didn't match pod topology spread constraints (missing required label)", hopeless=True
)
Kin = Mapping[tuple[str, str], int]  # pods by their owner and node
_DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))


class _Count(Struct, frozen=True, kw_only=True):
    """How many pods each value of one label has that a constraint is about."""

    key: str
    most: int  # the skew
    pods: Mapping[str, int]
    itself: int  # 1 if the pod will be counted, too
    domains: int = 1

    def fits(self, value: str) -> bool:
        least = min(self.pods.values(), default=0) if len(self.pods) >= self.domains else 0
        return self.pods.get(value, 0) + self.itself - least <= self.most

    def cost(self, value: str) -> float:
        return self.pods.get(value, 0) * math.log(len(self.pods) + 2) + self.most - 1


class Spread(Struct, frozen=True, kw_only=True):
    """The constraints of one pod, counted out."""

    hard: tuple[_Count, ...]
    soft: tuple[_Count, ...]

    def against(self, node: Node) -> Against | None:
        """Why the pod would be too many on the node."""
        labels = node.metadata.labels
        if any(count.key not in labels for count in self.hard):
            return _UNLABELLED
        if all(count.fits(labels[count.key]) for count in self.hard):
            return None
        return _SKEWED

    def cost(self, node: Node) -> float:
        """How crowded the node's places are; less is better."""
        labels = node.metadata.labels
        return sum(c.cost(labels[c.key]) for c in self.soft if c.key in labels)


def spread_of(
    pod: Obj, nodes: Mapping[str, Node], there: Iterable[Neighbour], kin: Kin | None = None
) -> Spread:
    """Count the pods that matter once, for all nodes; `kin` is asked for by who has no constraints."""
    constraints = pod_of(pod).spec.topology_spread_constraints
    if not constraints:
        return Spread(hard=(), soft=_default(pod, nodes, kin) if kin is not None else ())
    there = tuple(there)

    def counted(wish: str) -> tuple[_Count, ...]:
        some = [c for c in constraints if c.when_unsatisfiable == wish]
        keys = {c.topology_key for c in some}
        return tuple(_counted(c, pod, nodes, there, keys) for c in some)

    return Spread(hard=counted("DoNotSchedule"), soft=counted("ScheduleAnyway"))


def kin_of(pod: Obj) -> str:
    """What the pods of one owner have in common; "" of a pod on its own, or on its way out."""
    owners = (o.uid for o in pod.meta.owner_references if o.controller)
    return "" if is_terminating(pod) else next(owners, "")


def _counted(
    constraint: SpreadConstraint,
    pod: Obj,
    nodes: Mapping[str, Node],
    there: Iterable[Neighbour],
    keys: set[str],
) -> _Count:
    """Only nodes count that have all the labels, and that the pod could be on."""
    selector = with_keys(constraint.label_selector, pod, constraint.match_label_keys)
    spec = pod_of(pod).spec

    def counts(node: Node) -> bool:
        if not keys <= node.metadata.labels.keys():
            return False
        if constraint.node_affinity_policy == "Honor" and not selected(spec, node):
            return False
        hard = ("NoSchedule", "NoExecute")
        tainted = any(untolerated(node, spec.tolerations, hard))
        return constraint.node_taints_policy != "Honor" or not tainted

    def like(other: Obj) -> bool:
        same = other.key.namespace == pod.key.namespace
        return same and selector is not None and selector.matches(other.meta.labels)

    return _Count(
        key=constraint.topology_key,
        most=constraint.max_skew,
        pods=_by_value(constraint.topology_key, filter(counts, nodes.values()), there, like),
        itself=int(like(pod)),
        domains=constraint.min_domains or 1,
    )


def _default(pod: Obj, nodes: Mapping[str, Node], kin: Kin) -> tuple[_Count, ...]:
    owner = kin_of(pod)
    return tuple(
        _Count(key=key, most=most, pods=_kin_by_value(key, nodes, owner, kin), itself=1)
        for key, most in (_DEFAULTS if owner else ())
    )


def _kin_by_value(key: str, nodes: Mapping[str, Node], owner: str, kin: Kin) -> Mapping[str, int]:
    pods: Counter[str] = Counter()
    for name, node in nodes.items():
        if key in node.metadata.labels:
            pods[node.metadata.labels[key]] += kin.get((owner, name), 0)
    return pods


def _by_value(
    key: str, nodes: Iterable[Node], there: Iterable[Neighbour], like: Callable[[Obj], bool]
) -> Mapping[str, int]:
    """Pods by the value of their node's label; every value of these nodes is named."""
    values = {n.metadata.name: n.metadata.labels[key] for n in nodes if key in n.metadata.labels}
    pods = Counter(dict.fromkeys(values.values(), 0))
    for other, node in there:
        value = values.get(node.metadata.name)
        if value is not None and not is_terminating(other) and like(other):
            pods[value] += 1
    return pods
