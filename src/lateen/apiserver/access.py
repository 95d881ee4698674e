"""Where a request came in, and what it shows.

In: a request.    Out: its bearer token; whether it came by the owner's own socket, or names loopback.
Before: -        After: apiserver/authenticating.py, guarding.py, console/page.py
"""

from __future__ import annotations

import hmac
import socket
from asyncio import BaseTransport

from aiohttp import web

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost"})


def is_local_socket(transport: BaseTransport | None) -> bool:
    """Whether the request came through the owner's own Unix socket."""
    return _is_unix(transport) and not _is_encrypted(transport)


def is_pods_socket(transport: BaseTransport | None) -> bool:
    """Whether the request came from a pod: through the Unix socket on which TLS is spoken."""
    return _is_unix(transport) and _is_encrypted(transport)


def _is_unix(transport: BaseTransport | None) -> bool:
    found = transport.get_extra_info("socket") if transport else None
    return found is not None and found.family == socket.AF_UNIX


def _is_encrypted(transport: BaseTransport | None) -> bool:
    return transport is not None and transport.get_extra_info("ssl_object") is not None


def same_token(given: str, wanted: str) -> bool:
    """Compare in constant time; an empty token never matches."""
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())


def bearer_of(request: web.Request) -> str:
    """The bearer token of the request, or ""."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_loopback_host(host: str | None) -> bool:
    """Whether the Host header names this machine: a page of another name must not reach us."""
    name, _, port = (host or "").partition(":")
    return name.lower() in LOOPBACK_NAMES and (not port or port.isdecimal())
