"""Which of Istio's policies hold for a workload: by namespace, and by labels or by reference.

In: a policy, a workload.    Out: whether it holds there.
Before: world/model.py       After: translate/policy.py, translate/tokens.py, translate/envoyfilters.py
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import (
    GATEWAY_NAME,
    GATEWAY_TARGET,
    AuthorizationPolicy,
    PolicyTargetReference,
    targets_of,
)
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload


def selects(
    policy: Owned[AuthorizationPolicy] | Owned[RequestAuthentication], workload: Workload
) -> bool:
    """By namespace (the root namespace's hold in all) and labels."""
    spec = policy.typed.spec
    targets = targets_of(spec.target_ref, spec.target_refs)
    if targets:
        return attached(targets, policy.namespace, workload)
    if policy.namespace not in (workload.namespace, ROOT_NAMESPACE):
        return False
    return spec.selector is None or spec.selector.match_labels.items() <= workload.labels.items()


def attached(targets: Iterable[PolicyTargetReference], namespace: str, workload: Workload) -> bool:
    """Whether a policy of that namespace is attached to a workload by one of its targets.

    As in Istio a pod belongs to the Gateway (gateway.networking.k8s.io) that its label names, of its own
    namespace; all other targets are for waypoints.
    """
    gateway = workload.labels.get(GATEWAY_NAME)
    return namespace == workload.namespace and any(
        (target.group, target.kind) == GATEWAY_TARGET and target.name == gateway
        for target in targets
    )
