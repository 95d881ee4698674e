"""Whose tokens are taken: none is needed, but one that is there must be good.

In: HttpSite.                 Out: JwtAuthentication.
Before: ir/tokens.py          After: filters/__init__.py

With several rules a request passes if one of them accepts its token, or if it has none: rules may
look in the same place, and there each refuses the others' tokens.
Source: Istio pilot/pkg/security/authn, convertToEnvoyJwtConfig.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import assert_never

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from lateen.envoy import names
from lateen.envoy.filters.kind import HttpFilter, HttpSite, Side
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import DataSource
from lateen.envoy.pb.envoy.config.core.v3.http_uri_pb2 import HttpUri
from lateen.envoy.pb.envoy.config.route.v3.route_components_pb2 import RouteMatch
from lateen.envoy.pb.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import (
    JwksAsyncFetch,
    JwtAuthentication,
    JwtClaimToHeader,
    JwtHeader,
    JwtProvider,
    JwtRequirement,
    JwtRequirementAndList,
    JwtRequirementOrList,
    RemoteJwks,
    RequirementRule,
)
from lateen.envoy.wire import duration
from lateen.ir.tokens import FetchedKeys, GivenKeys, NoKeys, TokenRule

KEPT = 300.0  # seconds for which a fetched key set is taken for the newest
_AGAIN = 2.0  # seconds after which one that did not come is asked for again

# A point of P-256 whose x is SHA-256 of "lateen: nobody has this key 0": no one knows its private key.
NOBODYS_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "alg": "ES256",
    "kid": "nobody",
    "x": "FPYUaiRaLDBnXJeV0CtVfp3a8zZVKNUjQ6g5BbIQgV4",
    "y": "YzzJXKpDHlSc3kRSWZLcc0fBtujfo3MvsFPyEq56b0o",
}


def _keys(provider: JwtProvider, rule: TokenRule) -> None:
    keys = rule.keys
    match keys:
        case GivenKeys(jwks):
            provider.local_jwks.CopyFrom(DataSource(inline_string=jwks))
        case NoKeys():
            nobodys = json.dumps({"keys": [NOBODYS_KEY]})
            provider.local_jwks.CopyFrom(DataSource(inline_string=nobodys))
        case FetchedKeys():
            uri = HttpUri(
                uri=keys.uri,
                cluster=names.outbound_cluster(keys.backend),
                timeout=duration(keys.timeout),
            )
            # A listener must not wait for an issuer: until the keys are there its tokens are refused.
            fetch = JwksAsyncFetch(fast_listener=True, failed_refetch_duration=duration(_AGAIN))
            remote = RemoteJwks(http_uri=uri, cache_duration=duration(KEPT), async_fetch=fetch)
            provider.remote_jwks.CopyFrom(remote)
        case _:
            assert_never(keys)


def _provider(rule: TokenRule, edge: bool) -> JwtProvider:
    """At a gateway (`edge`) the route is chosen once more, since it may go by a claim."""
    made = JwtProvider(
        issuer=rule.issuer,
        audiences=rule.audiences,
        forward=rule.forward,
        forward_payload_header=rule.payload_header,
        from_headers=[JwtHeader(name=h.name, value_prefix=h.prefix) for h in rule.headers],
        from_params=rule.params,
        from_cookies=rule.cookies,
        payload_in_metadata=names.JWT_PAYLOAD,
        normalize_payload_in_metadata=JwtProvider.NormalizePayload(
            space_delimited_claims=rule.spaced
        ),
        claim_to_headers=[
            JwtClaimToHeader(header_name=header, claim_name=claim)
            for header, claim in rule.claim_headers
        ],
        clear_route_cache=edge,
    )
    _keys(made, rule)
    return made


def _any(requirements: Iterable[JwtRequirement]) -> JwtRequirement:
    return JwtRequirement(requires_any=JwtRequirementOrList(requirements=requirements))


def _requirement(rules: int) -> JwtRequirement:
    named = [JwtRequirement(provider_name=f"origins-{n}") for n in range(rules)]
    missing = JwtRequirement(allow_missing=Empty())
    each = [_any((provider, missing)) for provider in named]
    if rules == 1:
        return each[0]
    return _any((*named, JwtRequirement(requires_all=JwtRequirementAndList(requirements=each))))


def _on_listener(site: HttpSite) -> Message | None:
    rules = site.authorization.tokens
    if not rules:
        return None
    edge = site.side is Side.GATEWAY
    return JwtAuthentication(
        providers={f"origins-{n}": _provider(rule, edge) for n, rule in enumerate(rules)},
        rules=[RequirementRule(match=RouteMatch(prefix="/"), requires=_requirement(len(rules)))],
        bypass_cors_preflight=True,
    )


JWT = HttpFilter(name=names.JWT_FILTER, on_listener=_on_listener)
