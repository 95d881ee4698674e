"""Write the conditions of policies as Envoy's permissions and principals.

In: Clause, where it is judged.        Out: Permissions, Principals; none where it never matches.
Before: ir/policy.py, matchers.py      After: rbac.py

What can be read in two ways is read in the stricter one: where a match refuses the request a method
counts in any case, and a host counts with any port and with a trailing dot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import assert_never

from google.protobuf.wrappers_pb2 import UInt32Value
from msgspec import Struct

from lateen.envoy.matchers import claim_matcher, header_matcher, present, regex, text_matcher
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import CidrRange
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import Permission, Principal
from lateen.envoy.pb.envoy.type.matcher.v3.path_pb2 import PathMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix
from lateen.ir.policy import (
    AddressCondition,
    ClaimCondition,
    Clause,
    Condition,
    DestinationCondition,
    End,
    HeaderCondition,
    Identity,
    IdentityCondition,
    OnCaller,
    OnRequest,
    PortCondition,
    Subject,
    SubjectCondition,
    TextCondition,
    Trait,
    Verdict,
)

SPIFFE = "spiffe://"
_ANY_PERMISSION = Permission(any=True)
_ANY_PRINCIPAL = Principal(any=True)


class Judge(Struct, frozen=True, kw_only=True):
    """Where a policy stands: on HTTP or raw connections, at a gateway's port or (0) in a sidecar."""

    verdict: Verdict
    http: bool
    gateway_port: int = 0


def permissions_of(clause: Clause, judge: Judge) -> list[Permission]:
    """What is asked for: one entry for each of its operations that can match here."""
    when = _split(clause.when)[1]
    asked = [(*each, *when) for each in clause.operations or ((),)]
    return [_permission(each, judge) for each in asked if _can_match(each, judge)]


def principals_of(clause: Clause, judge: Judge) -> list[Principal]:
    """Who asks: one entry for each of its sources."""
    when = _split(clause.when)[0]
    return [_principal((*each, *when), judge) for each in clause.sources or ((),)]


def _split(conditions: Iterable[Condition]) -> tuple[list[OnCaller], list[OnRequest]]:
    """What Envoy judges of the caller and what of the request."""
    caller: list[OnCaller] = []
    request: list[OnRequest] = []
    for each in conditions:
        match each:
            case IdentityCondition() | AddressCondition() | HeaderCondition():
                caller.append(each)
            case ClaimCondition() | SubjectCondition():
                caller.append(each)
            case TextCondition() | PortCondition() | DestinationCondition():
                request.append(each)
            case _:
                assert_never(each)
    return caller, request


def _can_match(conditions: Iterable[OnRequest], judge: Judge) -> bool:
    """Whether what is known already, a gateway's own port, leaves the rest anything to say."""
    return not judge.gateway_port or all(
        (not each.any_of or judge.gateway_port in each.any_of)
        and judge.gateway_port not in each.none_of
        for each in conditions
        if isinstance(each, PortCondition)
    )


def _permission(conditions: Iterable[OnRequest], judge: Judge) -> Permission:
    rules: list[Permission] = []
    for condition in conditions:
        if isinstance(condition, PortCondition) and judge.gateway_port:
            continue
        positive, negative = _permission_matchers(condition, judge)
        if positive:
            rules.append(Permission(or_rules=Permission.Set(rules=positive)))
        if negative:
            anything = Permission(or_rules=Permission.Set(rules=negative))
            rules.append(Permission(not_rule=anything))
    return Permission(and_rules=Permission.Set(rules=rules)) if rules else _ANY_PERMISSION


def _principal(conditions: Iterable[OnCaller], judge: Judge) -> Principal:
    ids: list[Principal] = []
    for condition in conditions:
        positive, negative = _principal_matchers(condition, judge)
        if positive:
            ids.append(Principal(or_ids=Principal.Set(ids=positive)))
        if negative:
            ids.append(Principal(not_id=Principal(or_ids=Principal.Set(ids=negative))))
    return Principal(and_ids=Principal.Set(ids=ids)) if ids else _ANY_PRINCIPAL


def _permission_matchers(
    condition: OnRequest, judge: Judge
) -> tuple[list[Permission], list[Permission]]:
    match condition:
        case PortCondition():
            return (
                [Permission(destination_port=port) for port in condition.any_of],
                [Permission(destination_port=port) for port in condition.none_of],
            )
        case DestinationCondition():
            return (
                [Permission(destination_ip=cidr(each)) for each in condition.any_of],
                [Permission(destination_ip=cidr(each)) for each in condition.none_of],
            )
        case TextCondition():
            refuses = judge.verdict.refuses
            make = _REQUEST[condition.trait]
            return (
                [make(each, refuses) for each in condition.any_of],
                [make(each, not refuses) for each in condition.none_of],
            )
    assert_never(condition)


