"""Evaluate Envoy's jwt_authn filter.

In: JwtAuthentication, Request.        Out: the request as it goes on, or Unverified.
Before: envoy/pb, tokens.py            After: walk_envoy.py
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from lateen.envoy.pb.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import (
    JwtAuthentication,
    JwtProvider,
    JwtRequirement,
)
from lateen.explain.envoy_match import not_modelled
from lateen.explain.request import UNVERIFIED, Request, Unverified
from lateen.explain.steps import Part, Step, Walk
from lateen.explain.tokens import (
    Taker,
    claims_by,
    is_preflight,
    taken,
    tokens_at,
    why_not_taken,
    without_forged,
)


def presenting(config: JwtAuthentication, request: Request) -> Walk[Request | Unverified]:
    """What the filter makes of a request, with a step for each issuer."""
    if config.bypass_cors_preflight and is_preflight(request):
        return request
    takers = {name: _taker(provider) for name, provider in config.providers.items()}
    clean = without_forged(takers.values(), request)
    rule = config.rules[0]
    if rule.match.prefix != "/":
        raise not_modelled("RequirementRule", rule.match.WhichOneof("path_specifier"))
    for name, taker in sorted(takers.items()):
        yield Step(
            part=Part.TOKEN,
            name=taker.issuer or name,
            held=claims_by(taker, clean) is not None,
            because=partial(why_not_taken, taker, clean),
        )
    return _met(rule.requires, takers, clean) or UNVERIFIED


def _met(
    requirement: JwtRequirement, takers: Mapping[str, Taker], request: Request
) -> Request | None:
    """The request as it goes on if the requirement is met."""
    which = requirement.WhichOneof("requires_type")
    match which:
        case "provider_name":
            taker = takers[requirement.provider_name]
            claims = claims_by(taker, request)
            return None if claims is None else taken(taker, request, claims)
        case "allow_missing":
            nothing = not any(tokens_at(taker, request) for taker in takers.values())
            return request if nothing else None
        case "requires_any":
            met = (_met(each, takers, request) for each in requirement.requires_any.requirements)
            return next((each for each in met if each), None)
        case "requires_all":
            seen: Request | None = request
            for each in requirement.requires_all.requirements:
                seen = _met(each, takers, seen) if seen else None
            return seen
    raise not_modelled("JwtRequirement", which)


def _taker(provider: JwtProvider) -> Taker:
    known = provider.WhichOneof("jwks_source_specifier") == "local_jwks"
    return Taker(
        issuer=provider.issuer,
        audiences=tuple(provider.audiences),
        jwks=provider.local_jwks.inline_string if known else "",
        headers=tuple((h.name, h.value_prefix) for h in provider.from_headers),
        params=tuple(provider.from_params),
        cookies=tuple(provider.from_cookies),
        forward=provider.forward,
        payload_header=provider.forward_payload_header,
        claim_headers=tuple((c.header_name, c.claim_name) for c in provider.claim_to_headers),
        spaced=tuple(provider.normalize_payload_in_metadata.space_delimited_claims),
    )
