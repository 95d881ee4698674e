"""Look at a made-up request's tokens as Envoy does.

In: Takers (whose tokens are taken, and where), Request.    Out: claims; the request as it goes on.
Before: api/jwks.py, explain/request.py                     After: walk_ir.py, envoy_jwt.py

Keys that the proxy fetches are not known here: tokens they would verify are refused.
Source: Envoy's jwt_authn filter and its jwt_verify_lib.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.jwks import read_keys
from lateen.explain.request import Request

_SKEW = 60.0  # seconds that clocks may differ
Claims = Mapping[str, Any]


class Taker(Struct, frozen=True, kw_only=True):
    """One issuer's tokens; `jwks` is "" where the keys are not known. See ir/tokens.py."""

    issuer: str
    audiences: tuple[str, ...]
    jwks: str
    headers: tuple[tuple[str, str], ...]  # name, prefix
    params: tuple[str, ...]
    cookies: tuple[str, ...]
    forward: bool
    payload_header: str
    claim_headers: tuple[tuple[str, str], ...]
    spaced: tuple[str, ...]


def tokens_at(taker: Taker, request: Request) -> tuple[str, ...]:
    """What stands where a taker looks."""
    return tuple(_found(taker, request))


def _found(taker: Taker, request: Request) -> Iterator[str]:
    joined = _joined(request)
    for name, prefix in taker.headers:
        value = joined.get(name, "")
        if value and prefix in value:
            yield value[value.index(prefix) + len(prefix) :].strip()
    asked = dict(reversed(_params(request.path)))
    yield from (asked[name] for name in taker.params if name in asked)
    pairs = (part.strip().partition("=") for part in joined.get("cookie", "").split(";"))
    baked = {name: value.strip('"') for name, _, value in pairs}
    yield from (baked[name] for name in taker.cookies if name in baked)


def _joined(request: Request) -> dict[str, str]:
    """Headers by name; one that comes more than once is joined."""
    made: dict[str, str] = {}
    for name, value in request.headers:
        made[name] = f"{made[name]},{value}" if name in made else value
    return made


def _params(path: str) -> list[tuple[str, str]]:
    query = path.partition("?")[2]
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(name, unquote(value)) for name, _, value in pairs]


def claims_by(taker: Taker, request: Request) -> Claims | None:
    """The claims of the request's token, if there is one for this taker and all such are good."""
    found = [_judged(token, taker, request) for token in tokens_at(taker, request)]
    good = [each for each in found if not isinstance(each, str)]
    return good[-1] if good and len(good) == len(found) else None


def why_not_taken(taker: Taker, request: Request) -> str:
    """Why there are no claims for this taker; what they are about if there are."""
    found = [_judged(token, taker, request) for token in tokens_at(taker, request)]
    if not found:
        return "the request shows no token where this rule looks"
    faults = [each for each in found if isinstance(each, str)]
    if faults:
        return faults[0]
    claims = claims_by(taker, request) or {}
    return (
        f"a token of {claims.get('iss', 'no issuer')} for {claims.get('sub', 'nobody')} is accepted"
    )


def _judged(token: str, taker: Taker, request: Request) -> Claims | str:
    """The claims of a token, or why it is not accepted."""
    if token in request.trusted:
        payload = _payload(token)
    elif not taker.jwks:
        return "its keys are fetched by the proxy and are not known here"
    else:
        payload = _verified(token, taker.jwks)
    if payload is None:
        return "none of the issuer's keys signed the token"
    if taker.issuer and payload.get("iss") != taker.issuer:
        return f"the token is of {payload.get('iss', 'no issuer')}, not of {taker.issuer}"
    at = request.at
    if at and not payload.get("nbf", 0) - _SKEW <= at <= payload.get("exp", at) + _SKEW:
        return "the token's time is not now"
    said = payload.get("aud", [])
    audiences = {_bare(each) for each in (said if isinstance(said, list) else [said])}
    if taker.audiences and audiences.isdisjoint(map(_bare, taker.audiences)):
        return f"the token is not for {' or '.join(taker.audiences)}"
    lists = {
        name: payload[name].split(" ")
        for name in taker.spaced
        if isinstance(payload.get(name), str)
    }
    return {**payload, **lists}


def token_of(claims: Claims) -> str:
    """A token with these claims that nobody signed."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    raw = (json.dumps(part, separators=(",", ":")).encode() for part in parts)
    return ".".join([*(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in raw), ""])


def _payload(token: str) -> dict[str, Any] | None:
    """What a token says, whoever signed it."""
    try:
        middle = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _bare(audience: str) -> str:
    """Envoy compares audiences without a scheme and without a slash at the end."""
    for scheme in ("https://", "http://"):
        audience = audience.removeprefix(scheme)
    return audience.removesuffix("/")


@lru_cache(maxsize=1024)
def _verified(token: str, jwks: str) -> dict[str, Any] | None:
    """The payload of a token that one of the keys signed."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return None
    kid, algorithm = header.get("kid", ""), header.get("alg", "")
    for key in read_keys(jwks):
        if (kid and key.kid and kid != key.kid) or algorithm not in key.algorithms:
            continue
        try:
            signed = jwt.PyJWS().decode(token, key.key, algorithms=[algorithm])
            payload = json.loads(signed)
        except (jwt.PyJWTError, ValueError):
            continue
        return payload if isinstance(payload, dict) else None
    return None


def without_forged(takers: Iterable[Taker], request: Request) -> Request:
    """Headers that only the proxy may set are taken from no client."""
    own = {header for taker in takers for header, _ in taker.claim_headers}
    own |= {taker.payload_header for taker in takers}
    return replace(request, headers=tuple(h for h in request.headers if h[0] not in own))


def taken(taker: Taker, request: Request, claims: Claims) -> Request:
    """The request as it goes on once its token has been accepted."""
    headers, path = request.headers, request.path
    if not taker.forward:
        gone = {
            name for name, prefix in taker.headers if prefix in _joined(request).get(name, "\0")
        }
        headers = tuple(h for h in headers if h[0] not in gone)
        path = _without(path, taker.params)
    if taker.payload_header:
        raw = json.dumps(claims).encode()
        payload = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        headers += ((taker.payload_header, payload),)
    for header, way in taker.claim_headers:
        value = claim_at(claims, way.split("."))
        text = _told(value)
        if text is not None:
            headers += ((header, text),)
    return replace(request, headers=headers, path=path, claims=claims)


def _without(path: str, params: tuple[str, ...]) -> str:
    bare, _, query = path.partition("?")
    left = [part for part in query.split("&") if part and part.partition("=")[0] not in params]
    return "?".join([bare, "&".join(left)]) if left else bare


def claim_at(claims: Claims | None, way: Iterable[str]) -> Any:
    """The claim at the end of a way, None if there is none."""
    value: Any = claims
    for key in way:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _told(value: Any) -> str | None:
    """A claim as a header tells it."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case _:
            raw = json.dumps(value, separators=(",", ":")).encode()
            return base64.b64encode(raw).decode()


def texts_of(claims: Claims | None, way: Iterable[str]) -> tuple[str, ...]:
    """The texts of a claim: itself, or those in its list."""
    value = claim_at(claims, way)
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(each for each in value if isinstance(each, str))
    return ()


def is_preflight(request: Request) -> bool:
    """Whether a browser asks what it may ask; it shows no token then."""
    headers = dict(request.headers)
    return bool(
        request.method == "OPTIONS"
        and headers.get("origin")
        and headers.get("access-control-request-method")
    )
