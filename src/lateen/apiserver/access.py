"""Decide who may speak to the API.

In: a request and where it came in.    Out: whether it is let through.
Before: -        After: apiserver/app.py, console/page.py

A Unix socket is guarded by its 0600 mode and asks for nothing more. Over TCP a caller shows the
admin token, or a client certificate of `O=system:masters` that the listener's TLS has verified.
"""

from __future__ import annotations

import hmac
import socket
from asyncio import BaseTransport

from aiohttp import web

MASTERS = "system:masters"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost"})


def is_local_socket(transport: BaseTransport | None) -> bool:
    """Whether the request came through a Unix socket."""
    if transport is None:
        return False
    found = transport.get_extra_info("socket")
    return found is not None and found.family == socket.AF_UNIX


def same_token(given: str, wanted: str) -> bool:
    """Compare in constant time; an empty token never matches."""
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())


def bearer_of(request: web.Request) -> str:
    """The bearer token of the request, or ""."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def has_master_certificate(transport: BaseTransport | None) -> bool:
    """Whether TLS has verified a client certificate of the admin's."""
    if transport is None:
        return False
    certificate = transport.get_extra_info("peercert") or {}
    subject = certificate.get("subject", ())
    return any(pair == ("organizationName", MASTERS) for entry in subject for pair in entry)


def is_loopback_host(host: str | None) -> bool:
    """Whether the Host header names this machine: a page of another name must not reach us."""
    name, _, port = (host or "").partition(":")
    return name.lower() in LOOPBACK_NAMES and (not port or port.isdecimal())
