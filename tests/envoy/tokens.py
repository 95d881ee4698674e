"""Issuers of the moment, that sign real tokens, and some that should not be trusted."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_MAKERS = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key, its algorithm and its id."""

    algorithm: str
    kid: str
    key: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half."""
        made = get_default_algorithms()[self.algorithm].to_jwk(self.key.public_key(), as_dict=True)
        return {**made, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: dict[str, Any], *, kid: str | None = None) -> str:
        """A token; `kid` says another key id than the key's own, "" none."""
        named = self.kid if kid is None else kid
        return jwt.encode(
            claims, self.key, algorithm=self.algorithm, headers={"kid": named} if named else None
        )


def signer(algorithm: str, kid: str) -> Signer:
    """A new key."""
    return Signer(algorithm=algorithm, kid=kid, key=_MAKERS[algorithm]())


def key_set(*signers: Signer) -> str:
    """The public halves as a JWKS."""
    return json.dumps({"keys": [each.jwk for each in signers]})


def claims(issuer: str, subject: str = "jane", **more: Any) -> dict[str, Any]:
    """The claims of a good token, valid for an hour."""
    now = int(time.time())
    return {"iss": issuer, "sub": subject, "iat": now, "exp": now + 3600, **more}


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The token in its usual place."""
    return (("authorization", f"Bearer {token}"),)


def unsigned(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token made by hand."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
