"""The observer's two doors: a Unix socket for lateen itself, a port of loopback for everyone's tools.

In: routes, RUN, a token.    Out: a running server on both; the port.
Before: telemetry/parts.py   After: app/observing.py

RUN/observe.sock is 0600 in a folder that is 0700: who can open it needs no token. On the port every path wants
the token: in the address itself (`/t/TOKEN/prometheus/…`, for tools that know nothing but an address), as a bearer
token, or as the password of basic authentication. A page of the browser is let in by neither: its Host or its
Sec-Fetch-Site tells.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lateen.apiserver.access import bearer_of, is_loopback_host, same_token
from lateen.base.errors import EnvironmentFault

LOOPBACK = "127.0.0.1"
IN_PATH = "/t/{token}"
CLOSE_PATIENCE = 1.0  # seconds an open request may go on at the end
LARGEST_BODY = 16 * 1024 * 1024  # bytes
_OWN_REQUESTS = ("same-origin", "none")


@asynccontextmanager
async def served(
    routes: Iterable[web.RouteDef], *, socket: Path, port: int, token: str
) -> AsyncIterator[int]:
    """Serve while the context is open; gives the port, another free one if the wanted one is taken."""
    routes = tuple(routes)
    runner = _runner(_guarded(routes, token))
    async with served_here(routes, socket):
        try:
            await runner.setup()
            yield await _listen(runner, port)
        finally:
            await runner.cleanup()


@asynccontextmanager
async def served_here(routes: Iterable[web.RouteDef], socket: Path) -> AsyncIterator[None]:
    """Serve on a Unix socket that is ours alone."""
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_routes(routes)
    runner = _runner(app)
    socket.unlink(missing_ok=True)  # of an observer that was killed
    before = os.umask(0o177)
    try:
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
    finally:
        os.umask(before)
    try:
        yield
    finally:
        await runner.cleanup()


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_PATIENCE)


async def _listen(runner: web.AppRunner, wanted: int) -> int:
    for port in dict.fromkeys((wanted, 0)):
        try:
            await web.TCPSite(runner, LOOPBACK, port).start()
        except OSError as fault:
            if port == 0:
                raise EnvironmentFault(f"no port of {LOOPBACK} is free: {fault.strerror}") from None
        else:
            return int(runner.addresses[0][1])
    raise AssertionError("the last port was 0")


def _guarded(routes: tuple[web.RouteDef, ...], token: str) -> web.Application:
    app = web.Application(middlewares=[_guarding(token)], client_max_size=LARGEST_BODY)
    app.router.add_routes(routes)
    app.router.add_routes(
        [
            web.RouteDef(route.method, IN_PATH + route.path, route.handler, route.kwargs)
            for route in routes
        ]
    )
    return app


def _guarding(token: str) -> Middleware:
    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_loopback_host(request.host):
            raise web.HTTPForbidden(text="the observer answers only to 127.0.0.1 and localhost\n")
        if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_REQUESTS:
            raise web.HTTPForbidden(text="the observer's data is not for pages of other origins\n")
        if not any(same_token(given, token) for given in _tokens_in(request)):
            raise web.HTTPUnauthorized(
                text="wanted: the token of `lateen status -o json`, in the path, as a bearer token "
                "or as the password of basic authentication\n",
                headers={"WWW-Authenticate": 'Basic realm="lateen"'},
            )
        return await handler(request)

    return guarding


def _tokens_in(request: web.Request) -> tuple[str, ...]:
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    basic = _password(rest) if scheme.lower() == "basic" else ""
    return request.match_info.get("token", ""), bearer_of(request), basic


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
