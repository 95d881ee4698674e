"""Judge a made-up request by the policies of the IR.

In: Authorization, Request.                Out: the refusal, or None.
Before: ir/policy.py, explain/request.py   After: explain/walk_ir.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import assert_never

from lateen.explain.ir_match import claim_fits, matches
from lateen.explain.request import Denied, Request
from lateen.explain.steps import Part, Step, Walk, end_of
from lateen.explain.tokens import texts_of
from lateen.explain.words import wanted
from lateen.ir.authorizers import GrpcAuthorizer
from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix
from lateen.ir.policy import (
    AddressCondition,
    Authorization,
    ClaimCondition,
    Clause,
    Condition,
    DestinationCondition,
    End,
    HeaderCondition,
    Identity,
    IdentityCondition,
    Networks,
    Policy,
    PortCondition,
    Subject,
    SubjectCondition,
    TextCondition,
    Texts,
    Trait,
    Verdict,
)

_SPIFFE = "spiffe://"


def judged(authorization: Authorization, request: Request, *, http: bool) -> Denied | None:
    """The refusal of a request, or None if it may pass. Without `http`, as a TCP connection."""
    return end_of(judging(authorization, request, http=http))


def judging(authorization: Authorization, request: Request, *, http: bool) -> Walk[Denied | None]:
    """The same, with a step for each rule looked at."""
    custom = authorization.custom
    asked = (yield from _first(custom.policies, request, http)) if custom else None
    asks = http or (custom is not None and isinstance(custom.authorizer, GrpcAuthorizer))
    if asked and not (asks and request.authorizer):
        return Denied(rule=asked)
    denied = yield from _first(authorization.deny, request, http)
    if denied:
        return Denied(rule=denied)
    allowing = [policy for policy in authorization.allow if not policy.dry_run]
    allowed = yield from _first(authorization.allow, request, http)
    if allowing and allowed is None:
        if not any(policy.clauses for policy in allowing):
            yield Step(
                part=Part.POLICY,
                name=allowing[0].name,
                held=False,
                because="it has no rule, so it allows nothing",
                origin=allowing[0].origin,
            )
        return Denied(rule="none")
    return None


def _first(policies: tuple[Policy, ...], request: Request, http: bool) -> Walk[str | None]:
    """The rule that matches; Envoy looks at rules by name."""
    rules = sorted(
        (
            (f"{policy.name}-rule[{number}]", policy, clause)
            for policy in policies
            if not policy.dry_run
            for number, clause in (enumerate(policy.clauses) if http else policy.on_tcp())
        ),
        key=lambda each: each[0],
    )
    for name, policy, clause in rules:
        held = clause_matches(clause, policy.verdict, request)
        yield Step(
            part=Part.POLICY,
            name=f"{policy.verdict.name} {name}",
            held=held,
            because="" if held else partial(why_not, clause, policy.verdict, request),
            origin=clause.origin,
        )
        if held:
            return name
    return None


def clause_matches(clause: Clause, verdict: Verdict, request: Request) -> bool:
    """Whether a rule matches: one of its sources, one of its operations, all of its conditions."""

    def all_of(conditions: Iterable[Condition]) -> bool:
        return all(condition_holds(each, verdict, request) for each in conditions)

    return (
        (not clause.sources or any(map(all_of, clause.sources)))
        and (not clause.operations or any(map(all_of, clause.operations)))
        and all_of(clause.when)
    )


def why_not(clause: Clause, verdict: Verdict, request: Request) -> str:
    """Why a rule does not match; of several alternatives what each lacks."""

    def lacking(group: Iterable[Condition]) -> str | None:
        failed = (each for each in group if not condition_holds(each, verdict, request))
        return next((said(each, request) for each in failed), None)

    for groups in (clause.sources, clause.operations, (clause.when,)):
        lacks = [lacking(group) for group in groups]
        if lacks and all(lacks):
            return "; ".join(dict.fromkeys(filter(None, lacks)))
    return ""


def said(condition: Condition, request: Request) -> str:
    """What a condition looks at in a request, and what it wants."""
    what, value = _looked_at(condition, request)
    return f"{what} is {value or 'absent'}, {_wish(condition)}"


def _looked_at(condition: Condition, request: Request) -> tuple[str, str]:
    match condition:
        case TextCondition():
            return condition.trait.value, _asked(condition.trait, request)
        case IdentityCondition():
            return condition.identity.value, _identity(condition.identity, request.peer) or ""
        case HeaderCondition():
            return f"header {condition.header}", dict(request.headers).get(condition.header, "")
        case ClaimCondition():
            claim = condition.claim
            return f"claim {'.'.join(claim)}", ", ".join(texts_of(request.claims, claim))
        case SubjectCondition():
            claims = request.claims or {}
            return (
                "who the token is about",
                f"{claims.get('iss', '')}/{claims.get('sub', '')}".strip("/"),
            )
        case AddressCondition():
            client = request.client if condition.end is End.CLIENT else ""
            return f"the {condition.end.value}'s address", client or request.source
        case DestinationCondition():
            return "the address dialled", request.address
        case PortCondition():
            return "port", str(request.port)
    assert_never(condition)


def _wish(condition: Condition) -> str:
    wants = " or ".join(map(_told, condition.any_of))
    never = " or ".join(map(_told, condition.none_of))
    return " and ".join(
        words for words in (wants and f"not {wants}", never and f"must not be {never}") if words
    )


def _told(each: StringMatch | Subject | int | IPv4Network | IPv6Network) -> str:
    match each:
        case Subject():
            return f"{wanted(each.issuer)}/{wanted(each.subject)}"
        case int() | IPv4Network() | IPv6Network():
            return str(each)
    return wanted(each)


def condition_holds(condition: Condition, verdict: Verdict, request: Request) -> bool:
    """Whether one condition of a rule of this verdict holds."""
    match condition:
        case TextCondition():
            return _text_holds(condition, verdict, request)
        case IdentityCondition():
            return _is_known(condition, _identity(condition.identity, request.peer))
        case HeaderCondition():
            return _is_known(condition, dict(request.headers).get(condition.header))
        case ClaimCondition():
            return _is_claimed(condition, request)
        case SubjectCondition():
            return _is_about(condition, request)
        case AddressCondition():
            client = request.client if condition.end is End.CLIENT else ""
            return _is_within(condition, client or request.source)
        case DestinationCondition():
            return _is_within(condition, request.address)
        case PortCondition():
            port, ports = request.port, condition.any_of
            return (not ports or port in ports) and port not in condition.none_of
    assert_never(condition)


def _is_known(condition: IdentityCondition | HeaderCondition, value: str | None) -> bool:
    def one_of(wanted: Texts) -> bool:
        return value is not None and any(matches(each, value) for each in wanted)

    return (not condition.any_of or one_of(condition.any_of)) and not one_of(condition.none_of)


def _is_claimed(condition: ClaimCondition, request: Request) -> bool:
    def one_of(wanted: Texts) -> bool:
        return any(claim_fits(each, request.claims, condition.claim) for each in wanted)

    return (not condition.any_of or one_of(condition.any_of)) and not one_of(condition.none_of)


def _is_about(condition: SubjectCondition, request: Request) -> bool:
    def one_of(wanted: tuple[Subject, ...]) -> bool:
        return any(
            claim_fits(each.issuer, request.claims, ("iss",))
            and claim_fits(each.subject, request.claims, ("sub",))
            for each in wanted
        )

    return (not condition.any_of or one_of(condition.any_of)) and not one_of(condition.none_of)


def _is_within(condition: AddressCondition | DestinationCondition, address: str) -> bool:
    def one_of(networks: Networks) -> bool:
        return bool(address) and any(ip_address(address) in each for each in networks)

    return (not condition.any_of or one_of(condition.any_of)) and not one_of(condition.none_of)


def _identity(identity: Identity, peer: str) -> str | None:
    principal = peer.removeprefix(_SPIFFE) or None
    match identity:
        case Identity.PRINCIPAL:
            return principal
        case Identity.NAMESPACE:
            parts = principal.split("/") if principal else []
            is_workload = len(parts) == 5 and (parts[1], parts[3]) == ("ns", "sa")
            return parts[2] if is_workload else None
    assert_never(identity)


def _text_holds(condition: TextCondition, verdict: Verdict, request: Request) -> bool:
    value = _asked(condition.trait, request)
    refuses = verdict.refuses

    def one_of(wanted: Texts, refuses: bool) -> bool:
        return any(_holds(condition.trait, each, value, refuses) for each in wanted)

    return (not condition.any_of or one_of(condition.any_of, refuses)) and not one_of(
        condition.none_of, not refuses
    )


def _asked(trait: Trait, request: Request) -> str:
    match trait:
        case Trait.SNI:
            return request.sni
        case Trait.METHOD:
            return request.method
        case Trait.PATH:
            return request.path.partition("?")[0]
        case Trait.HOST:
            return request.authority
    assert_never(trait)


def _holds(trait: Trait, match: StringMatch, value: str, refuses: bool) -> bool:
    """Whether the form fits, as far as it matters: see `Trait` and envoy/conditions.py."""
    if trait is Trait.METHOD and refuses:
        return matches(_lower(match), value.lower() if _folds(match) else value)
    if trait is Trait.HOST and not isinstance(match, Regex):
        named = _each_host(value.lower()) if refuses else (value.lower(),)
        return any(_is_host(_lower(match), host) for host in named)
    if trait in (Trait.SNI, Trait.PATH) and isinstance(match, Present):
        return value != ""
    if trait is Trait.SNI:
        return matches(_lower(match), value.lower() if _folds(match) else value)
    return matches(match, value)


def _is_host(wanted: StringMatch, host: str) -> bool:
    bare = re.sub(r"\.?(?::[0-9]*)?\Z", "", host)
    return matches(wanted, host) or (isinstance(wanted, Exact | Suffix) and matches(wanted, bare))


def _each_host(authority: str) -> tuple[str, ...]:
    """Every host that an app may read in an authority: of several, and without a user's name."""
    parts = authority.split(",")
    named = [part.rpartition("@")[2].lstrip() for part in parts]
    return (authority, *named)


def _folds(match: StringMatch) -> bool:
    return not isinstance(match, Regex)


def _lower(match: StringMatch) -> StringMatch:
    match match:
        case Exact(text):
            return Exact(text.lower())
        case Prefix(text):
            return Prefix(text.lower())
        case Suffix(text):
            return Suffix(text.lower())
        case Regex() | Present():
            return match
    assert_never(match)
