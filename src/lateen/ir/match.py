"""What a request must look like for a route or a policy to concern it.

In: -    Out: StringMatch (union), HeaderMatch, QueryMatch, ClaimMatch, RequestMatch.
Before: base/origin.py       After: ir/routes.py, ir/policy.py, envoy/, explain/
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exact:
    """The whole text."""

    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of the text, by characters."""

    text: str


@dataclass(frozen=True, slots=True)
class Suffix:
    """The end of the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Regex:
    """An RE2 expression that must match the whole text."""

    text: str


@dataclass(frozen=True, slots=True)
class Present:
    """Any value, even an empty one."""


StringMatch = Exact | Prefix | Suffix | Regex | Present


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderMatch:
    """A condition on one header; `name` in lower case. Inverted: must not match (or be absent)."""

    name: str
    match: StringMatch
    invert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryMatch:
    """A condition on one query parameter."""

    name: str
    match: StringMatch


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMatch:
    """A condition on a claim of the request's verified token, by the way to it; lists have it if one of theirs fits."""

    claim: tuple[str, ...]
    match: StringMatch
    invert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMatch:
    """All given conditions hold. `path` is matched without the query; None matches every path."""

    path: Exact | Prefix | Regex | None = None
    ignore_case: bool = False
    method: StringMatch | None = None
    authority: StringMatch | None = None
    scheme: StringMatch | None = None
    headers: tuple[HeaderMatch, ...] = ()
    queries: tuple[QueryMatch, ...] = ()
    claims: tuple[ClaimMatch, ...] = ()


ANY_REQUEST = RequestMatch()
