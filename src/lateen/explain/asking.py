"""A request as somebody sends it: method, URL, headers, a token.

In: texts.     Out: Ask, or LateenError with what is wrong with them.
Before: -      After: journey.py, cli/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from lateen.base.errors import LateenError
from lateen.explain.tokens import token_of

_PORTS = {"http": 80, "https": 443, "tcp": 0, "tls": 443, "grpc": 80}


class Ask(Struct, frozen=True, kw_only=True):
    """What is sent: `tls` if the client speaks TLS itself, `raw` if what it says is not HTTP.

    `host` and `port` are dialled, `authority` is asked for; header names are in lower case. `trusted`
    are tokens that count as signed.
    """

    method: str
    host: str
    port: int
    path: str
    authority: str
    headers: tuple[tuple[str, str], ...] = ()
    tls: bool = False
    raw: bool = False
    trusted: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """`GET http://reviews:9080/v1`."""
        scheme = {(0, 0): "http", (0, 1): "tcp", (1, 0): "https", (1, 1): "tls"}[self.tls, self.raw]
        end = "" if self.raw else self.path
        return f"{'' if self.raw else self.method + ' '}{scheme}://{self.host}:{self.port}{end}"


def ask_of(method: str, url: str, *, headers: Iterable[tuple[str, str]] = (), jwt: str = "") -> Ask:
    """What a method, a URL, headers and a token (encoded, or its claims as JSON) say together.

    Raises LateenError for what cannot be sent.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise LateenError(f"{url} is no URL: wanted http://HOST[:PORT]/PATH, https, tcp or tls")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise LateenError(f"{url}: its port is no number up to 65535") from None
    if not port:
        raise LateenError(f"{url}: tcp:// needs a port")
    named = [(name.lower(), value) for name, value in headers]
    authority = next((value for name, value in named if name == "host"), parts.netloc)
    others = tuple(pair for pair in named if pair[0] != "host")
    token = encoded(jwt) if jwt else ""
    if token:
        others = (*others, ("authorization", f"Bearer {token}"))
    return Ask(
        method=method.upper(),
        host=parts.hostname,
        port=port,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        authority=authority.rpartition("@")[2],
        headers=others,
        tls=parts.scheme in ("https", "tls"),
        raw=parts.scheme in ("tcp", "tls"),
        trusted=frozenset({token} - {""}),
    )


def header_of(text: str) -> tuple[str, str]:
    """`name: value`; raises LateenError for anything else."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise LateenError(f"-H {text!r}: wanted 'name: value'")
    return name.strip().lower(), value.strip()


def encoded(jwt: str | Mapping[str, Any]) -> str:
    """A token as it is sent, of itself or of its claims."""
    if isinstance(jwt, Mapping):
        return token_of(jwt)
    if not jwt.lstrip().startswith("{"):
        return jwt.strip()
    try:
        claims = json.loads(jwt)
    except ValueError as fault:
        raise LateenError(f"--jwt: neither a token nor claims in JSON: {fault}") from None
    return token_of(claims)
