"""Whether a node is for a pod at all, in which words it is not, and how well it is liked.

In: a pod's spec, a node.    Out: Against, scores.
Before: cluster/nodes.py        After: cluster/amounts.py, cluster/grounds.py, cluster/daemonsets.py
Source: kubernetes pkg/scheduler/framework/plugins: nodeunschedulable, tainttoleration, nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from lateen.api.fields import Labels
from lateen.api.node import Node
from lateen.api.placing import NodeRequirement, NodeSelector, NodeTerm, Taint, Toleration
from lateen.api.pod import PodSpec

UNSCHEDULABLE = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
_NAME = "metadata.name"


class Against(Struct, frozen=True):
    """Why a node does not do, in the scheduler's words; `hopeless` if no pod's end would change it."""

    words: str
    hopeless: bool = False


def keeps_away(spec: PodSpec, node: Node) -> Against | None:
    """Why the node itself is not for this pod."""
    tolerated = spec.tolerations
    if node.spec.unschedulable and not any(t.tolerates(UNSCHEDULABLE) for t in tolerated):
        return Against("node(s) were unschedulable", hopeless=True)
    for taint in untolerated(node, tolerated, ("NoSchedule", "NoExecute")):
        words = f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
        return Against(words, hopeless=True)
    if not named(spec, node):
        return Against("node(s) didn't satisfy plugin(s) [NodeAffinity]", hopeless=True)
    if not selected(spec, node):
        return Against("node(s) didn't match Pod's node affinity/selector", hopeless=True)
    return None


def untolerated(
    node: Node, tolerations: Sequence[Toleration], effects: tuple[str, ...]
) -> Iterator[Taint]:
    """The node's taints of these effects that matter to a pod with these tolerations."""
    return (
        taint
        for taint in node.spec.taints
        if taint.effect in effects and not any(t.tolerates(taint) for t in tolerations)
    )


def _required(spec: PodSpec) -> NodeSelector | None:
    affinity = spec.affinity.node_affinity if spec.affinity else None
    return affinity.required_during_scheduling_ignored_during_execution if affinity else None


def named(spec: PodSpec, node: Node) -> bool:
    """Whether the node is among those the pod names, if each of its terms names some."""
    required = _required(spec)
    terms = required.node_selector_terms if required else ()
    names = [
        {v for f in t.match_fields if (f.key, f.operator) == (_NAME, "In") for v in f.values}
        for t in terms
    ]
    return not terms or not all(names) or node.metadata.name in set().union(*names)


def selected(spec: PodSpec, node: Node) -> bool:
    """Whether the pod's node selector and required node affinity take the node."""
    if not spec.node_selector.items() <= node.metadata.labels.items():
        return False
    required = _required(spec)
    return required is None or any(_holds(term, node) for term in required.node_selector_terms)


def liking(spec: PodSpec, node: Node) -> int:
    """The weights of the preferred node affinity's terms that the node meets."""
    affinity = spec.affinity.node_affinity if spec.affinity else None
    liked = affinity.preferred_during_scheduling_ignored_during_execution if affinity else ()
    return sum(p.weight for p in liked if _holds(p.preference, node))


def disliking(spec: PodSpec, node: Node) -> int:
    """How many PreferNoSchedule taints of the node the pod does not tolerate."""
    return len(list(untolerated(node, spec.tolerations, ("PreferNoSchedule",))))


def _holds(term: NodeTerm, node: Node) -> bool:
    """An empty term selects nothing."""
    if not (term.match_expressions or term.match_fields):
        return False
    fields = {_NAME: node.metadata.name}
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
