"""AuthorizationPolicies that hold for a workload, in the words of the IR.

In: AuthorizationPolicies, a workload.    Out: Authorization, problems.
Before: world/model.py                    After: translate/inbound.py, translate/gateways.py

A policy never lets through more than its author wrote. A condition that is not carried yet is left
out of a DENY (which then denies more); in an ALLOW the alternative that has it is left out (which
then allows less). Either is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lateen.api.fields import Api
from lateen.api.security import AuthorizationPolicy, Rule
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.policy import Authorization, Clause, Condition, Policy, Verdict
from lateen.translate.conditions import condition_of, is_carried, operation_of, source_of
from lateen.translate.faults import not_carried, stricter
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload

DRY_RUN = "istio.io/dry-run"
_LATER = ("request_principals", "not_request_principals")


def authorization_of(
    policies: tuple[Owned[AuthorizationPolicy], ...], workload: Workload
) -> tuple[Authorization, tuple[Problem, ...]]:
    """Who may do what at a workload, by the policies of its namespace and of the root namespace."""
    deny: list[Policy] = []
    allow: list[Policy] = []
    problems: list[Problem] = []
    for policy in sorted(policies, key=lambda p: (p.name, p.namespace)):
        if not _selects(policy, workload):
            continue
        translated, found = translate_policy(policy)
        problems.extend(found)
        if translated:
            (deny if translated.verdict is Verdict.DENY else allow).append(translated)
    return Authorization(deny=tuple(deny), allow=tuple(allow)), tuple(problems)


def _selects(policy: Owned[AuthorizationPolicy], workload: Workload) -> bool:
    spec = policy.typed.spec
    if policy.namespace not in (workload.namespace, ROOT_NAMESPACE):
        return False
    if spec.target_ref or spec.target_refs:  # is for a Gateway API gateway, not for pods by label
        return False
    return spec.selector is None or spec.selector.match_labels.items() <= workload.labels.items()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unknown:
    """What to do about conditions that are not carried: drop them, or what they stand in."""

    verdict: Verdict
    origin: Callable[[str], Origin]
    problems: list[Problem]

    def drops(self, path: str, found: Iterable[str]) -> bool:
        """Whether the part they stand in must go; reports each of them."""
        any_found = False
        for shown in found:
            any_found = True
            if self.verdict is Verdict.DENY:
                message = f"{shown} is not carried yet: requests are denied whatever it says"
            else:
                message = f"{shown} is not carried yet: nothing is allowed by what it stands in"
            self.problems.append(stricter(self.origin(path), message))
        return any_found and self.verdict is Verdict.ALLOW


def _clause(
    policy: Owned[AuthorizationPolicy],
    rule: Rule,
    path: str,
    verdict: Verdict,
    problems: list[Problem],
) -> Clause | None:
    unknown = _Unknown(verdict=verdict, origin=policy.origin, problems=problems)
    when: tuple[Condition, ...] = ()
    for at, condition in enumerate(rule.when):
        if is_carried(condition.key):
            when += (condition_of(condition, policy.namespace),)
        elif unknown.drops(f"{path}.when[{at}]", (condition.key,)):
            return None
    sources = tuple(
        source_of(f.source, policy.namespace)
        for at, f in enumerate(rule.from_)
        if not unknown.drops(f"{path}.from[{at}].source", _given(f.source, _LATER))
    )
    if rule.from_ and not sources:
        return None
    return Clause(
        sources=sources,
        operations=tuple(operation_of(t.operation) for t in rule.to),
        when=when,
        origin=policy.origin(path),
    )


def _given(part: Api, names: Iterable[str]) -> list[str]:
    return [_camel(name) for name in names if getattr(part, name)]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
