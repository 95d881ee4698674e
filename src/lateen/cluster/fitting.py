"""Whether a pod fits on a node, and in which words it does not.

In: a pod, a node, the pods there.    Out: reasons, as the scheduler gives them.
Before: cluster/nodes.py        After: cluster/scheduling.py, cluster/daemonsets.py
Source: kubernetes pkg/scheduler/framework/plugins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lateen.api.fields import Labels
from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.api.placing import NodeRequirement, NodeTerm, PodAffinityTerm, Taint, Toleration
from lateen.api.pod import Container, PodSpec
from lateen.api.quantity import milli, whole
from lateen.cluster.pods import pod_of

UNSCHEDULABLE = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Thousandths of a core, bytes, pods."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            cpu=self.cpu + other.cpu,
            memory=self.memory + other.memory,
            pods=self.pods + other.pods,
        )


def requests_of(spec: PodSpec) -> Amounts:
    """What a pod asks for: all containers together, or one init container if that is more.

    Init containers that stay (restartPolicy Always) count with the others.
    """
    staying = [c for c in spec.init_containers if c.restart_policy == "Always"]
    passing = [c for c in spec.init_containers if c.restart_policy != "Always"]
    sums = [sum(_asked(c, name) for c in (*spec.containers, *staying)) for name in _NAMES]
    peaks = [max((_asked(c, name) for c in passing), default=0) for name in _NAMES]
    cpu, memory = (max(pair) for pair in zip(sums, peaks, strict=True))
    return Amounts(cpu=cpu, memory=memory, pods=1)


_NAMES = ("cpu", "memory")


def _asked(container: Container, name: str) -> int:
    """The request, or else the limit."""
    resources = container.resources
    amount = resources.requests.get(name, resources.limits.get(name, 0))
    return milli(amount) if name == "cpu" else whole(amount)


def allocatable(node: Node) -> Amounts:
    """What the node has to give."""
    amounts = node.status.allocatable
    return Amounts(
        cpu=milli(amounts.get("cpu", 0)),
        memory=whole(amounts.get("memory", 0)),
        pods=whole(amounts.get("pods", 0)),
    )


def no_room(wanted: Amounts, held: Amounts, has: Amounts) -> tuple[str, ...]:
    """What there is not enough of; a resource not asked for is never lacking."""
    after = held + wanted
    return (
        *(("Too many pods",) if after.pods > has.pods else ()),
        *(("Insufficient cpu",) if wanted.cpu and after.cpu > has.cpu else ()),
        *(("Insufficient memory",) if wanted.memory and after.memory > has.memory else ()),
    )


def keeps_away(
    spec: PodSpec, node: Node, tolerations: Sequence[Toleration] | None = None
) -> str | None:
    """Why the node itself is not for this pod; `tolerations` in place of the pod's own."""
    tolerated = spec.tolerations if tolerations is None else tolerations
    if node.spec.unschedulable and not any(t.tolerates(UNSCHEDULABLE) for t in tolerated):
        return "node(s) were unschedulable"
    for taint in node.spec.taints:
        hard = taint.effect in ("NoSchedule", "NoExecute")
        if hard and not any(t.tolerates(taint) for t in tolerated):
            return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
    if not _selected(spec, node):
        return "node(s) didn't match Pod's node affinity/selector"
    return None


def _selected(spec: PodSpec, node: Node) -> bool:
    labels = node.metadata.labels
    if not spec.node_selector.items() <= labels.items():
        return False
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    if required is None:
        return True
    return any(_holds(term, node) for term in required.node_selector_terms)


def _holds(term: NodeTerm, node: Node) -> bool:
    """An empty term selects nothing."""
    if not (term.match_expressions or term.match_fields):
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_met(r, node.metadata.labels) for r in term.match_expressions) and all(
        _met(r, fields) for r in term.match_fields
    )


def _met(requirement: NodeRequirement, labels: Labels) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compared(value, requirement.values, operator)
    return False


def _compared(value: str | None, values: Sequence[str], operator: str) -> bool:
    if value is None or len(values) != 1:
        return False
    if not (value.lstrip("-").isdecimal() and values[0].lstrip("-").isdecimal()):
        return False
    have, edge = int(value), int(values[0])
    return have > edge if operator == "Gt" else have < edge


def bad_company(pod: Obj, node: Node, placed: Iterable[tuple[Obj, Node]]) -> str | None:
    """Why the pods already placed keep this one from the node, or it keeps away from them.

    As in Kubernetes the first pod of a group that wants its like beside it may go anywhere.
    """
    placed = tuple(placed)
    affinity = pod_of(pod).spec.affinity
    apart = affinity.pod_anti_affinity if affinity else None
    for term in apart.required_during_scheduling_ignored_during_execution if apart else ():
        if any(_near(term, node, there) and _meant(term, pod, other) for other, there in placed):
            return "node(s) didn't match pod anti-affinity rules"
    for other, there in placed:
        others = pod_of(other).spec.affinity
        mind = others.pod_anti_affinity if others else None
        for term in mind.required_during_scheduling_ignored_during_execution if mind else ():
            if _near(term, node, there) and _meant(term, other, pod):
                return "node(s) didn't satisfy existing pods anti-affinity rules"
    beside = affinity.pod_affinity if affinity else None
    for term in beside.required_during_scheduling_ignored_during_execution if beside else ():
        meant = [(o, n) for o, n in placed if _meant(term, pod, o)]
        if not meant and _meant(term, pod, pod):
            continue
        if not any(_near(term, node, there) for _, there in meant):
            return "node(s) didn't match pod affinity rules"
    return None


def _near(term: PodAffinityTerm, node: Node, other: Node) -> bool:
    here, there = (n.metadata.labels.get(term.topology_key) for n in (node, other))
    return here is not None and here == there


def _meant(term: PodAffinityTerm, owner: Obj, other: Obj) -> bool:
    """Whether the term of `owner` speaks of this pod."""
    spaces = term.namespaces or (owner.key.namespace,)
    anywhere = term.namespace_selector is not None
    selected = term.label_selector is not None and term.label_selector.matches(other.meta.labels)
    return selected and (anywhere or other.key.namespace in spaces)
