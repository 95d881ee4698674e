"""AuthorizationPolicies that hold for a workload, in the words of the IR.

In: AuthorizationPolicies, a workload.    Out: Authorization, problems.
Before: translate/tokens.py               After: translate/inbound.py, translate/plan.py

A policy never lets through more than its author wrote. A condition that is not carried yet is left
out of a DENY (which then denies more); in an ALLOW the alternative that has it is left out (which
then allows less). Either is reported.
"""

from __future__ import annotations

from msgspec.structs import replace

from lateen.api.meshconfig import MeshConfig
from lateen.api.security import AuthorizationPolicy, Rule
from lateen.base.problem import Problem
from lateen.ir.policy import (
    Authorization,
    Clause,
    Condition,
    Custom,
    Paths,
    Policy,
    Verdict,
)
from lateen.translate.authorizers import authorizer_named
from lateen.translate.conditions import condition_of, is_carried, operation_of, source_of
from lateen.translate.faults import asks_itself, no_tokens, stricter
from lateen.translate.selecting import selects
from lateen.translate.tokens import token_rules
from lateen.translate.views import Sight
from lateen.world.model import Owned, Workload

DRY_RUN = "istio.io/dry-run"
_NOT_CARRIED = {
    Verdict.DENY: "{} is not carried yet: requests are denied whatever it says",
    Verdict.CUSTOM: "{} is not carried yet: the authorizer is asked whatever it says",
    Verdict.ALLOW: "{} is not carried yet: nothing is allowed by what it stands in",
    Verdict.AUDIT: "{} is not carried yet: nothing is marked by what it stands in",
}
_READS = {
    "NONE": Paths.AS_SENT,
    "BASE": Paths.RESOLVED,
    "MERGE_SLASHES": Paths.MERGED,
    "DECODE_AND_MERGE_SLASHES": Paths.DECODED,
}


def authorization_of(sight: Sight, workload: Workload) -> tuple[Authorization, tuple[Problem, ...]]:
    """Who may do what at a workload, by the policies of its namespace and of the root namespace."""
    world = sight.index.world
    tokens, found = token_rules(sight, workload)
    problems = list(found)
    made: dict[Verdict, list[Policy]] = {verdict: [] for verdict in Verdict}
    asked: dict[str, list[Policy]] = {}
    for policy in sorted(world.authorization_policies, key=lambda p: (p.name, p.namespace)):
        if not selects(policy, workload):
            continue
        translated, faults = translate_policy(policy)
        problems.extend(faults)
        if translated.asks_for_tokens and not tokens:
            problems.append(no_tokens(policy.origin("spec.rules")))
        if translated.verdict is Verdict.CUSTOM:
            provider = policy.typed.spec.provider
            asked.setdefault(provider.name if provider else "", []).append(translated)
        else:
            made[translated.verdict].append(translated)
    custom, refused = _custom(sight, asked, problems)
    if custom and _is_behind(sight, workload, custom.authorizer.asking.backend.host):
        problems.extend(asks_itself(policy.origin) for policy in custom.policies)
    authorization = Authorization(
        tokens=tokens,
        custom=custom,
        audit=tuple(made[Verdict.AUDIT]),
        deny=tuple(sorted([*made[Verdict.DENY], *refused], key=lambda p: p.name)),
        allow=tuple(made[Verdict.ALLOW]),
        reads=reads_of(world.mesh),
    )
    return authorization, tuple(problems)


def _custom(
    sight: Sight, asked: dict[str, list[Policy]], problems: list[Problem]
) -> tuple[Custom | None, list[Policy]]:
    """As in Istio a workload has one authorizer; what would be put to another is refused."""
    custom: Custom | None = None
    refused: list[Policy] = []
    for name, policies in asked.items():
        authorizer = authorizer_named(sight, name)
        why = authorizer if isinstance(authorizer, str) else "a workload has one authorizer"
        if not isinstance(authorizer, str) and custom is None:
            custom = Custom(authorizer=authorizer, policies=tuple(policies))
            continue
        for policy in policies:
            refused.append(replace(policy, verdict=Verdict.DENY))
            words = f"what it would be asked about is refused: {why}"
            problems.append(stricter(policy.origin.at("spec.provider.name"), words))
    return custom, refused


def _is_behind(sight: Sight, workload: Workload, host: str) -> bool:
    """Whether a workload is one of those that answer to a host."""
    service = sight.service(host)
    instances = sight.index.world.instances_of(service) if service else ()
    return any(instance.workload == workload for instance in instances)


def reads_of(mesh: MeshConfig) -> Paths | None:
    """How paths are read, where the mesh's settings say so."""
    said = mesh.path_normalization
    return _READS.get(said.normalization) if said else None


def translate_policy(policy: Owned[AuthorizationPolicy]) -> tuple[Policy, tuple[Problem, ...]]:
    """One policy."""
    verdict = Verdict((policy.typed.spec.action or "ALLOW").lower())
    problems: list[Problem] = []
    clauses: list[Clause] = []
    for index, rule in enumerate(policy.typed.spec.rules):
        clause = _clause(policy, rule, f"spec.rules[{index}]", verdict, problems)
        if clause:
            clauses.append(clause)
    tried = policy.typed.metadata.annotations.get(DRY_RUN, "") == "true"
    made = Policy(
        name=f"ns[{policy.namespace}]-policy[{policy.name}]",
        verdict=verdict,
        clauses=tuple(clauses),
        dry_run=tried and verdict in (Verdict.ALLOW, Verdict.DENY),
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
        if not verdict.refuses:
            return None
    return Clause(
        sources=tuple(source_of(f.source, policy.namespace) for f in rule.from_),
        operations=tuple(operation_of(t.operation) for t in rule.to),
        when=when,
        origin=policy.origin(path),
    )
