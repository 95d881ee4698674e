"""The console: one page in the browser, and the reading routes of the API behind it.

In: a token, the store, ApiDeps.    Out: web.Application.
Before: apiserver/meshroutes.py     After: console/listening.py

The token comes once as `?token=`; the browser then keeps a cookie made from it, for the data's paths
only (cookies are shared between the ports of a host). Nothing here changes anything, so a forged
request gains nothing; a page of another origin or a rebound name is refused all the same.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lateen.apiserver.access import bearer_of, is_loopback_host, same_token
from lateen.apiserver.deps import ApiDeps, Objects
from lateen.apiserver.faults import ApiFault, status_of
from lateen.apiserver.meshroutes import PREFIX, reading_routes
from lateen.apiserver.serializing import json_response
from lateen.base.clock import Clock, SystemClock
from lateen.base.errors import LateenError

COOKIE = "lateen-console"
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_CLOSED = "default-src 'none'; frame-ancestors 'none'"
_OWN_REQUESTS = ("same-origin", "none")


def make_console(
    token: str, store: Objects, deps: ApiDeps, *, clock: Clock | None = None
) -> web.Application:
    """The application for a loopback listener; `token` opens it."""
    page = _Page(token)
    app = web.Application(middlewares=[_guarding(token)])
    app.on_response_prepare.append(_secure)
    app.router.add_get("/", page.answer)
    app.router.add_routes(reading_routes(store, deps, clock or SystemClock()))
    return app


def session_of(token: str) -> str:
    """What the cookie holds: it opens the console, and does not tell the token."""
    return hmac.new(token.encode(), b"lateen console session", hashlib.sha256).hexdigest()


class _Page:
    """The page, put together once from its three files; a nonce is filled in for each answer."""

    def __init__(self, token: str) -> None:
        static = files("lateen.console").joinpath("static")
        css, js = (static.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
        html = static.joinpath("page.html").read_text("utf-8")
        self._html = html.replace("{{css}}", css).replace("{{js}}", js)
        self._token = token

    async def answer(self, request: web.Request) -> web.Response:
        """The page holds no data, so anyone here may have it; the right token gets a session too."""
        nonce = secrets.token_urlsafe(16)
        response = web.Response(
            text=self._html.replace("{{nonce}}", nonce), content_type="text/html"
        )
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        given = request.query.get("token", "")
        if given and not same_token(given, self._token):
            raise ApiFault(401, "the token is not this console's")
        if given:
            response.set_cookie(
                COOKIE, session_of(self._token), path=PREFIX, httponly=True, samesite="Strict"
            )
        return response


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
    if not request.path.startswith(PREFIX):
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
    response.headers.setdefault("Content-Security-Policy", _CLOSED)
