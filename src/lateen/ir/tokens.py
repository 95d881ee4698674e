"""Whose tokens a workload takes, where it finds them, and what it tells of them.

In: -    Out: TokenRule, Keys (a union).
Before: ir/backends.py       After: ir/policy.py, translate/tokens.py, envoy/filters/jwt.py

A request may carry no token. One that carries any is refused unless one of the rules accepts it.
Source: Istio RequestAuthentication.
"""

from __future__ import annotations

from msgspec import Struct

from lateen.base.origin import Origin
from lateen.ir.backends import BackendId

SPACED = ("permission", "scope")  # claims that are lists of words, as Istio has them


class GivenKeys(Struct, frozen=True):
    """A JSON Web Key Set, as it was written."""

    jwks: str


class FetchedKeys(Struct, frozen=True, kw_only=True):
    """A key set that the proxy fetches itself, and again from time to time; `timeout` in seconds."""

    uri: str
    backend: BackendId
    timeout: float = 5.0


class NoKeys(Struct, frozen=True):
    """No key is known: every token of the issuer is refused."""


Keys = GivenKeys | FetchedKeys | NoKeys


class TokenHeader(Struct, frozen=True, kw_only=True):
    """A header, in lower case, with a token after the prefix."""

    name: str
    prefix: str = ""


class TokenRule(Struct, frozen=True, kw_only=True):
    """The tokens of one issuer ("" for whoever signs with its keys).

    `headers`, `params` and `cookies` are where they are looked for. An accepted token goes on to the
    app if `forward`; its payload in `payload_header` and single claims in `claim_headers`
    ((header, claim)), which are taken from nobody else. `spaced` are claims split at spaces.
    """

    issuer: str
    audiences: tuple[str, ...] = ()
    keys: Keys
    headers: tuple[TokenHeader, ...] = ()
    params: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    forward: bool = False
    payload_header: str = ""
    claim_headers: tuple[tuple[str, str], ...] = ()
    spaced: tuple[str, ...] = SPACED
    origin: Origin
