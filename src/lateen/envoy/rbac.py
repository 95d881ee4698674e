"""Write who may do what as Envoy's RBAC, for HTTP and for plain TCP.

In: Authorization, where it stands.    Out: at most two RBACs: deny, then allow.
Before: ir/policy.py, conditions.py    After: filters/rbac.py, listeners_in.py

Source: Istio pilot/pkg/security/authz/model and the task "Authorization for TCP traffic".
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.envoy import names
from lateen.envoy.conditions import Judge, permissions_of, principals_of
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import RBAC
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import Policy as EnvoyPolicy
from lateen.ir.policy import Authorization, Policy, Verdict

_ACTION = {
    Verdict.CUSTOM: RBAC.DENY,  # in the shadow: what it matches is put to the authorizer
    Verdict.AUDIT: RBAC.ALLOW,  # in the shadow: what it matches is marked
    Verdict.DENY: RBAC.DENY,
    Verdict.ALLOW: RBAC.ALLOW,
}

_KEYS = {
    (Verdict.CUSTOM, False): names.ASKED,
    (Verdict.AUDIT, False): names.AUDITED,
    (Verdict.DENY, False): names.ENFORCED,
    (Verdict.ALLOW, False): names.ENFORCED,
    (Verdict.DENY, True): names.DRY_DENY,
    (Verdict.ALLOW, True): names.DRY_ALLOW,
}


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
    """The policies of one verdict; None where they cannot hold up anything.

    An ALLOW without any rule that can match refuses everything. `gateway_port` is the gateway's own
    port, 0 in a sidecar.
    """
    policies = [each for each in authorization.of(verdict) if each.dry_run is dry_run]
    judge = Judge(verdict=verdict, http=http, gateway_port=gateway_port)
    rules = _rules(policies, judge)
    if not policies or (verdict is not Verdict.ALLOW and not rules):
        return None
    return RBAC(action=_ACTION[verdict], policies=rules)


def noted_by(authorization: Authorization) -> tuple[str, ...]:
    """What the keys begin with under which these policies note what they found of a request."""
    kinds = {(policy.verdict, policy.dry_run) for policy in authorization.policies}
    return tuple(dict.fromkeys(key for kind, key in _KEYS.items() if kind in kinds))


def tried_as(verdict: Verdict) -> str:
    """The same for policies of a verdict that are only tried."""
    return _KEYS[verdict, True]
