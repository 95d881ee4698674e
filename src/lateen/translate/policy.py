"""AuthorizationPolicies that hold for a workload, in the words of the IR.

In: AuthorizationPolicies, a workload.    Out: Authorization, problems.
Before: translate/tokens.py               After: translate/inbound.py, translate/plan.py

A policy never lets through more than its author wrote. A condition that is not carried yet is left
out of a DENY (which then denies more); in an ALLOW the alternative that has it is left out (which
then allows less). Either is reported.
"""

from __future__ import annotations

from lateen.api.security import AuthorizationPolicy, Rule
from lateen.base.problem import Problem
from lateen.ir.policy import Authorization, Clause, Condition, Policy, Verdict
from lateen.translate.conditions import condition_of, is_carried, operation_of, source_of
from lateen.translate.faults import not_carried, stricter
from lateen.translate.selecting import selects
from lateen.translate.tokens import token_rules
from lateen.translate.views import Sight
from lateen.world.model import Owned, Workload

DRY_RUN = "istio.io/dry-run"
_NOT_CARRIED = {
    Verdict.DENY: "{} is not carried yet: requests are denied whatever it says",
    Verdict.ALLOW: "{} is not carried yet: nothing is allowed by what it stands in",
}


def authorization_of(sight: Sight, workload: Workload) -> tuple[Authorization, tuple[Problem, ...]]:
    """Who may do what at a workload, by the policies of its namespace and of the root namespace."""
    world = sight.index.world
    deny: list[Policy] = []
    allow: list[Policy] = []
    tokens, found = token_rules(sight, workload)
    problems = list(found)
    for policy in sorted(world.authorization_policies, key=lambda p: (p.name, p.namespace)):
        if not selects(policy, workload):
            continue
        translated, found = translate_policy(policy)
        problems.extend(found)
        if translated:
            (deny if translated.verdict is Verdict.DENY else allow).append(translated)
    made = Authorization(tokens=tokens, deny=tuple(deny), allow=tuple(allow))
    return made, tuple(problems)


def translate_policy(
    policy: Owned[AuthorizationPolicy],
) -> tuple[Policy | None, tuple[Problem, ...]]:
    """One policy. AUDIT decides nothing; CUSTOM cannot ask anybody here, so it refuses."""
    action = policy.typed.spec.action or "ALLOW"
    problems: list[Problem] = []
    if action == "AUDIT":
        message = "AUDIT is not carried yet: nothing is written down"
        return None, (not_carried(policy.origin("spec.action"), message),)
    if action == "CUSTOM":
        message = "CUSTOM is not carried yet: what it would be asked about is refused"
        problems.append(stricter(policy.origin("spec.action"), message))
    verdict = Verdict.ALLOW if action == "ALLOW" else Verdict.DENY
    clauses: list[Clause] = []
    for index, rule in enumerate(policy.typed.spec.rules):
        clause = _clause(policy, rule, f"spec.rules[{index}]", verdict, problems)
        if clause:
            clauses.append(clause)
    made = Policy(
        name=f"ns[{policy.namespace}]-policy[{policy.name}]",
        verdict=verdict,
        clauses=tuple(clauses),
        dry_run=policy.typed.metadata.annotations.get(DRY_RUN, "") == "true",
        origin=policy.origin(),
    )
    return made, tuple(problems)


def _clause(
    policy: Owned[AuthorizationPolicy],
    rule: Rule,
    path: str,
    verdict: Verdict,
    problems: list[Problem],
) -> Clause | None:
    when: tuple[Condition, ...] = ()
    for at, condition in enumerate(rule.when):
        if is_carried(condition.key):
            when += (condition_of(condition, policy.namespace),)
            continue
        lacking = _NOT_CARRIED[verdict].format(condition.key)
        problems.append(stricter(policy.origin(f"{path}.when[{at}]"), lacking))
        if verdict is Verdict.ALLOW:
            return None
    return Clause(
        sources=tuple(source_of(f.source, policy.namespace) for f in rule.from_),
        operations=tuple(operation_of(t.operation) for t in rule.to),
        when=when,
        origin=policy.origin(path),
    )
