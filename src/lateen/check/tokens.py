"""Check one RequestAuthentication as Istio does before it takes one.

In: the object.        Out: problems.    Source: Istio ValidateRequestAuthentication, ParseJwksURI.
Before: api/jwks.py, check/security.py   After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from lateen.api.jwks import read_keys
from lateen.api.requestauthentication import JWTRule, RequestAuthentication
from lateen.base.problem import Problem
from lateen.check.at import At
from lateen.check.security import check_policy_target


def check_request_authentication(policy: RequestAuthentication, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = policy.spec, at.key("spec")
    yield from check_policy_target(spec.selector, spec.target_ref, spec.target_refs, at)
    for index, rule in enumerate(spec.jwt_rules):
        yield from _rule(rule, at.key("jwtRules").item(index))


def _rule(rule: JWTRule, at: At) -> Iterator[Problem]:
    if not rule.issuer and not rule.jwks_uri:
        yield at.error("issuer or jwksUri must be non-empty string")
    for index, audience in enumerate(rule.audiences):
        if not audience:
            yield at.key("audiences").item(index).error("audience must be non-empty string")
    yield from _keys(rule, at)
    for index, header in enumerate(rule.from_headers):
        if not header.name:
            here = at.key("fromHeaders").item(index).key("name")
            yield here.error("location header name must be non-empty string")
    for name, values, word in (
        ("fromParams", rule.from_params, "query"),
        ("fromCookies", rule.from_cookies, "cookie name"),
    ):
        for index, value in enumerate(values):
            if not value:
                yield at.key(name).item(index).error(f"location {word} must be non-empty string")
    for index, told in enumerate(rule.output_claim_to_headers):
        here = at.key("outputClaimToHeaders").item(index)
        if not told.header or not told.claim:
            yield here.error("outputClaimToHeaders header and claim value must be non-empty string")
        elif not told.header.replace("-", "").replace("_", "").isalnum():
            yield here.key("header").error(f'header "{told.header}" is not a valid header name')
    if rule.timeout and rule.timeout.seconds < 0.001:
        yield at.key("timeout").error("duration must be greater than 1ms")


def _keys(rule: JWTRule, at: At) -> Iterator[Problem]:
    if rule.jwks:
        try:
            read_keys(rule.jwks)
        except ValueError as fault:
            yield at.key("jwks").error(f"jwks parse error: {fault}")
        if rule.jwks_uri:
            yield at.key("jwksUri").warning("jwks is set, so that jwksUri is not asked")
    elif not rule.jwks_uri:
        # Istio asks the issuer where its keys are (OpenID discovery).
        words = "neither jwks nor jwksUri is set: lateen does not ask the issuer where its keys are"
        yield at.warning(words, f"jwksUri: the jwks_uri of {rule.issuer}'s openid-configuration")
    if rule.jwks_uri:
        yield from _uri(rule.jwks_uri, at.key("jwksUri"))


def _uri(uri: str, at: At) -> Iterator[Problem]:
    form = "https://HOST/PATH, or http:// inside the mesh"
    try:
        parts = urlsplit(uri)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        yield at.error(f'invalid URI "{uri}"', form)
        return
    if parts.scheme not in ("http", "https"):
        yield at.error(f"URI scheme {parts.scheme or '(none)'} is not supported", form)
    elif not parts.hostname or not sound:
        yield at.error(f'URI "{uri}" names no host', form)
    elif "." not in parts.hostname and parts.scheme == "http":
        words = f"{parts.hostname} is not a full name, and is not completed by the namespace"
        yield at.warning(words, f"http://{parts.hostname}.NAMESPACE.svc.cluster.local")
