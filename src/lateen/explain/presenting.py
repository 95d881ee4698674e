"""Take in a made-up request by the plan: read its path, look at its tokens.

In: Authorization, Request.      Out: the request as it goes on, or Unverified.
Before: tokens.py, urls.py       After: walk_ir.py
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from lateen.explain.request import UNVERIFIED, Request, Unverified
from lateen.explain.steps import Part, Step, Walk, end_of
from lateen.explain.tokens import (
    Taker,
    claims_by,
    is_preflight,
    taken,
    tokens_at,
    why_not_taken,
    without_forged,
)
from lateen.explain.urls import normalized
from lateen.ir.policy import Authorization, Paths
from lateen.ir.tokens import GivenKeys, TokenRule


def as_read(request: Request, paths: Paths) -> Request:
    """The request with its path as the proxy reads it."""
    path = normalized(
        request.path,
        resolve=paths.include(Paths.RESOLVED),
        merge=paths.include(Paths.MERGED),
        unescape=paths.include(Paths.DECODED),
    )
    return replace(request, path=path)


def presented(authorization: Authorization, request: Request) -> Request | Unverified:
    """The request with the claims of its token, if a rule accepts it; as it is if it shows none."""
    return end_of(presenting(authorization, request))


def presenting(authorization: Authorization, request: Request) -> Walk[Request | Unverified]:
    """The same, with a step for each rule looked at."""
    rules = [(rule, _taker(rule)) for rule in authorization.tokens]
    if not rules:
        return request
    if is_preflight(request):
        words = "a browser asks what it may ask: no token is looked for"
        yield Step(part=Part.TOKEN, name="preflight", held=False, because=words)
        return request
    takers = [taker for _, taker in rules]
    clean = without_forged(takers, request)
    for rule, taker in rules:
        claims = claims_by(taker, clean)
        yield Step(
            part=Part.TOKEN,
            name=rule.issuer or "any issuer",
            held=claims is not None,
            because=partial(why_not_taken, taker, clean),
            origin=rule.origin,
        )
        if claims is not None:
            return taken(taker, clean, claims)
    return UNVERIFIED if any(tokens_at(taker, clean) for taker in takers) else clean


def _taker(rule: TokenRule) -> Taker:
    return Taker(
        issuer=rule.issuer,
        audiences=rule.audiences,
        jwks=rule.keys.jwks if isinstance(rule.keys, GivenKeys) else "",
        headers=tuple((each.name, each.prefix) for each in rule.headers),
        params=rule.params,
        cookies=rule.cookies,
        forward=rule.forward,
        payload_header=rule.payload_header,
        claim_headers=rule.claim_headers,
        spaced=rule.spaced,
    )
