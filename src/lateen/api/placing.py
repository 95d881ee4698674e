"""Where a pod may run: tolerations and affinity.

In: -    Out: Toleration, Affinity, Taint.    Source: core/v1.
Before: api/meta.py       After: api/pod.py, api/node.py, cluster/fitting.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative
from lateen.api.meta import LabelSelector


class Taint(Api, frozen=True, kw_only=True):
    """What keeps pods from a node unless they tolerate it."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"
    time_added: Informative = None


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


class NodeAffinity(Api, frozen=True, kw_only=True):
    """The nodes a pod needs; preferences change nothing where there is one node."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: Informative = None


class PodAffinityTerm(Api, frozen=True, kw_only=True):
    """Pods that must, or must not, be in the same place; `topology_key` says what a place is."""

    topology_key: str
    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    match_label_keys: Informative = None
    mismatch_label_keys: Informative = None


class PodAffinity(Api, frozen=True, kw_only=True):
    """What must hold for the pods that are already there."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: Informative = None


class Affinity(Api, frozen=True, kw_only=True):
    """Which nodes, and beside whom."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None
