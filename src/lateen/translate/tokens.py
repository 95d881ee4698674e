"""RequestAuthentications that hold for a workload, in the words of the IR.

In: RequestAuthentications, a workload.    Out: TokenRules, problems.
Before: translate/calling.py               After: translate/policy.py

A key set that cannot be had refuses the tokens of its issuer, and nothing else.
"""

from __future__ import annotations

from lateen.api.requestauthentication import JWTRule, RequestAuthentication
from lateen.base.problem import Problem
from lateen.ir.tokens import (
    SPACED,
    FetchedKeys,
    GivenKeys,
    Keys,
    NoKeys,
    TokenHeader,
    TokenRule,
)
from lateen.translate.calling import called
from lateen.translate.faults import no_keys
from lateen.translate.selecting import selects
from lateen.translate.settings import seconds
from lateen.translate.views import Sight
from lateen.world.model import Owned, Workload

_TIMEOUT = 5.0  # seconds for a key set to come
_BEARER = TokenHeader(name="authorization", prefix="Bearer ")
_PARAM = "access_token"


def token_rules(
    sight: Sight, workload: Workload
) -> tuple[tuple[TokenRule, ...], tuple[Problem, ...]]:
    """The rules of all policies together, by issuer, as in Istio."""
    problems: list[Problem] = []
    made = [
        _rule(sight, policy, rule, f"spec.jwtRules[{index}]", problems)
        for policy in sight.index.world.request_authentications
        if selects(policy, workload)
        for index, rule in enumerate(policy.typed.spec.jwt_rules)
    ]
    return tuple(sorted(made, key=lambda rule: rule.issuer)), tuple(problems)


def _rule(
    sight: Sight,
    policy: Owned[RequestAuthentication],
    rule: JWTRule,
    path: str,
    problems: list[Problem],
) -> TokenRule:
    anywhere = not (rule.from_headers or rule.from_params or rule.from_cookies)
    return TokenRule(
        issuer=rule.issuer,
        audiences=rule.audiences,
        keys=_keys(sight, policy, rule, path, problems),
        headers=(_BEARER,)
        if anywhere
        else tuple(TokenHeader(name=h.name.lower(), prefix=h.prefix) for h in rule.from_headers),
        params=(_PARAM,) if anywhere else rule.from_params,
        cookies=rule.from_cookies,
        forward=rule.forward_original_token,
        payload_header=rule.output_payload_to_header.lower(),
        claim_headers=tuple((c.header.lower(), c.claim) for c in rule.output_claim_to_headers),
        spaced=tuple(sorted({*SPACED, *rule.space_delimited_claims})),
        origin=policy.origin(path),
    )


def _keys(
    sight: Sight,
    policy: Owned[RequestAuthentication],
    rule: JWTRule,
    path: str,
    problems: list[Problem],
) -> Keys:
    """As in Istio, a set that is written down comes before one to fetch."""
    if rule.jwks:
        return GivenKeys(rule.jwks)
    if not rule.jwks_uri:
        problems.append(
            no_keys(policy.origin(path), rule.issuer, "neither jwks nor jwksUri is set")
        )
        return NoKeys()
    backend = called(sight, rule.jwks_uri)
    if isinstance(backend, str):
        problems.append(no_keys(policy.origin(f"{path}.jwksUri"), rule.issuer, backend))
        return NoKeys()
    return FetchedKeys(
        uri=rule.jwks_uri, backend=backend, timeout=seconds(rule.timeout) or _TIMEOUT
    )
