"""What becomes of every request: which route a table takes, what a workload's policies say, as diagrams.

In: Space, routes, Authorization, Hop.      Out: Node, whose results are routes or Decisions.
Before: symbolic/wants.py                   After: differing/, properties/

Conditions are looked up with the walkers' own functions (ir_match.py, policies.py), value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import assert_never

from msgspec.structs import replace

from lateen.explain.ir_match import claim_fits, request_matches
from lateen.explain.policies import condition_holds
from lateen.explain.request import Request
from lateen.explain.symbolic.diagrams import Node
from lateen.explain.symbolic.hops import Hop
from lateen.explain.symbolic.space import (
    CALLER,
    HOST,
    METHOD,
    PATH,
    SNI,
    TOKEN,
    Key,
    Space,
    Token,
)
from lateen.ir.authorizers import GrpcAuthorizer
from lateen.ir.match import ClaimMatch, RequestMatch, StringMatch
from lateen.ir.policy import (
    AddressCondition,
    Authorization,
    ClaimCondition,
    Clause,
    Condition,
    DestinationCondition,
    HeaderCondition,
    IdentityCondition,
    Policy,
    PortCondition,
    SubjectCondition,
    TextCondition,
    Trait,
    Verdict,
)
from lateen.ir.routes import Route


class Decision(StrEnum):
    """What a workload says to a request."""

    ALLOWED = "allowed"
    ASKED = "put to an authorizer, and allowed if that agrees"
    DENIED = "denied"
    UNVERIFIED = "refused for its token"
    CLOSED = "closed: mTLS is required"


def route_taken(space: Space, routes: Sequence[Route], hop: Hop) -> Node:
    """The number of the first route that matches, -1 for none."""
    found: Node = space.diagrams.leaf(-1)
    for number in reversed(range(len(routes))):
        here = space.diagrams.leaf(number)
        found = space.diagrams.choose(matching(space, routes[number].match, hop), here, found)
    return found


def matching(space: Space, match: RequestMatch, hop: Hop) -> Node:
    """Where all conditions of a route hold."""
    parts: list[tuple[Key, RequestMatch]] = []
    if match.path is not None:
        parts.append((PATH, RequestMatch(path=match.path, ignore_case=match.ignore_case)))
    if match.method is not None:
        parts.append((METHOD, RequestMatch(method=match.method)))
    if match.authority is not None:
        parts.append((HOST, RequestMatch(authority=match.authority)))
    if match.scheme is not None:
        parts.append((("scheme",), RequestMatch(scheme=match.scheme)))
    parts += [(("header", h.name), RequestMatch(headers=(h,))) for h in match.headers]
    parts += [(("query", q.name), RequestMatch(queries=(q,))) for q in match.queries]
    nodes = [space.where(key, _of_route(part, hop)) for key, part in parts]
    nodes += [_claim_matches(space, claim, hop) for claim in match.claims]
    return all_hold(space, nodes)


def _of_route(match: RequestMatch, hop: Hop) -> Callable[[Request], bool]:
    return lambda request: request_matches(match, hop.of(request))


def _claim_matches(space: Space, match: ClaimMatch, hop: Hop) -> Node:
    if hop.tokenless:
        return space.diagrams.leaf(match.invert)
    found = _claimed(space, match.claim, (match.match,))
    return space.diagrams.negated(found) if match.invert else found


def all_hold(space: Space, nodes: Iterable[Node]) -> Node:
    """Where all of these hold."""
    found: Node = space.diagrams.leaf(True)
    for node in nodes:
        found = space.diagrams.both(node, found)
    return found


def one_holds(space: Space, nodes: Iterable[Node]) -> Node:
    """Where at least one of these holds."""
    found: Node = space.diagrams.leaf(False)
    for node in nodes:
        found = space.diagrams.either(node, found)
    return found


def decided(space: Space, authorization: Authorization, hop: Hop, *, http: bool = True) -> Node:
    """What the policies say, a Decision."""
    make = space.diagrams
    hop = replace(hop, tokenless=not authorization.tokens)
    allowed, denied = make.leaf(Decision.ALLOWED), make.leaf(Decision.DENIED)
    found: Node = allowed
    if any(not policy.dry_run for policy in authorization.allow):
        found = make.choose(_match_any(space, authorization.allow, hop, http), allowed, denied)
    found = make.choose(_match_any(space, authorization.deny, hop, http), denied, found)
    if authorization.custom:
        asked = _match_any(space, authorization.custom.policies, hop, http)
        asks = http or isinstance(authorization.custom.authorizer, GrpcAuthorizer)
        then = make.join(_once_asked if asks else _refused, found)
        found = make.choose(asked, then, found)
    if authorization.tokens and http:
        taken = {rule.issuer for rule in authorization.tokens}
        refused = space.where(TOKEN, lambda request: _is_refused(request, taken))
        refused = make.either(space.having(TOKEN, Token(issuer=None)), refused)
        found = make.choose(refused, make.leaf(Decision.UNVERIFIED), found)
    return found


def _is_refused(request: Request, taken: set[str]) -> bool:
    """Whether a token that is good elsewhere is of none of these issuers."""
    if request.claims is None or "" in taken:
        return False
    return request.claims.get("iss", "") not in taken


def _once_asked(decision: Decision) -> Decision:
    return Decision.ASKED if decision is Decision.ALLOWED else decision


def _refused(_: Decision) -> Decision:
    return Decision.DENIED


def _match_any(space: Space, policies: Iterable[Policy], hop: Hop, http: bool) -> Node:
    return one_holds(
        space,
        (
            _clause(space, clause, policy.verdict, hop)
            for policy in policies
            if not policy.dry_run
            for _, clause in (enumerate(policy.clauses) if http else policy.on_tcp())
        ),
    )


def _clause(space: Space, clause: Clause, verdict: Verdict, hop: Hop) -> Node:
    def every(conditions: Iterable[Condition]) -> Node:
        return all_hold(space, (_condition(space, each, verdict, hop) for each in conditions))

    parts = [every(clause.when)]
    if clause.sources:
        parts.append(one_holds(space, map(every, clause.sources)))
    if clause.operations:
        parts.append(one_holds(space, map(every, clause.operations)))
    return all_hold(space, parts)


def _condition(space: Space, condition: Condition, verdict: Verdict, hop: Hop) -> Node:
    if isinstance(condition, ClaimCondition | SubjectCondition):
        if hop.tokenless:
            return space.diagrams.leaf(not condition.any_of)
        return _on_token(space, condition)
    key = _asked_of(condition)

    def holds(request: Request) -> bool:
        return condition_holds(condition, verdict, hop.of(request))

    return space.where(key, holds)


def _asked_of(condition: _OnOne) -> Key:
    match condition:
        case IdentityCondition() | AddressCondition():
            return CALLER
        case HeaderCondition():
            return ("header", condition.header)
        case TextCondition():
            return _TRAITS[condition.trait]
        case PortCondition() | DestinationCondition():
            return ("place",)  # of which there is one in a space
    assert_never(condition)


_OnOne = (
    IdentityCondition
    | AddressCondition
    | HeaderCondition
    | TextCondition
    | PortCondition
    | DestinationCondition
)
_TRAITS = {Trait.METHOD: METHOD, Trait.PATH: PATH, Trait.HOST: HOST, Trait.SNI: SNI}


def _on_token(space: Space, condition: ClaimCondition | SubjectCondition) -> Node:
    if isinstance(condition, ClaimCondition):
        any_of = _claimed(space, condition.claim, condition.any_of)
        none_of = _claimed(space, condition.claim, condition.none_of)
    else:
        any_of, none_of = (
            one_holds(
                space,
                (
                    space.diagrams.both(
                        _claimed(space, ("iss",), (each.issuer,)),
                        _claimed(space, ("sub",), (each.subject,)),
                    )
                    for each in subjects
                ),
            )
            for subjects in (condition.any_of, condition.none_of)
        )
    without = space.diagrams.negated(none_of)
    return space.diagrams.both(any_of, without) if condition.any_of else without


def _claimed(space: Space, way: tuple[str, ...], wanted: Sequence[StringMatch]) -> Node:
    """Where one of the texts of a claim is as wanted; without an accepted token it has none."""

    def fits(request: Request) -> bool:
        return any(claim_fits(each, request.claims, way) for each in wanted)

    if space.index(TOKEN) is None:
        return space.diagrams.leaf(False)
    valid = space.where(TOKEN, lambda request: request.claims is not None)
    if way == ("iss",):
        return space.where(TOKEN, fits)
    some = next((v for v in space.values[space.keys.index(TOKEN)] if _is_valid(v)), None)
    if way == ("sub",):
        return space.diagrams.both(valid, _where_token(space, ("text claim", *way), some, fits))
    keys = [k for k in space.keys if k[0] == "claim" and k[1:-1] == way]
    return space.diagrams.both(
        valid, one_holds(space, (_where_token(space, key, some, fits) for key in keys))
    )


def _is_valid(value: object) -> bool:
    return isinstance(value, Token) and value.issuer is not None


def _where_token(space: Space, key: Key, token: object, fits: Callable[[Request], bool]) -> Node:
    """The condition on a claim, looked up with a token that is accepted."""
    number = space.index(key)
    if number is None or not isinstance(token, Token):
        return space.diagrams.leaf(False)
    mask = sum(
        1 << n
        for n, value in enumerate(space.values[number])
        if fits(space.request({TOKEN: token, key: value}))
    )
    return space.diagrams.where(number, mask)
