"""The conditions of an AuthorizationPolicy, in the words of the IR.

In: Source, Operation, Condition of the API.    Out: conditions.
Before: api/security.py                         After: translate/policy.py

Source: Istio "Authorization Policy" and "Authorization Policy Conditions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeVar

from lateen.api.security import Condition as WrittenCondition
from lateen.api.security import Operation, Source
from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix
from lateen.ir.policy import (
    AddressCondition,
    ClaimCondition,
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
)

_TEMPLATE = re.compile(r"\{\*\*?\}")
_HEADER = re.compile(r"request\.headers\[(.+)\]")
_CLAIMS = re.compile(r"request\.auth\.claims((?:\[[^\[\]]+\])+)")
_SOMETHING = Regex("(?s).+")  # what `*` means for parts of a token
_Texts = tuple[str, ...]
_C = TypeVar("_C", OnCaller, OnRequest)


def source_of(source: Source, namespace: str) -> tuple[OnCaller, ...]:
    """Who asks. A service account without a namespace is one of the policy's `namespace`."""
    return _given(
        _identities(Identity.PRINCIPAL, source.principals, source.not_principals),
        _identities(Identity.NAMESPACE, source.namespaces, source.not_namespaces),
        _accounts(source.service_accounts, source.not_service_accounts, namespace),
        _domains(source.trust_domains, source.not_trust_domains),
        _addresses(End.PEER, source.ip_blocks, source.not_ip_blocks),
        _addresses(End.CLIENT, source.remote_ip_blocks, source.not_remote_ip_blocks),
        _subjects(source.request_principals, source.not_request_principals),
    )


def operation_of(operation: Operation) -> tuple[OnRequest, ...]:
    """What is asked for."""
    return _given(
        _texts(Trait.HOST, operation.hosts, operation.not_hosts),
        _ports(operation.ports, operation.not_ports),
        _texts(Trait.METHOD, operation.methods, operation.not_methods),
        _texts(Trait.PATH, operation.paths, operation.not_paths, _path),
    )


def is_carried(key: str) -> bool:
    """Whether a `when` key has a condition here."""
    return key in _WHEN or bool(_HEADER.fullmatch(key) or _CLAIMS.fullmatch(key))


def condition_of(written: WrittenCondition, namespace: str) -> Condition:
    """One condition of `when`, whose key is carried."""
    header = _HEADER.fullmatch(written.key)
    if header:
        return HeaderCondition(
            header=header[1].lower(),
            any_of=tuple(policy_text(each) for each in written.values),
            none_of=tuple(policy_text(each) for each in written.not_values),
        )
    claims = _CLAIMS.fullmatch(written.key)
    if claims:
        way = tuple(claims[1][1:-1].split("]["))
        return _claim(way, written.values, written.not_values)
    return _WHEN[written.key](written.values, written.not_values, namespace)


def _given(*conditions: _C) -> tuple[_C, ...]:
    return tuple(each for each in conditions if each.any_of or each.none_of)


def policy_text(value: str) -> StringMatch:
    """Istio's form: `*` anything present, `*x` ends so, `x*` begins so, else the whole text."""
    if value == "*":
        return Present()
    if value.startswith("*"):
        return Suffix(value[1:])
    if value.endswith("*"):
        return Prefix(value[:-1])
    return Exact(value)


def _texts(
    trait: Trait, any_of: _Texts, none_of: _Texts, read: Callable[[str], StringMatch] = policy_text
) -> TextCondition:
    return TextCondition(
        trait=trait,
        any_of=tuple(read(each) for each in any_of),
        none_of=tuple(read(each) for each in none_of),
    )


def _identities(
    identity: Identity,
    any_of: _Texts,
    none_of: _Texts,
    read: Callable[[str], StringMatch] = policy_text,
) -> IdentityCondition:
    return IdentityCondition(
        identity=identity,
        any_of=tuple(read(each) for each in any_of),
        none_of=tuple(read(each) for each in none_of),
    )


def _accounts(any_of: _Texts, none_of: _Texts, namespace: str) -> IdentityCondition:
    def read(value: str) -> StringMatch:
        home, _, account = value.rpartition("/")
        return Regex(f"[^/]+/ns/{re.escape(home or namespace)}/sa/{re.escape(account)}")

    return _identities(Identity.PRINCIPAL, any_of, none_of, read)


