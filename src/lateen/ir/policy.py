"""Who may do what at a workload.

In: -    Out: Policy, Clause, Condition (union), Authorization.
Before: ir/match.py       After: translate/policy.py, envoy/rbac.py, explain/

What a CUSTOM policy matches is put to its authorizer first. DENY policies are looked at next, then
ALLOW; with any ALLOW policy present, what none allows is refused. AUDIT policies only mark. A policy with no clause matches nothing; a clause with no condition matches everything.
Source: Istio AuthorizationPolicy, "Authorization Policy evaluation" and "Conditions".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from typing import TypeVar, assert_never

from msgspec import Struct

from lateen.base.origin import Origin
from lateen.ir.authorizers import Authorizer
from lateen.ir.match import StringMatch
from lateen.ir.tokens import TokenRule


class Verdict(StrEnum):
    """What a matching policy says."""

    ALLOW = "allow"
    DENY = "deny"
    CUSTOM = "custom"
    AUDIT = "audit"

    @property
    def refuses(self) -> bool:
        """Whether to match is to be held up, so that what is unclear must match."""
        return self in (Verdict.DENY, Verdict.CUSTOM)


class Paths(StrEnum):
    """How a request's path is read before anything goes by it; each does what those before it do."""

    AS_SENT = "as sent"
    RESOLVED = "resolved"  # `.` and `..`, escapes of plain letters, `\\` as `/` (RFC 3986)
    MERGED = "merged"  # slashes next to one another are one
    DECODED = "decoded"  # %2F and %5C are slashes

    def include(self, other: Paths) -> bool:
        """Whether what another way of reading does is done here, too."""
        ways = tuple(Paths)
        return ways.index(self) >= ways.index(other)


class Identity(StrEnum):
    """What of the peer's verified certificate; a caller without one has no identity."""

    PRINCIPAL = "principal"  # TRUST-DOMAIN/ns/NS/sa/SA
    NAMESPACE = "namespace"  # its NS


class Trait(StrEnum):
    """What of a request."""

    SNI = "server name"  # asked for in the TLS handshake
    METHOD = "method"
    PATH = "path"  # without the query
    HOST = "host"  # in any case; without a port in the condition, whatever the port


class End(StrEnum):
    """Whose address."""

    PEER = "peer"  # the other end of the connection
    CLIENT = "client"  # the original client, as trusted proxies told of it


Texts = tuple[StringMatch, ...]
Networks = tuple[IPv4Network | IPv6Network, ...]


class IdentityCondition(Struct, frozen=True, kw_only=True):
    """One of `any_of` matches (empty: always) and none of `none_of`."""

    identity: Identity
    any_of: Texts = ()
    none_of: Texts = ()


class AddressCondition(Struct, frozen=True, kw_only=True):
    """In the same way on an address of the caller."""

    end: End
    any_of: Networks = ()
    none_of: Networks = ()


class HeaderCondition(Struct, frozen=True, kw_only=True):
    """In the same way on a header, in lower case; one that is absent matches nothing."""

    header: str
    any_of: Texts = ()
    none_of: Texts = ()


class ClaimCondition(Struct, frozen=True, kw_only=True):
    """In the same way on a claim of the verified token, by the way to it.

    It is a text, or a list of which one text has to match; nothing else matches anything.
    """

    claim: tuple[str, ...]
    any_of: Texts = ()
    none_of: Texts = ()


class Subject(Struct, frozen=True):
    """Who a token is about: its issuer and what that one calls it."""

    issuer: StringMatch
    subject: StringMatch


class SubjectCondition(Struct, frozen=True, kw_only=True):
    """In the same way on who the verified token is about; without a token it is nobody."""

    any_of: tuple[Subject, ...] = ()
    none_of: tuple[Subject, ...] = ()


class TextCondition(Struct, frozen=True, kw_only=True):
    """In the same way on what is asked for."""

    trait: Trait
    any_of: Texts = ()
    none_of: Texts = ()


class PortCondition(Struct, frozen=True, kw_only=True):
    """In the same way on the workload's own port."""

    any_of: tuple[int, ...] = ()
    none_of: tuple[int, ...] = ()


class DestinationCondition(Struct, frozen=True, kw_only=True):
    """In the same way on the address the connection was made to."""

    any_of: Networks = ()
    none_of: Networks = ()


