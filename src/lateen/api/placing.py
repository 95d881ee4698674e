"""Where a pod may run: tolerations, affinity, spread.

In: -    Out: Toleration, Affinity, Taint, SpreadConstraint.    Source: core/v1.
Before: api/meta.py       After: api/pod.py, api/node.py, cluster/fitting.py, check/placing.py
"""

from __future__ import annotations

from lateen.api.fields import Api
from lateen.api.meta import LabelSelector


class Taint(Api, frozen=True, kw_only=True):
    """What keeps pods from a node unless they tolerate it; `time_added` is since when, of NoExecute."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"
    time_added: str | None = None


class Toleration(Api, frozen=True, kw_only=True):
    """Taints that do not matter; without a key and with operator Exists all."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None

    def tolerates(self, taint: Taint) -> bool:
        """Whether this taint does not matter."""
        if self.effect not in ("", taint.effect) or self.key not in ("", taint.key):
            return False
        return self.operator == "Exists" or (bool(self.key) and self.value == taint.value)


class NodeRequirement(Api, frozen=True, kw_only=True):
    """A label or field of a node: In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class NodeTerm(Api, frozen=True, kw_only=True):
    """All of these must hold."""

    match_expressions: tuple[NodeRequirement, ...] = ()
    match_fields: tuple[NodeRequirement, ...] = ()


class NodeSelector(Api, frozen=True, kw_only=True):
    """One of these must hold."""

    node_selector_terms: tuple[NodeTerm, ...]


class PreferredNodes(Api, frozen=True, kw_only=True):
    """Nodes that are liked so much, 1 to 100."""

    weight: int
    preference: NodeTerm


class NodeAffinity(Api, frozen=True, kw_only=True):
    """The nodes a pod needs, and those it likes best."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNodes, ...] = ()


class PodAffinityTerm(Api, frozen=True, kw_only=True):
    """Pods that must, or must not, be in the same place; `topology_key` says what a place is."""

    topology_key: str
    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class WeightedPodTerm(Api, frozen=True, kw_only=True):
    """Pods whose company is liked, or disliked, so much, 1 to 100."""

    weight: int
    pod_affinity_term: PodAffinityTerm


class PodAffinity(Api, frozen=True, kw_only=True):
    """What must hold for the pods that are already there, and what is liked."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodTerm, ...] = ()


class Affinity(Api, frozen=True, kw_only=True):
    """Which nodes, and beside whom."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class SpreadConstraint(Api, frozen=True, kw_only=True):
    """Pods like these are to be spread over the places that `topology_key` tells apart."""

    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    label_selector: LabelSelector | None = None
    min_domains: int | None = None
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"
    match_label_keys: tuple[str, ...] = ()
