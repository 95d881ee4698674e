"""A VirtualService's conditions in the words of the IR.

In: HTTPMatchRequest, StringMatch.    Out: RequestMatch; whether a rule concerns a proxy at all.
Before: api/virtualservice.py         After: translate/routes.py
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from msgspec import Struct, field

from lateen.api.virtualservice import HTTPMatchRequest, claim_of
from lateen.api.virtualservice import StringMatch as ApiMatch
from lateen.ir.match import (
    ANY_REQUEST,
    ClaimMatch,
    Exact,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RequestMatch,
    StringMatch,
)
from lateen.translate.conditions import claim_text
from lateen.translate.hosts import MESH


class Place(Struct, frozen=True, kw_only=True):
    """Where routes are for: a listener's port, in which gateway, at a proxy of which labels."""

    port: int
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    gateways: Set[str] = frozenset({MESH})
    tls: bool = False


def concerns(match: HTTPMatchRequest, place: Place, gateways: tuple[str, ...]) -> bool:
    """Whether a rule can ever match here. `gateways` are the match's own, as `NAMESPACE/NAME`.

    As in Istio, labels and namespace of the source are not looked at where gateways are named.
    """
    if match.port is not None and match.port != place.port:
        return False
    if gateways:
        return any(g in place.gateways for g in gateways)
    if not match.source_labels.items() <= place.labels.items():
        return False
    return match.source_namespace in ("", place.namespace)


def translate_match(match: HTTPMatchRequest) -> RequestMatch:
    """What a request must look like."""
    made = RequestMatch(
        path=_path(match.uri),
        ignore_case=match.ignore_uri_case and _path(match.uri) is not None,
        method=_optional(match.method),
        authority=_optional(match.authority),
        scheme=_optional(match.scheme),
        headers=_headers(match),
        claims=_claims(match),
        queries=tuple(
            QueryMatch(name=name, match=text_match(wanted))
            for name, wanted in sorted(match.query_params.items())
        ),
    )
    return ANY_REQUEST if made == ANY_REQUEST else made


def is_catch_all(match: RequestMatch) -> bool:
    """Whether nothing can come after it."""
    anywhere = match.path is None or match.path == Regex(".*")
    return anywhere and RequestMatch(path=match.path, ignore_case=match.ignore_case) == match


def _headers(match: HTTPMatchRequest) -> tuple[HeaderMatch, ...]:
    made = [
        HeaderMatch(name=name.lower(), match=text_match(text), invert=invert)
        for given, invert in ((match.headers, False), (match.without_headers, True))
        for name, text in given.items()
        if claim_of(name) is None
    ]
    return tuple(sorted(made, key=lambda h: (h.name, h.invert)))


def _claims(match: HTTPMatchRequest) -> tuple[ClaimMatch, ...]:
    made = [
        ClaimMatch(claim=claim, match=claim_text(text_match(text)), invert=invert)
        for given, invert in ((match.headers, False), (match.without_headers, True))
        for name, text in given.items()
        if (claim := claim_of(name))
    ]
    return tuple(sorted(made, key=lambda c: (c.claim, c.invert)))


def _path(uri: ApiMatch | None) -> Exact | Prefix | Regex | None:
    if uri is None:
        return None
    if uri.exact is not None:
        return Exact(uri.exact)
    if uri.prefix is not None:
        return None if uri.prefix in ("", "/") else Prefix(uri.prefix)
    return None if uri.regex is None else Regex(uri.regex)


def _optional(text: ApiMatch | None) -> StringMatch | None:
    return None if text is None else text_match(text)


def text_match(text: ApiMatch) -> StringMatch:
    """A condition on a text. An empty one, and Istio's special regex `*`, mean: present."""
    if text.exact is not None:
        return Exact(text.exact)
    if text.prefix:
        return Prefix(text.prefix)
    if text.regex is not None and text.regex != "*":
        return Regex(text.regex)
    return Present()