OnToken = ClaimCondition | SubjectCondition
OnCaller = IdentityCondition | AddressCondition | HeaderCondition | OnToken
OnRequest = TextCondition | PortCondition | DestinationCondition
Condition = OnCaller | OnRequest


def needs_http(condition: Condition) -> bool:
    """Whether a plain TCP connection has nothing to compare."""
    match condition:
        case HeaderCondition() | ClaimCondition() | SubjectCondition():
            return True
        case TextCondition():
            return condition.trait is not Trait.SNI
        case IdentityCondition() | AddressCondition() | PortCondition() | DestinationCondition():
            return False
    assert_never(condition)


class Clause(Struct, frozen=True, kw_only=True):
    """One rule: all of one of `sources` (if any), all of one of `operations` (if any), all of `when`."""

    sources: tuple[tuple[OnCaller, ...], ...] = ()
    operations: tuple[tuple[OnRequest, ...], ...] = ()
    when: tuple[Condition, ...] = ()
    origin: Origin

    @property
    def conditions(self) -> Iterable[Condition]:
        """Every condition in it."""
        yield from chain(*self.sources, *self.operations, self.when)

    def on_tcp(self, verdict: Verdict) -> Clause | None:
        """What is left of it on a connection that is not HTTP; None if it then never matches.

        As in Istio, a rule of an ALLOW policy that needs HTTP allows nothing, and a rule of a DENY
        or CUSTOM policy loses what needs HTTP, so that it holds up more.
        """
        if not any(map(needs_http, self.conditions)):
            return self
        if not verdict.refuses:
            return None
        return Clause(
            sources=tuple(_without_http(group) for group in self.sources),
            operations=tuple(_without_http(group) for group in self.operations),
            when=_without_http(self.when),
            origin=self.origin,
        )


_C = TypeVar("_C", OnCaller, OnRequest, Condition)


def _without_http(conditions: tuple[_C, ...]) -> tuple[_C, ...]:
    return tuple(each for each in conditions if not needs_http(each))


class Policy(Struct, frozen=True, kw_only=True):
    """One AuthorizationPolicy as it applies to a workload; `name` is `ns[NS]-policy[NAME]`.

    `dry_run`: it is only counted what it would have said.
    """

    name: str
    verdict: Verdict
    clauses: tuple[Clause, ...]
    dry_run: bool = False
    origin: Origin

    @property
    def asks_for_tokens(self) -> bool:
        """Whether any of its conditions is on a token."""
        every = (condition for clause in self.clauses for condition in clause.conditions)
        return any(isinstance(each, ClaimCondition | SubjectCondition) for each in every)

    def on_tcp(self) -> tuple[tuple[int, Clause], ...]:
        """Its clauses on a connection that is not HTTP, with their numbers."""
        left = ((n, clause.on_tcp(self.verdict)) for n, clause in enumerate(self.clauses))
        return tuple((n, clause) for n, clause in left if clause)


class Custom(Struct, frozen=True, kw_only=True):
    """What these policies match is put to an authorizer."""

    authorizer: Authorizer
    policies: tuple[Policy, ...]


class Authorization(Struct, frozen=True, kw_only=True):
    """All policies of one workload, in order of name, and whose tokens it takes.

    `reads`: how paths are read; None for merged, and decoded where a policy goes by the path.
    """

    tokens: tuple[TokenRule, ...] = ()
    custom: Custom | None = None
    audit: tuple[Policy, ...] = ()
    deny: tuple[Policy, ...] = ()
    allow: tuple[Policy, ...] = ()
    reads: Paths | None = None

    @property
    def policies(self) -> tuple[Policy, ...]:
        """In the order they are looked at."""
        return (self.custom.policies if self.custom else ()) + self.audit + self.deny + self.allow

    def of(self, verdict: Verdict) -> tuple[Policy, ...]:
        """The policies of one verdict."""
        return tuple(policy for policy in self.policies if policy.verdict is verdict)

    @property
    def paths(self) -> Paths:
        """How paths are read where these policies stand."""
        return self.reads or (Paths.DECODED if self.looks_at_paths else Paths.MERGED)

    @property
    def looks_at_paths(self) -> bool:
        """Whether any policy judges by the path."""
        return any(
            isinstance(condition, TextCondition) and condition.trait is Trait.PATH
            for policy in self.policies
            for clause in policy.clauses
            for condition in clause.conditions
        )


EVERYTHING_ALLOWED = Authorization()