def _principal_matchers(
    condition: OnCaller, judge: Judge
) -> tuple[list[Principal], list[Principal]]:
    match condition:
        case IdentityCondition():
            make = _CALLER[condition.identity]
            return (
                [_authenticated(make(each)) for each in condition.any_of],
                [_authenticated(make(each)) for each in condition.none_of],
            )
        case HeaderCondition():
            return (
                [_header(condition.header, each) for each in condition.any_of],
                [_header(condition.header, each) for each in condition.none_of],
            )
        case AddressCondition():
            return (
                _addresses(condition.end, condition.any_of, judge),
                _addresses(condition.end, condition.none_of, judge),
            )
        case ClaimCondition():
            return (
                [_claim(condition.claim, each) for each in condition.any_of],
                [_claim(condition.claim, each) for each in condition.none_of],
            )
        case SubjectCondition():
            return (
                [_subject(each) for each in condition.any_of],
                [_subject(each) for each in condition.none_of],
            )
    assert_never(condition)


def _claim(claim: tuple[str, ...], wanted: StringMatch) -> Principal:
    return Principal(metadata=claim_matcher(claim, present(wanted)))


def _subject(wanted: Subject) -> Principal:
    parts = [_claim(("iss",), wanted.issuer), _claim(("sub",), wanted.subject)]
    return Principal(and_ids=Principal.Set(ids=parts))


def _authenticated(matcher: StringMatcher) -> Principal:
    return Principal(authenticated=Principal.Authenticated(principal_name=matcher))


def _header(name: str, wanted: StringMatch) -> Principal:
    return Principal(header=header_matcher(name, wanted))


def _addresses(
    end: End, networks: Sequence[IPv4Network | IPv6Network], judge: Judge
) -> list[Principal]:
    """At a gateway the other end of the connection is the border, which tells of the real one."""
    if end is End.CLIENT or judge.gateway_port:
        return [Principal(remote_ip=cidr(each)) for each in networks]
    return [Principal(direct_remote_ip=cidr(each)) for each in networks]


def cidr(network: IPv4Network | IPv6Network) -> CidrRange:
    """A block of addresses."""
    return CidrRange(
        address_prefix=str(network.network_address),
        prefix_len=UInt32Value(value=network.prefixlen),
    )


def _method(wanted: StringMatch, refuses: bool) -> Permission:
    made = header_matcher(":method", wanted)
    if refuses and isinstance(wanted, Exact | Prefix | Suffix) and wanted.text:
        made.string_match.ignore_case = True
    return Permission(header=made)


def _path(wanted: StringMatch, _: bool) -> Permission:
    text = Regex(".+") if isinstance(wanted, Present) else wanted
    return Permission(url_path=PathMatcher(path=text_matcher(text)))


def _host(wanted: StringMatch, refuses: bool) -> Permission:
    return Permission(header=header_matcher(":authority", host_pattern(wanted, refuses)))


def host_pattern(wanted: StringMatch, refuses: bool = False) -> StringMatch:
    """A condition on a host as one on the authority of a request.

    Of several hosts in one request, which Envoy joins by commas, and of one behind a user's name, an
    app may read any; who is to be refused is refused by each.
    """
    before, after = (r"(?:.*[,@]\s*)?", r"(?:,.*)?") if refuses else ("", "")
    match wanted:
        case Exact(text):
            return Regex(f"(?i){before}{re.escape(text)}{_port_after(text)}{after}")
        case Suffix(text):
            return Regex(f"(?i).*{re.escape(text)}{_port_after(text)}{after}")
        case Prefix(text):
            return Regex(f"(?i){before}{re.escape(text)}.*")
        case Regex() | Present():
            return wanted
    assert_never(wanted)


def _port_after(text: str) -> str:
    """What may follow a host that names no port."""
    has_port = ":" in text.rpartition("]")[2]
    return "" if has_port else r"\.?(?::[0-9]*)?"


def _server_name(wanted: StringMatch, _: bool) -> Permission:
    text = Regex(".+") if isinstance(wanted, Present) else wanted
    matcher = text_matcher(text)
    if not matcher.HasField("safe_regex"):
        matcher.ignore_case = True
    return Permission(requested_server_name=matcher)


def _identity(wanted: StringMatch) -> StringMatcher:
    """`TRUST-DOMAIN/ns/NS/sa/SA`, as a condition on the certificate's URI."""
    match wanted:
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
    assert_never(wanted)


def _namespace(wanted: StringMatch) -> StringMatcher:
    """The NS of the certificate's URI."""
    match wanted:
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
            assert_never(wanted)
    return StringMatcher(safe_regex=regex(f"{SPIFFE}[^/]+/ns/{namespace}/sa/[^/]+"))


_REQUEST: dict[Trait, Callable[[StringMatch, bool], Permission]] = {
    Trait.METHOD: _method,
    Trait.PATH: _path,
    Trait.HOST: _host,
    Trait.SNI: _server_name,
}
_CALLER: dict[Identity, Callable[[StringMatch], StringMatcher]] = {
    Identity.PRINCIPAL: _identity,
    Identity.NAMESPACE: _namespace,
}
