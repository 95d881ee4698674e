"""Which of Istio's security policies hold for a workload.

In: a policy, a workload.    Out: whether it holds there.
Before: world/model.py       After: translate/policy.py, translate/tokens.py
"""

from __future__ import annotations

from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import AuthorizationPolicy
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload


def selects(
    policy: Owned[AuthorizationPolicy] | Owned[RequestAuthentication], workload: Workload
) -> bool:
    """By namespace (the root namespace's hold in all) and labels."""
    spec = policy.typed.spec
    if policy.namespace not in (workload.namespace, ROOT_NAMESPACE):
        return False
    if spec.target_ref or spec.target_refs:  # is for a Gateway API gateway, not for pods by label
        return False
    return spec.selector is None or spec.selector.match_labels.items() <= workload.labels.items()
