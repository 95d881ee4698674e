"""PodDisruptionBudget and PriorityClass: how many pods may be missing, and which matter more.

In: -    Out: the structs.    Source: policy/v1, scheduling.k8s.io/v1.
Before: api/meta.py       After: cluster/budgets.py, cluster/scheduling.py
"""

from __future__ import annotations

from lateen.api.fields import Api, IntOrString
from lateen.api.meta import Condition, LabelSelector, ObjectMeta


class BudgetSpec(Api, frozen=True, kw_only=True):
    """At least so many healthy, or at most so many not; numbers or percentages."""

    selector: LabelSelector | None = None
    min_available: IntOrString | None = None
    max_unavailable: IntOrString | None = None
    unhealthy_pod_eviction_policy: str = ""


class BudgetStatus(Api, frozen=True, kw_only=True):
    """How many pods may be evicted now."""

    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disrupted_pods: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()


class PodDisruptionBudget(Api, frozen=True, kw_only=True):
    """policy/v1 PodDisruptionBudget."""

    api_version: str = "policy/v1"
    kind: str = "PodDisruptionBudget"
    metadata: ObjectMeta
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


class PriorityClass(Api, frozen=True, kw_only=True):
    """scheduling.k8s.io/v1 PriorityClass: a name for a priority."""

    api_version: str = "scheduling.k8s.io/v1"
    kind: str = "PriorityClass"
    metadata: ObjectMeta
    value: int = 0
    global_default: bool = False
    description: str = ""
    preemption_policy: str = "PreemptLowerPriority"
