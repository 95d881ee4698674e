"""Write who may do what as Envoy's RBAC, for HTTP and for plain TCP.

In: Authorization, where it stands.    Out: at most two RBACs: deny, then allow.
Before: ir/policy.py, conditions.py    After: filters/rbac.py, listeners_in.py

Source: Istio pilot/pkg/security/authz/model and the task "Authorization for TCP traffic".
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.envoy.conditions import Judge, permissions_of, principals_of
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import RBAC
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import Policy as EnvoyPolicy
from lateen.ir.policy import Authorization, Policy, TextCondition, Trait, Verdict

_ACTION = {Verdict.DENY: RBAC.DENY, Verdict.ALLOW: RBAC.ALLOW}


def _rules(policies: Iterable[Policy], judge: Judge) -> dict[str, EnvoyPolicy]:
    """Each clause under Istio's name of it: `ns[NS]-policy[NAME]-rule[N]`."""
    made: dict[str, EnvoyPolicy] = {}
    for policy in policies:
        clauses = tuple(enumerate(policy.clauses)) if judge.http else policy.on_tcp()
        for number, clause in clauses:
            permissions = permissions_of(clause, judge)
            principals = principals_of(clause, judge)
            if permissions and principals:
                made[f"{policy.name}-rule[{number}]"] = EnvoyPolicy(
                    permissions=permissions, principals=principals
                )
    return made


def emit_rbac(
    authorization: Authorization,
    verdict: Verdict,
    *,
    http: bool,
    gateway_port: int = 0,
    dry_run: bool = False,
) -> RBAC | None:
    """The policies of one verdict; None where they cannot refuse anything.

    An ALLOW without any rule that can match refuses everything. `gateway_port` is the gateway's own
    port, 0 in a sidecar.
    """
    every = authorization.deny if verdict is Verdict.DENY else authorization.allow
    policies = [policy for policy in every if policy.dry_run is dry_run]
    judge = Judge(verdict=verdict, http=http, gateway_port=gateway_port)
    rules = _rules(policies, judge)
    if not policies or (verdict is Verdict.DENY and not rules):
        return None
    return RBAC(action=_ACTION[verdict], policies=rules)


def looks_at_paths(authorization: Authorization) -> bool:
    """Whether any policy judges by the path."""
    return any(
        isinstance(condition, TextCondition) and condition.trait is Trait.PATH
        for policy in authorization.policies
        for clause in policy.clauses
        for condition in clause.conditions
    )
