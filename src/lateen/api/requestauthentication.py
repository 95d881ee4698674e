"""Istio RequestAuthentication: whose tokens (JWT) are taken, and where they are looked for.

In: -    Out: RequestAuthentication.    Source: security.istio.io RequestAuthentication.
Before: api/security.py                 After: check/tokens.py, translate/tokens.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Duration, Informative
from lateen.api.meta import ObjectMeta
from lateen.api.security import PolicyTargetReference, WorkloadSelector


class JWTHeader(Api, frozen=True, kw_only=True):
    """A header with a token in it, after `prefix` (`"Bearer "`, with its space)."""

    name: str
    prefix: str = ""


class ClaimToHeader(Api, frozen=True, kw_only=True):
    """A claim (`a.b` for one inside another) that the app is told of in a header."""

    header: str
    claim: str


class JWTRule(Api, frozen=True, kw_only=True):
    """The tokens of one issuer.

    Keys come from `jwks` (the set itself) or `jwks_uri`. Without any `from_…` a token is looked for
    after `Authorization: Bearer` and in the query parameter `access_token`.
    """

    issuer: str = ""
    audiences: tuple[str, ...] = ()
    jwks_uri: str = ""
    jwks: str = ""
    from_headers: tuple[JWTHeader, ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    output_payload_to_header: str = ""
    forward_original_token: bool = False
    output_claim_to_headers: tuple[ClaimToHeader, ...] = ()
    timeout: Duration | None = None
    space_delimited_claims: tuple[str, ...] = ()


class RequestAuthenticationSpec(Api, frozen=True, kw_only=True):
    """A request with a token that no rule accepts is refused; one without a token passes."""

    selector: WorkloadSelector | None = None
    jwt_rules: tuple[JWTRule, ...] = ()
    target_ref: PolicyTargetReference | None = None
    target_refs: tuple[PolicyTargetReference, ...] = ()


class RequestAuthentication(Api, frozen=True, kw_only=True):
    """security.istio.io RequestAuthentication."""

    api_version: str = "security.istio.io/v1"
    kind: str = "RequestAuthentication"
    metadata: ObjectMeta
    spec: RequestAuthenticationSpec = RequestAuthenticationSpec()
    status: Informative = None
