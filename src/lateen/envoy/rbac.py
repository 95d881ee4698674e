"""Write who may do what as Envoy's RBAC, for HTTP and for plain TCP.

In: Authorization.            Out: at most two RBACs: deny, then allow.
Before: ir/policy.py          After: filters/rbac.py, listeners_in.py

On a TCP port a condition that needs HTTP cannot be judged. As in Istio, such a rule of an ALLOW
policy matches nothing, and such a rule of a DENY policy loses that condition, so that it denies
more: what cannot be judged is not let through.
Source: Istio pilot/pkg/security/authz/model and the task "Authorization for TCP traffic".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import assert_never

from lateen.envoy.matchers import header_matcher, regex, text_matcher
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Principal
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import Policy as EnvoyPolicy
from lateen.envoy.pb.envoy.type.matcher.v3.path_pb2 import PathMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix
from lateen.ir.policy import Ask, Authorization, Clause, Peer, Policy, Verdict

SPIFFE = "spiffe://"
_ANY_PERMISSION = Permission(any=True)
_ANY_PRINCIPAL = Principal(any=True)


def identity_matcher(match: StringMatch) -> StringMatcher:
    """A condition on `TRUST-DOMAIN/ns/NS/sa/SA`, as one on the certificate's URI."""
    match match:
        case Exact(text):
            return StringMatcher(exact=SPIFFE + text)
        case Prefix(text):
            return StringMatcher(prefix=SPIFFE + text)
        case Suffix(text):
            return StringMatcher(safe_regex=regex(f"{SPIFFE}.*{re.escape(text)}"))
        case Regex(text):
            return StringMatcher(safe_regex=regex(f"{SPIFFE}(?:{text})"))
        case Present():
            return StringMatcher(prefix=SPIFFE)
    assert_never(match)


def namespace_matcher(match: StringMatch) -> StringMatcher:
    """A condition on the NS of `spiffe://TRUST-DOMAIN/ns/NS/sa/SA`, on the whole URI."""
    match match:
        case Exact(text):
            namespace = re.escape(text)
        case Prefix(text):
            namespace = f"{re.escape(text)}[^/]*"
        case Suffix(text):
            namespace = f"[^/]*{re.escape(text)}"
        case Regex(text):
            namespace = f"(?:{text})"
        case Present():
            namespace = "[^/]+"
        case _:
            assert_never(match)
    return StringMatcher(safe_regex=regex(f"{SPIFFE}[^/]+/ns/{namespace}/sa/[^/]+"))


def _principal(matcher: StringMatcher) -> Principal:
    return Principal(authenticated=Principal.Authenticated(principal_name=matcher))


def _one_of(
    make: Callable[[StringMatch], StringMatcher], wanted: Iterable[StringMatch]
) -> list[Principal]:
    """Either nothing, for no condition, or the one principal "any of these"."""
    ids = [_principal(make(match)) for match in wanted]
    return [Principal(or_ids=Principal.Set(ids=ids))] if ids else []


def _peer(peer: Peer) -> Principal:
    positive = _one_of(identity_matcher, peer.principals) + _one_of(
        namespace_matcher, peer.namespaces
    )
    negative = _one_of(identity_matcher, peer.not_principals) + _one_of(
        namespace_matcher, peer.not_namespaces
    )
    ids = positive + [Principal(not_id=each) for each in negative]
    return Principal(and_ids=Principal.Set(ids=ids)) if ids else _ANY_PRINCIPAL


def _method(match: StringMatch) -> Permission:
    return Permission(header=header_matcher(":method", match))


def _path(match: StringMatch) -> Permission:
    wanted = Regex(".+") if isinstance(match, Present) else match
    return Permission(url_path=PathMatcher(path=text_matcher(wanted)))


def _any_of(
    make: Callable[[StringMatch], Permission], wanted: Iterable[StringMatch]
) -> list[Permission]:
    rules = [make(match) for match in wanted]
    return [Permission(or_rules=Permission.Set(rules=rules))] if rules else []


def _ask(ask: Ask) -> Permission:
    positive = _any_of(_method, ask.methods) + _any_of(_path, ask.paths)
    negative = _any_of(_method, ask.not_methods) + _any_of(_path, ask.not_paths)
    rules = positive + [Permission(not_rule=each) for each in negative]
    return Permission(and_rules=Permission.Set(rules=rules)) if rules else _ANY_PERMISSION


def _asks(clause: Clause, verdict: Verdict, http: bool) -> list[Permission]:
    """The permissions of a clause; none where it can never match."""
    if not clause.asks:
        return [_ANY_PERMISSION]
    if http:
        return [_ask(ask) for ask in clause.asks]
    judged = [ask for ask in clause.asks if not ask.needs_http]
    if verdict is Verdict.DENY and len(judged) < len(clause.asks):
        return [_ANY_PERMISSION]
    return [_ANY_PERMISSION] if judged else []


def _policies(policies: Iterable[Policy], http: bool) -> dict[str, EnvoyPolicy]:
    """Each clause under Istio's name of it: `ns[NS]-policy[NAME]-rule[N]`."""
    made: dict[str, EnvoyPolicy] = {}
    for policy in policies:
        for number, clause in enumerate(policy.clauses):
            permissions = _asks(clause, policy.verdict, http)
            if permissions:
                made[f"{policy.name}-rule[{number}]"] = EnvoyPolicy(
                    permissions=permissions,
                    principals=[_peer(peer) for peer in clause.peers] or [_ANY_PRINCIPAL],
                )
    return made


def emit_rbac(authorization: Authorization, *, http: bool) -> tuple[RBAC, ...]:
    """Deny before allow. An ALLOW without any policy that can match refuses everything."""
    made: tuple[RBAC, ...] = ()
    if authorization.deny:
        denied = _policies(authorization.deny, http)
        made += (RBAC(action=RBAC.DENY, policies=denied),) if denied else ()
    if authorization.allow:
        made += (RBAC(action=RBAC.ALLOW, policies=_policies(authorization.allow, http)),)
    return made


def looks_at_paths(authorization: Authorization) -> bool:
    """Whether any policy judges by the path."""
    return any(
        ask.paths or ask.not_paths
        for policy in (*authorization.deny, *authorization.allow)
        for clause in policy.clauses
        for ask in clause.asks
    )
