"""RequestAuthentications that Istio, or Envoy, would not take are refused with the place and the reason."""

from __future__ import annotations

import pytest

from lateen.base.problem import Level
from tests.check.test_objects import found
from tests.envoy.tokens import key_set, signer

KIND = "RequestAuthentication"
KEYS = key_set(signer("ES256", "one"), signer("EdDSA", "two"))


def test_a_sound_one_passes() -> None:
    spec = f"{{jwtRules: [{{issuer: a, audiences: [b], jwks: '{KEYS}', fromCookies: [c]}}]}}"
    assert found(KIND, spec) == []
    assert found(KIND, spec, Level.WARNING) == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("audiences: [a]", "spec.jwtRules[0]: issuer or jwksUri must be non-empty string"),
        (
            "issuer: a, audiences: ['']",
            "spec.jwtRules[0].audiences[0]: audience must be non-empty string",
        ),
        (
            "issuer: a, jwks: '{'",
            "spec.jwtRules[0].jwks: jwks parse error: it is not JSON: Expecting property name enclosed"
            " in double quotes: line 1 column 2 (char 1)",
        ),
        (
            "issuer: a, jwks: '[]'",
            'spec.jwtRules[0].jwks: jwks parse error: wanted {"keys": [...]}',
        ),
        (
            'issuer: a, jwks: \'{"keys": [{"kty": "RSA", "n": "", "e": "AQAB"}, {"kty": "EC"}, 1]}\'',
            "spec.jwtRules[0].jwks: jwks parse error: it has no RSA, EC, OKP or oct key that can be used",
        ),
        (
            "issuer: a, jwksUri: 'ftp://a.b/c'",
            "spec.jwtRules[0].jwksUri: URI scheme ftp is not supported",
        ),
        (
            "issuer: a, jwksUri: 'https:///c'",
            'spec.jwtRules[0].jwksUri: URI "https:///c" names no host',
        ),
        (
            "issuer: a, jwksUri: 'https://a:x/c'",
            'spec.jwtRules[0].jwksUri: invalid URI "https://a:x/c"',
        ),
        (
            f"issuer: a, jwks: '{KEYS}', fromHeaders: [{{name: ''}}]",
            "spec.jwtRules[0].fromHeaders[0].name: location header name must be non-empty string",
        ),
        (
            f"issuer: a, jwks: '{KEYS}', fromParams: ['']",
            "spec.jwtRules[0].fromParams[0]: location query must be non-empty string",
        ),
        (
            f"issuer: a, jwks: '{KEYS}', outputClaimToHeaders: [{{header: 'x y', claim: sub}}]",
            'spec.jwtRules[0].outputClaimToHeaders[0].header: header "x y" is not a valid header name',
        ),
    ],
)
def test_what_is_refused(rule: str, words: str) -> None:
    assert found(KIND, f"{{jwtRules: [{{{rule}}}]}}") == [words]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            "issuer: a",
            "spec.jwtRules[0]: neither jwks nor jwksUri is set: lateen does not ask the issuer where its"
            " keys are",
        ),
        (
            f"issuer: a, jwks: '{KEYS}', jwksUri: 'https://a.b/c'",
            "spec.jwtRules[0].jwksUri: jwks is set, so that jwksUri is not asked",
        ),
        (
            "issuer: a, jwksUri: 'http://keys/c'",
            "spec.jwtRules[0].jwksUri: keys is not a full name, and is not completed by the namespace",
        ),
    ],
)
def test_what_is_told(rule: str, words: str) -> None:
    assert found(KIND, f"{{jwtRules: [{{{rule}}}]}}", Level.WARNING) == [words]
