"""The console: the pages as they were built, the reading routes of the API, and the observer's.

In: a token, the store, ApiDeps, the observer's socket.    Out: web.Application.
Before: apiserver/meshroutes.py, console/forwarding.py     After: console/listening.py

The token comes once as `?token=`; the browser then keeps a cookie made from it, for the data's paths
only (cookies are shared between the ports of a host). Nothing here changes anything, so a forged
request gains nothing; a page of another origin or a rebound name is refused all the same.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lateen.apiserver.access import bearer_of, is_loopback_host, same_token
from lateen.apiserver.deps import ApiDeps, Objects
from lateen.apiserver.faults import ApiFault, status_of
from lateen.apiserver.lookingroutes import looking_routes
from lateen.apiserver.meshroutes import PREFIX, reading_routes
from lateen.apiserver.serializing import json_response
from lateen.base.clock import Clock, SystemClock
from lateen.base.errors import LateenError
from lateen.console.forwarding import LARGEST_QUESTION, OBSERVED, Forwarding

COOKIE = "lateen-console"
BUILT = Path(__file__).parent / "dist"  # made of console/ by `make setup`
ASSETS = "/assets/"
_DATA = (PREFIX, *OBSERVED)
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CLOSED = "default-src 'none'; frame-ancestors 'none'"
_UNCHANGING = "public, max-age=31536000, immutable"  # an asset's name is that of its content
# Said here, because what Python makes of a file's name depends on the machine.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_OWN_REQUESTS = ("same-origin", "none")


def make_console(
    token: str,
    store: Objects,
    deps: ApiDeps,
    observer: Path,
    *,
    built: Path = BUILT,
    clock: Clock | None = None,
) -> web.Application:
    """The application for a loopback listener; `token` opens it, `observer` is the observer's socket."""
    page = _Page(token, built / "index.html")
    forwarding = Forwarding(observer)
    app = web.Application(middlewares=[_guarding(token)], client_max_size=LARGEST_QUESTION)
    app.on_response_prepare.append(_secure)
    app.cleanup_ctx.append(forwarding.open)
    app.router.add_get("/", page.answer)
    app.router.add_get(f"{ASSETS}{{name:[\\w.-]+}}", _asset_of(built / "assets"))
    app.router.add_routes(reading_routes(store, deps, clock or SystemClock()))
    app.router.add_routes(looking_routes(store, deps, PREFIX))
    app.router.add_routes(forwarding.routes())
    return app


def session_of(token: str) -> str:
    """What the cookie holds: it opens the console, and does not tell the token."""
    return hmac.new(token.encode(), b"lateen console session", hashlib.sha256).hexdigest()


class _Page:
    """The one page; which of its parts is shown stands after the `#` of its address."""

    def __init__(self, token: str, file: Path) -> None:
        self._token = token
        self._file = file

    async def answer(self, request: web.Request) -> web.Response:
        """The page holds no data, so anyone here may have it; the right token gets a session too."""
        given = request.query.get("token", "")
        if given and not same_token(given, self._token):
            raise ApiFault(401, "the token is not this console's")
        if not self._file.exists():
            raise ApiFault(503, "the console's pages are not built: run `make setup`")
        response = web.Response(text=self._file.read_text("utf-8"), content_type="text/html")
        response.headers["Content-Security-Policy"] = _PAGE
        if given:
            self._begin_session(response)
        return response

    def _begin_session(self, response: web.Response) -> None:
        # A cookie's name stands for one path in aiohttp's jar, so that each is a header of its own.
        for path in _DATA:
            crumb = f"{COOKIE}={session_of(self._token)}; HttpOnly; Path={path}; SameSite=Strict"
            response.headers.add("Set-Cookie", crumb)


def _asset_of(folder: Path) -> Handler:
    async def asset(request: web.Request) -> web.StreamResponse:
        file = folder / request.match_info["name"]
        if file.name.startswith(".") or not file.is_file():
            raise ApiFault(404, "no such part of the console")
        headers = {"Cache-Control": _UNCHANGING}
        if kind := _TYPES.get(file.suffix):
            headers["Content-Type"] = kind
        return web.FileResponse(file, headers=headers)

    return asset


def _guarding(token: str) -> Middleware:
    session = session_of(token)

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check(request, token, session)
            return await handler(request)
        except ApiFault as fault:
            return json_response(status_of(fault), fault.code)
        except LateenError as fault:
            return json_response(status_of(ApiFault(503, str(fault))), 503)

    return guarding


def _check(request: web.Request, token: str, session: str) -> None:
    if not is_loopback_host(request.host):
        raise ApiFault(403, "the console answers only to 127.0.0.1 and localhost")
    if not any(request.path == path or request.path.startswith(f"{path}/") for path in _DATA):
        return
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_REQUESTS:
        raise ApiFault(403, "the console's data is for its own page only")
    known = same_token(request.cookies.get(COOKIE, ""), session)
    if not known and not same_token(bearer_of(request), token):
        raise ApiFault(401, "Unauthorized")


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    """The same headers on every answer, also on streams and refusals."""
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Content-Security-Policy", _CLOSED)
