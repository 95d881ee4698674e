"""Evaluate the plan's conditions on texts and requests.

In: StringMatch, RequestMatch, Request.    Out: whether they hold.
Before: ir/match.py, request.py            After: walk_ir.py
"""

from __future__ import annotations

import re
from typing import assert_never

from lateen.explain.request import Request
from lateen.explain.tokens import Claims, texts_of
from lateen.ir.match import Exact, Prefix, Present, Regex, RequestMatch, StringMatch, Suffix


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
            return re.fullmatch(wanted, text) is not None
        case Present():
            return True
    assert_never(match)


def claim_fits(match: StringMatch, claims: Claims | None, claim: tuple[str, ...]) -> bool:
    """Whether a condition holds for a text of a claim; "present" asks for one that is not empty."""
    texts = texts_of(claims, claim)
    return any(bool(t) if isinstance(match, Present) else matches(match, t) for t in texts)


def _path_matches(match: RequestMatch, path: str) -> bool:
    wanted = match.path
    if wanted is None:
        return True
    if match.ignore_case and not isinstance(wanted, Regex):
        return matches(type(wanted)(wanted.text.lower()), path.lower())
    return matches(wanted, path)


def _headers_match(match: RequestMatch, request: Request) -> bool:
    headers = dict(request.headers)
    for wanted in match.headers:
        value = headers.get(wanted.name)
        if isinstance(wanted.match, Present) or not wanted.invert:
            held = value is not None and matches(wanted.match, value)
        else:
            held = matches(wanted.match, value or "")  # an absent header is an empty one
        if held is wanted.invert:
            return False
    return True


def _queries_match(match: RequestMatch, query: str) -> bool:
    given: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        given.setdefault(name, value)
    return all(q.name in given and matches(q.match, given[q.name]) for q in match.queries)


def request_matches(match: RequestMatch, request: Request) -> bool:
    """Whether all conditions of a rule hold."""
    path, _, query = request.path.partition("?")
    pseudo = (
        (match.method, request.method),
        (match.authority, request.authority),
        (match.scheme, request.scheme),
    )
    return (
        _path_matches(match, path)
        and all(wanted is None or matches(wanted, text) for wanted, text in pseudo)
        and _headers_match(match, request)
        and _queries_match(match, query)
        and all(claim_fits(c.match, request.claims, c.claim) != c.invert for c in match.claims)
    )
