"""Say in words why conditions do not hold.

In: StringMatch, RequestMatch, Clause, Request.      Out: texts, "" for what holds.
Before: ir_match.py, policies.py                     After: ir_routes.py, policies.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from lateen.explain.ir_match import claim_fits, header_fits, matches, path_fits, query_fits
from lateen.explain.request import Request
from lateen.explain.tokens import texts_of
from lateen.ir.match import Exact, Prefix, Present, Regex, RequestMatch, StringMatch, Suffix


def wanted(match: StringMatch) -> str:
    """A condition on a text, as people write it."""
    match match:
        case Exact(text):
            return f'"{text}"'
        case Prefix(text):
            return f'"{text}*"'
        case Suffix(text):
            return f'"*{text}"'
        case Regex(text):
            return f'regex "{text}"'
        case Present():
            return "any value"
    assert_never(match)


def any_of(matches: tuple[StringMatch, ...]) -> str:
    """One of several conditions."""
    return " or ".join(map(wanted, matches))


def unmet(match: RequestMatch, request: Request) -> str:
    """The first condition of a rule that does not hold, and what the request has instead."""
    return next(_unmet(match, request), "")


def _unmet(match: RequestMatch, request: Request) -> Iterator[str]:
    path, _, query = request.path.partition("?")
    if match.path and not path_fits(match, path):
        case = ", in any case" if match.ignore_case else ""
        yield f'path is "{path}", not {wanted(match.path)}{case}'
    for name, condition, text in (
        ("method", match.method, request.method),
        ("authority", match.authority, request.authority),
        ("scheme", match.scheme, request.scheme),
    ):
        if condition and not matches(condition, text):
            yield f'{name} is "{text}", not {wanted(condition)}'
    headers = dict(request.headers)
    for header in match.headers:
        if not header_fits(header, headers):
            yield _header(header.name, header.match, headers, invert=header.invert)
    for parameter in match.queries:
        if not query_fits(parameter, query):
            yield f'query "{query}" has no {parameter.name} that is {wanted(parameter.match)}'
    for claim in match.claims:
        if claim_fits(claim.match, request.claims, claim.claim) == claim.invert:
            said = ", ".join(texts_of(request.claims, claim.claim)) or "absent"
            must = "must not be " if claim.invert else "not "
            yield f"claim {'.'.join(claim.claim)} is {said}, {must}{wanted(claim.match)}"


def _header(name: str, match: StringMatch, headers: Mapping[str, str], *, invert: bool) -> str:
    is_there = f'is "{headers[name]}"' if name in headers else "is absent"
    if isinstance(match, Present):
        return f"header {name} {is_there}" + (", must be absent" if invert else "")
    return f"header {name} {is_there}, {'must not be' if invert else 'not'} {wanted(match)}"
