"""Evaluate the plan's conditions on texts and requests.

In: StringMatch, RequestMatch, Request.    Out: whether they hold.
Before: ir/match.py, request.py            After: walk_ir.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from lateen.explain.request import Request
from lateen.explain.symbolic.automata import full_match
from lateen.explain.tokens import Claims, texts_of
from lateen.ir.match import (
    Exact,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RequestMatch,
    StringMatch,
    Suffix,
)


def matches(match: StringMatch, text: str) -> bool:
    """Whether a condition holds for a text that is there."""
    match match:
        case Exact(wanted):
            return text == wanted
        case Prefix(wanted):
            return text.startswith(wanted)
        case Suffix(wanted):
            return text.endswith(wanted)
        case Regex(wanted):
            return full_match(wanted, text)
        case Present():
            return True
    assert_never(match)


def claim_fits(match: StringMatch, claims: Claims | None, claim: tuple[str, ...]) -> bool:
    """Whether a condition holds for a text of a claim; "present" asks for one that is not empty."""
    texts = texts_of(claims, claim)
    return any(bool(t) if isinstance(match, Present) else matches(match, t) for t in texts)


def path_fits(match: RequestMatch, path: str) -> bool:
    """Whether the condition on the path, if there is one, holds for a path without its query."""
    wanted = match.path
    if wanted is None:
        return True
    if match.ignore_case and not isinstance(wanted, Regex):
        return matches(type(wanted)(wanted.text.lower()), path.lower())
    return matches(wanted, path)


def header_fits(wanted: HeaderMatch, headers: Mapping[str, str]) -> bool:
    """Whether the condition on one header holds; names are in lower case."""
    value = headers.get(wanted.name)
    if isinstance(wanted.match, Present) or not wanted.invert:
        held = value is not None and matches(wanted.match, value)
    else:
        held = matches(wanted.match, value or "")  # an absent header is an empty one
    return held is not wanted.invert


def query_fits(wanted: QueryMatch, query: str) -> bool:
    """Whether the condition on one parameter holds; of several of its name the first counts."""
    given: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        given.setdefault(name, value)
    return wanted.name in given and matches(wanted.match, given[wanted.name])


def request_matches(match: RequestMatch, request: Request) -> bool:
    """Whether all conditions of a rule hold."""
    path, _, query = request.path.partition("?")
    pseudo = (
        (match.method, request.method),
        (match.authority, request.authority),
        (match.scheme, request.scheme),
    )
    headers = dict(request.headers) if match.headers else {}
    return (
        path_fits(match, path)
        and all(wanted is None or matches(wanted, text) for wanted, text in pseudo)
        and all(header_fits(each, headers) for each in match.headers)
        and all(query_fits(each, query) for each in match.queries)
        and all(claim_fits(c.match, request.claims, c.claim) != c.invert for c in match.claims)
    )
