"""Serve the API: always on a Unix socket, with TLS on loopback TCP and on a socket for pods if asked.

In: an application and where to listen.    Out: a running server, as an async context manager.
Before: apiserver/app.py        After: app/control
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from msgspec import Struct

from lateen.base.errors import EnvironmentFault

LOOPBACK = "127.0.0.1"
CLOSE_PATIENCE = 1.0  # seconds an open request may go on once the server closes


class TlsListener(Struct, frozen=True, kw_only=True):
    """Where kubectl connects; `port` 0 takes a free one. PEM texts; `client_ca` verifies clients.

    `pods` is a further Unix socket, to which the node agent leads what pods say to the API.
    """

    port: int
    certificate: str
    key: str
    client_ca: str = ""
    pods: Path | None = None


@asynccontextmanager
async def serving(
    app: web.Application, *, unix: Path, tls: TlsListener | None = None
) -> AsyncIterator[int]:
    """Serve while the context is open; gives the TCP port, 0 without one.

    Raises EnvironmentFault when the port is taken or the socket's path cannot be used.
    """
    # A watch or a followed log ends when its client leaves, although it has nothing to write.
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=CLOSE_PATIENCE, handler_cancellation=True
    )
    await runner.setup()
    try:
        await _listen_unix(runner, unix)
        port = await _listen_tls(runner, tls) if tls else 0
        yield port
    finally:
        await runner.cleanup()
        for path in (unix, tls.pods if tls else None):
            if path is not None:
                path.unlink(missing_ok=True)


async def _listen_unix(
    runner: web.AppRunner, path: Path, context: ssl.SSLContext | None = None
) -> None:
    """Bind under a mask, so that the socket is private from its first moment."""
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, path, ssl_context=context).start()
    except OSError as fault:
        raise EnvironmentFault(f"{path}: cannot listen there: {fault}") from fault
    finally:
        os.umask(before)


async def _listen_tls(runner: web.AppRunner, tls: TlsListener) -> int:
    context = tls_context(tls)
    if tls.pods is not None:
        await _listen_unix(runner, tls.pods, context)
    site = web.TCPSite(runner, LOOPBACK, tls.port, ssl_context=context)
    try:
        await site.start()
    except OSError as fault:
        raise EnvironmentFault(
            f"port {tls.port} of {LOOPBACK} for the Kubernetes API cannot be used: {fault.strerror}"
        ) from fault
    return _port_of(runner)


def _port_of(runner: web.AppRunner) -> int:
    addresses = [a for a in runner.addresses if isinstance(a, tuple)]
    return int(addresses[-1][1])


def tls_context(tls: TlsListener) -> ssl.SSLContext:
    """The server's TLS; client certificates are asked for but not demanded (a token does too)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # OpenSSL reads a chain from a named file only; this one lives in memory and never on a disk.
    with open(os.memfd_create("lateen-tls"), "w") as file:
        file.write(tls.certificate.rstrip() + "\n" + tls.key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    if tls.client_ca:
        context.load_verify_locations(cadata=tls.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
