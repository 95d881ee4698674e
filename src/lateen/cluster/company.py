"""Which pods a pod wants beside it, or away from it, and which want it away.

In: a pod, the pods on their nodes, the labels of namespaces.    Out: Against, scores.
Before: cluster/fitting.py        After: cluster/grounds.py, cluster/scoring.py
Source: kubernetes pkg/scheduler/framework/plugins/interpodaffinity.

A place is a label of nodes with its value. As in Kubernetes the first pod of a group that wants its
like beside it may go anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from lateen.api.fields import Labels
from lateen.api.meta import LabelSelector, LabelSelectorRequirement
from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.api.placing import PodAffinity, PodAffinityTerm
from lateen.cluster.fitting import Against
from lateen.cluster.pods import pod_of

Place = tuple[str, str]  # a label of nodes, and its value
Namespaces = Mapping[str, Labels]
Neighbour = tuple[Obj, Node]
_NONE = PodAffinity()


class Company(Struct, frozen=True, kw_only=True):
    """Where pods are that matter to one pod."""

    beside: tuple[PodAffinityTerm, ...]
    found: frozenset[Place]  # where those are that it wants beside it
    apart: frozenset[Place]  # where those are that it wants away
    minded: frozenset[Place]  # where those are that want it away
    first: bool  # it wants only its like, and there is none yet

    def against(self, node: Node) -> Against | None:
        """Why the pods there keep it from the node."""
        places = set(node.metadata.labels.items())
        here = [(t.topology_key, node.metadata.labels.get(t.topology_key)) for t in self.beside]
        known = all(value is not None for _, value in here)
        if not known or not (self.first or all(place in self.found for place in here)):
            return Against("node(s) didn't match pod affinity rules", hopeless=True)
        if places & self.apart:
            return Against("node(s) didn't match pod anti-affinity rules")
        if places & self.minded:
            return Against("node(s) didn't satisfy existing pods anti-affinity rules")
        return None


def company_of(pod: Obj, there: Iterable[Neighbour], namespaces: Namespaces) -> Company:
    """Look at everybody once, for all nodes."""
    beside = _beside(pod).required_during_scheduling_ignored_during_execution
    apart = _apart(pod).required_during_scheduling_ignored_during_execution
    found: set[Place] = set()
    away: set[Place] = set()
    minded: set[Place] = set()
    for other, node in there:
        if beside and all(meant(t, pod, other, namespaces) for t in beside):
            found.update(_places(beside, node))
        away.update(_places((t for t in apart if meant(t, pod, other, namespaces)), node))
        theirs = _apart(other).required_during_scheduling_ignored_during_execution
        minded.update(_places((t for t in theirs if meant(t, other, pod, namespaces)), node))
    itself = bool(beside) and all(meant(t, pod, pod, namespaces) for t in beside)
    return Company(
        beside=beside,
        found=frozenset(found),
        apart=frozenset(away),
        minded=frozenset(minded),
        first=itself and not found,
    )


def likings(pod: Obj, there: Iterable[Neighbour], namespaces: Namespaces) -> Counter[Place]:
    """How much each place is liked for the pods there, by this pod and by them."""
    sums: Counter[Place] = Counter()
    for other, node in there:
        for owner, seen in ((pod, other), (other, pod)):
            for affinity, sign in ((_beside(owner), 1), (_apart(owner), -1)):
                for liked in affinity.preferred_during_scheduling_ignored_during_execution:
                    if meant(liked.pod_affinity_term, owner, seen, namespaces):
                        for place in _places((liked.pod_affinity_term,), node):
                            sums[place] += sign * liked.weight
        # A pod that needs its like beside it likes to be joined.
        for term in _beside(other).required_during_scheduling_ignored_during_execution:
            if meant(term, other, pod, namespaces):
                sums.update(_places((term,), node))
    return sums


def is_sociable(pod: Obj) -> bool:
    """Whether it has any wish about other pods."""
    affinity = pod_of(pod).spec.affinity
    return affinity is not None and bool(affinity.pod_affinity or affinity.pod_anti_affinity)


def _beside(pod: Obj) -> PodAffinity:
    affinity = pod_of(pod).spec.affinity
    return (affinity.pod_affinity if affinity else None) or _NONE


def _apart(pod: Obj) -> PodAffinity:
    affinity = pod_of(pod).spec.affinity
    return (affinity.pod_anti_affinity if affinity else None) or _NONE


def _places(terms: Iterable[PodAffinityTerm], node: Node) -> list[Place]:
    labels = node.metadata.labels
    keys = [t.topology_key for t in terms]
    return [(key, labels[key]) for key in keys if key in labels]


def meant(term: PodAffinityTerm, owner: Obj, other: Obj, namespaces: Namespaces) -> bool:
    """Whether the term of `owner` speaks of this pod."""
    selector = with_keys(term.label_selector, owner, term.match_label_keys)
    selector = with_keys(selector, owner, term.mismatch_label_keys, operator="NotIn")
    if selector is None or not selector.matches(other.meta.labels):
        return False
    space = other.key.namespace
    if term.namespace_selector is not None and term.namespace_selector.matches(
        namespaces.get(space, {})
    ):
        return True
    own = () if term.namespace_selector is not None else (owner.key.namespace,)
    return space in (term.namespaces or own)


def with_keys(
    selector: LabelSelector | None, owner: Obj, keys: Iterable[str], *, operator: str = "In"
) -> LabelSelector | None:
    """The selector that also asks for the owner's own values of these labels (or for others)."""
    labels = owner.meta.labels
    further = tuple(
        LabelSelectorRequirement(key=key, operator=operator, values=(labels[key],))
        for key in keys
        if key in labels
    )
    if selector is None or not further:
        return selector
    return msgspec.structs.replace(
        selector, match_expressions=(*selector.match_expressions, *further)
    )