def _domains(any_of: _Texts, none_of: _Texts) -> IdentityCondition:
    def read(value: str) -> StringMatch:
        if value == "*":
            return Present()
        gap = "[^/]*"
        return Regex(gap.join(re.escape(part) for part in value.split("*")) + "/ns/.*")

    return _identities(Identity.PRINCIPAL, any_of, none_of, read)


def _subjects(any_of: _Texts, none_of: _Texts) -> SubjectCondition:
    return SubjectCondition(
        any_of=tuple(map(_subject, any_of)), none_of=tuple(map(_subject, none_of))
    )


def _subject(value: str) -> Subject:
    """`ISSUER/SUBJECT`, split at the last slash, since an issuer is often a URL.

    One `*`, at either end, stands for any text there, and without a slash for all of the other part.
    Source: Istio's requestPrincipalGenerator.
    """
    issuer, slash, subject = value.rpartition("/")
    if slash:
        begins, ends = subject.endswith("*"), issuer.startswith("*")
        whose = Suffix(issuer[1:]) if ends else Exact(issuer)
        who = Prefix(subject[:-1]) if begins and not ends else Exact(subject)
        return Subject(_unless_empty(whose), _unless_empty(who))
    if value.startswith("*"):
        return Subject(_SOMETHING, _unless_empty(Suffix(value[1:])))
    if value.endswith("*"):
        return Subject(_unless_empty(Prefix(value[:-1])), _SOMETHING)
    return Subject(Exact(value), Exact(""))


def _unless_empty(match: Exact | Prefix | Suffix) -> StringMatch:
    return _SOMETHING if not isinstance(match, Exact) and not match.text else match


def claim_text(wanted: StringMatch) -> StringMatch:
    """A condition on a claim; "present" is some text that is not empty."""
    return _SOMETHING if isinstance(wanted, Present) else wanted


def _claim(claim: tuple[str, ...], any_of: _Texts, none_of: _Texts) -> ClaimCondition:
    return ClaimCondition(
        claim=claim,
        any_of=tuple(claim_text(policy_text(each)) for each in any_of),
        none_of=tuple(claim_text(policy_text(each)) for each in none_of),
    )


def _networks(blocks: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Blocks or single addresses; bits beyond the prefix do not matter."""
    return tuple(ip_network(each, strict=False) for each in blocks)


def _addresses(end: End, any_of: _Texts, none_of: _Texts) -> AddressCondition:
    return AddressCondition(end=end, any_of=_networks(any_of), none_of=_networks(none_of))


def _ports(any_of: _Texts, none_of: _Texts) -> PortCondition:
    return PortCondition(any_of=tuple(map(int, any_of)), none_of=tuple(map(int, none_of)))


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


_Make = Callable[[_Texts, _Texts, str], Condition]
_WHEN: dict[str, _Make] = {
    "request.auth.principal": lambda any_of, none_of, _: _subjects(any_of, none_of),
    "request.auth.audiences": lambda any_of, none_of, _: _claim(("aud",), any_of, none_of),
    "request.auth.presenter": lambda any_of, none_of, _: _claim(("azp",), any_of, none_of),
    "source.ip": lambda any_of, none_of, _: _addresses(End.PEER, any_of, none_of),
    "remote.ip": lambda any_of, none_of, _: _addresses(End.CLIENT, any_of, none_of),
    "source.namespace": lambda any_of, none_of, _: _identities(Identity.NAMESPACE, any_of, none_of),
    "source.principal": lambda any_of, none_of, _: _identities(Identity.PRINCIPAL, any_of, none_of),
    "source.serviceAccount": _accounts,
    "source.trustDomain": lambda any_of, none_of, _: _domains(any_of, none_of),
    "destination.ip": lambda any_of, none_of, _: DestinationCondition(
        any_of=_networks(any_of), none_of=_networks(none_of)
    ),
    "destination.port": lambda any_of, none_of, _: _ports(any_of, none_of),
    "connection.sni": lambda any_of, none_of, _: _texts(Trait.SNI, any_of, none_of),
}
