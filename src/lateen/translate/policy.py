"""AuthorizationPolicies that hold for a workload, in the words of the IR.

In: AuthorizationPolicies, a workload.    Out: Authorization, problems.
Before: world/model.py                    After: translate/inbound.py, translate/gateways.py

A policy never lets through more than its author wrote. A condition that is not carried yet is left
out of a DENY (which then denies more); in an ALLOW the alternative that has it is left out (which
then allows less). Either is reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lateen.api.fields import Api
from lateen.api.security import AuthorizationPolicy, Operation, Rule, Source
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix
from lateen.ir.policy import Ask, Authorization, Clause, Peer, Policy, Verdict
from lateen.translate.faults import not_carried, stricter
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload

_SOURCE_LATER = (
    "service_accounts",
    "not_service_accounts",
    "request_principals",
    "not_request_principals",
    "ip_blocks",
    "not_ip_blocks",
    "remote_ip_blocks",
    "not_remote_ip_blocks",
)
_OPERATION_LATER = ("hosts", "not_hosts", "ports", "not_ports")
_TEMPLATE = re.compile(r"\{\*\*?\}")


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
        origin=policy.origin(),
    )
    return made, tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unknown:
    """What to do about conditions that are not carried: drop them, or what they stand in."""

    verdict: Verdict
    origin: Callable[[str], Origin]
    problems: list[Problem]

    def drops(self, part: Api, path: str, later: Iterable[str]) -> bool:
        """Whether the part they stand in must go; reports each of them."""
        found = [name for name in later if getattr(part, name)]
        for name in found:
            shown = _camel(name)
            if self.verdict is Verdict.DENY:
                message = f"{shown} is not carried yet: requests are denied whatever it says"
            else:
                message = f"{shown} is not carried yet: nothing is allowed by what it stands in"
            self.problems.append(stricter(self.origin(f"{path}.{shown}"), message))
        return bool(found) and self.verdict is Verdict.ALLOW


def _clause(
    policy: Owned[AuthorizationPolicy],
    rule: Rule,
    path: str,
    verdict: Verdict,
    problems: list[Problem],
) -> Clause | None:
    unknown = _Unknown(verdict=verdict, origin=policy.origin, problems=problems)
    if unknown.drops(rule, path, ("when",)):
        return None
    peers = [
        _peer(f.source)
        for at, f in enumerate(rule.from_)
        if not unknown.drops(f.source, f"{path}.from[{at}].source", _SOURCE_LATER)
    ]
    asks = [
        _ask(t.operation)
        for at, t in enumerate(rule.to)
        if not unknown.drops(t.operation, f"{path}.to[{at}].operation", _OPERATION_LATER)
    ]
    if (rule.from_ and not peers) or (rule.to and not asks):
        return None
    return Clause(peers=tuple(peers), asks=tuple(asks), origin=policy.origin(path))


def _peer(source: Source) -> Peer:
    return Peer(
        principals=_texts(source.principals),
        not_principals=_texts(source.not_principals),
        namespaces=_texts(source.namespaces),
        not_namespaces=_texts(source.not_namespaces),
    )


def _ask(operation: Operation) -> Ask:
    return Ask(
        methods=_texts(operation.methods),
        not_methods=_texts(operation.not_methods),
        paths=tuple(_path(p) for p in operation.paths),
        not_paths=tuple(_path(p) for p in operation.not_paths),
    )


def _texts(values: tuple[str, ...]) -> tuple[StringMatch, ...]:
    return tuple(policy_text(v) for v in values)


def policy_text(value: str) -> StringMatch:
    """Istio's form: `*` anything present, `*x` ends so, `x*` begins so, else the whole text."""
    if value == "*":
        return Present()
    if value.startswith("*"):
        return Suffix(value[1:])
    if value.endswith("*"):
        return Prefix(value[:-1])
    return Exact(value)


def _path(value: str) -> StringMatch:
    """A path; a template has `{*}` for one segment and `{**}` for any number of them."""
    if not _TEMPLATE.search(value):
        return policy_text(value)
    parts = _TEMPLATE.split(value)
    gaps = ["[^/]+" if m == "{*}" else ".*" for m in _TEMPLATE.findall(value)]
    text = re.escape(parts[0])
    for gap, part in zip(gaps, parts[1:], strict=True):
        text += gap + re.escape(part)
    return Regex(text)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
