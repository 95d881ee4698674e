"""Tokens of service accounts: signed, bound and short-lived, as Kubernetes makes them.

In: a private key, accounts and pods as the store has them.    Out: JWTs (ES256), Claims, the key set.
Before: base/clock.py        After: apiserver/authenticating.py, tokenrequests.py

Source: Kubernetes "Managing Service Accounts", KEP-1205 (bound tokens), RFC 7519, RFC 7517.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from lateen.base.clock import Clock
from lateen.base.errors import EnvironmentFault

ISSUER = "https://kubernetes.default.svc.cluster.local"
API_AUDIENCE = ISSUER
SHORTEST, USUAL, LONGEST = 600, 3600, 2**32  # seconds a token may live
_OWN = "kubernetes.io"


class Bound(Struct, frozen=True, kw_only=True):
    """An object whose end ends the token, too: a Pod, a Secret or a Node."""

    kind: str
    name: str
    uid: str


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says: the account, for whom it is, and what it is bound to."""

    namespace: str
    account: str
    account_uid: str
    audiences: tuple[str, ...] = (API_AUDIENCE,)
    bound: Bound | None = None
    token_id: str = ""


class AccountKey:
    """The key that signs service accounts' tokens. Use `open`, or `make` for one in memory."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = _base64url(hashlib.sha256(public).digest())

    def __repr__(self) -> str:
        return f"AccountKey({self.key_id})"

    @classmethod
    def make(cls) -> AccountKey:
        """A new key, in memory only."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def open(cls, path: Path) -> AccountKey:
        """Read the key (PEM, 0600), making it if there is none; raises EnvironmentFault."""
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            with os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(pem)
            return cls(made)
        if path.stat().st_mode & 0o077:
            raise EnvironmentFault(f"{path} can be read by others; make it 0600 or remove it")
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as fault:
            raise EnvironmentFault(f"{path} is damaged: {fault}") from fault
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise EnvironmentFault(f"{path} is not an elliptic curve key")
        return cls(key)

    def mint(self, claims: Claims, *, seconds: int, clock: Clock) -> str:
        """A token that ends after so many seconds."""
        now = int(clock.now().timestamp())
        own: dict[str, Any] = {
            "namespace": claims.namespace,
            "serviceaccount": {"name": claims.account, "uid": claims.account_uid},
        }
        if claims.bound is not None:
            own[claims.bound.kind.lower()] = {"name": claims.bound.name, "uid": claims.bound.uid}
        payload = {
            "aud": list(claims.audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            _OWN: own,
            "nbf": now,
            "sub": f"system:serviceaccount:{claims.namespace}:{claims.account}",
        }
        return jwt.encode(payload, self._key, algorithm="ES256", headers={"kid": self.key_id})

    def read(self, token: str, *, clock: Clock) -> Claims | None:
        """What a token of this key says that has begun and not ended; None for any other text."""
        try:
            payload = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["ES256"],
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "nbf", "iss", "sub", "aud"],
                    "verify_aud": False,  # compared by whoever knows which audience is meant
                    "verify_exp": False,  # against the clock handed in, below
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            found = msgspec.convert(payload, _Payload)
        except (jwt.PyJWTError, msgspec.ValidationError):
            return None
        now = clock.now().timestamp()
        if not found.nbf <= now < found.exp:
            return None
        return _claims(found)

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        return {
            "keys": [
                {
                    "use": "sig",
                    "kty": "EC",
                    "kid": self.key_id,
                    "crv": "P-256",
                    "alg": "ES256",
                    "x": _base64url(numbers.x.to_bytes(32, "big")),
                    "y": _base64url(numbers.y.to_bytes(32, "big")),
                }
            ]
        }


def discovery_document() -> dict[str, Any]:
    """`/.well-known/openid-configuration`."""
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


class _Named(msgspec.Struct, frozen=True):
    name: str
    uid: str


class _Kubernetes(msgspec.Struct, frozen=True):
    namespace: str
    serviceaccount: _Named
    pod: _Named | None = None
    secret: _Named | None = None
    node: _Named | None = None


class _Payload(msgspec.Struct, frozen=True):
    aud: list[str]
    exp: int
    nbf: int
    own: _Kubernetes = msgspec.field(name=_OWN)
    jti: str = ""


def _claims(payload: _Payload) -> Claims:
    own = payload.own
    kinds: Mapping[str, _Named | None] = {"Pod": own.pod, "Secret": own.secret, "Node": own.node}
    bound = next(
        (Bound(kind=kind, name=it.name, uid=it.uid) for kind, it in kinds.items() if it), None
    )
    return Claims(
        namespace=own.namespace,
        account=own.serviceaccount.name,
        account_uid=own.serviceaccount.uid,
        audiences=tuple(payload.aud),
        bound=bound,
        token_id=payload.jti,
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
