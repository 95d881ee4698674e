"""What a request must look like for a route or a policy to concern it.

In: -    Out: StringMatch (union), HeaderMatch, QueryMatch, ClaimMatch, RequestMatch.
Before: base/origin.py       After: ir/routes.py, ir/policy.py, envoy/, explain/
"""

from __future__ import annotations

from msgspec import Struct


class Exact(Struct, frozen=True):
    """The whole text."""

    text: str


class Prefix(Struct, frozen=True):
    """The beginning of the text, by characters."""

    text: str


class Suffix(Struct, frozen=True):
    """The end of the text."""

    text: str


class Regex(Struct, frozen=True):
    """An RE2 expression that must match the whole text."""

    text: str


class Present(Struct, frozen=True):
    """Any value, even an empty one."""


StringMatch = Exact | Prefix | Suffix | Regex | Present


class HeaderMatch(Struct, frozen=True, kw_only=True):
    """A condition on one header; `name` in lower case. Inverted: must not match (or be absent)."""

    name: str
    match: StringMatch
    invert: bool = False


class QueryMatch(Struct, frozen=True, kw_only=True):
    """A condition on one query parameter."""

    name: str
    match: StringMatch


class ClaimMatch(Struct, frozen=True, kw_only=True):
    """A condition on a claim of the request's verified token, by the way to it; lists have it if one of theirs fits."""

    claim: tuple[str, ...]
    match: StringMatch
    invert: bool = False


class RequestMatch(Struct, frozen=True, kw_only=True):
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
