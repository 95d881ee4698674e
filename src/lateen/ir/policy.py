"""Who may do what at a workload.

In: -    Out: Policy, Clause, Authorization.
Before: ir/match.py       After: translate/policy.py, envoy/rbac.py, explain/

DENY policies are looked at first, then ALLOW; with any ALLOW policy present, what none allows is
refused. A policy with no clause matches nothing; a clause with no condition matches everything.
Source: Istio AuthorizationPolicy, "Authorization Policy evaluation".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lateen.base.origin import Origin
from lateen.ir.match import StringMatch


class Verdict(StrEnum):
    """What a matching policy says."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A condition on the caller: all fields hold; a list holds if one entry does (empty: always).

    `principals` are matched against `TRUST-DOMAIN/ns/NS/sa/SA` of the peer's verified certificate,
    `namespaces` against its NS. The `not_` lists hold if no entry matches. A caller with no
    certificate matches no positive entry.
    """

    principals: tuple[StringMatch, ...] = ()
    not_principals: tuple[StringMatch, ...] = ()
    namespaces: tuple[StringMatch, ...] = ()
    not_namespaces: tuple[StringMatch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A condition on the request, in the same way. Paths are without the query."""

    methods: tuple[StringMatch, ...] = ()
    not_methods: tuple[StringMatch, ...] = ()
    paths: tuple[StringMatch, ...] = ()
    not_paths: tuple[StringMatch, ...] = ()

    @property
    def needs_http(self) -> bool:
        """Whether a plain TCP connection can never meet this condition."""
        return bool(self.methods or self.not_methods or self.paths or self.not_paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One rule: one of `peers` (if any) and one of `asks` (if any)."""

    peers: tuple[Peer, ...] = ()
    asks: tuple[Ask, ...] = ()
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One AuthorizationPolicy as it applies to a workload; `name` is `ns[NS]-policy[NAME]`."""

    name: str
    verdict: Verdict
    clauses: tuple[Clause, ...]
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """All policies of one workload, in order of name."""

    deny: tuple[Policy, ...] = ()
    allow: tuple[Policy, ...] = ()


EVERYTHING_ALLOWED = Authorization()
