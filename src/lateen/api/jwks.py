"""JSON Web Key Sets: the public keys that an issuer's tokens are verified with.

In: a set's text.    Out: keys; ValueError says what is wrong with the text.    Source: RFC 7517, RFC 7518.
Before: -            After: check/tokens.py, explain/tokens.py
"""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

_BY_TYPE = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "oct": frozenset({"HS256", "HS384", "HS512"}),
    "OKP": frozenset({"EdDSA"}),
}
_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


class Key(Struct, frozen=True, kw_only=True):
    """One key; `algorithms` are those it may be used with, `key` is the one the library takes."""

    kid: str
    algorithms: frozenset[str]
    key: Any


def read_keys(text: str) -> tuple[Key, ...]:
    """The keys of a set that can be used. Raises ValueError when there are none."""
    try:
        raw = json.loads(text)
    except ValueError as fault:
        raise ValueError(f"it is not JSON: {fault}") from None
    entries = raw.get("keys") if isinstance(raw, dict) else None
    if not isinstance(entries, list):
        raise ValueError('wanted {"keys": [...]}')
    made = [key for entry in entries if isinstance(entry, dict) and (key := _key(entry))]
    if not made:
        raise ValueError("it has no RSA, EC, OKP or oct key that can be used")
    return tuple(made)


def _key(entry: dict[str, Any]) -> Key | None:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    kind = entry.get("kty")
    known = _BY_TYPE.get(str(kind), frozenset())
    if kind == "EC" and entry.get("crv") in _BY_CURVE:
        known = frozenset({_BY_CURVE[entry["crv"]]})
    said = entry.get("alg")
    algorithms = known & {said} if said else known
    if not algorithms:
        return None
    try:
        made = PyJWK(entry, min(algorithms))
    except (PyJWTError, ValueError):
        return None
    return Key(kid=str(entry.get("kid", "")), algorithms=algorithms, key=made.key)
