"""Pass questions about metrics, traces and logs on to the observer.

In: the observer's socket, requests of the console's port.    Out: the observer's answers.
Before: app/observerdoors.py (the other side of the socket)   After: console/page.py

Only paths, queries and small bodies go there, only what the answer is and of which type comes back; a
browser's cookie stays here. How much is under way at once is bounded; a live tail ends with its reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

from lateen.apiserver.faults import ApiFault

OBSERVED = ("/prometheus", "/traces", "/logs")
LARGEST_QUESTION = 64 * 1024  # bytes
LARGEST_ANSWER = 64 * 1024 * 1024  # bytes, of an answer that is no live stream
AT_ONCE = 64
CONNECT_PATIENCE = 2.0  # seconds
ANSWER_PATIENCE = 30.0  # seconds
_LIVE = "text/event-stream"
_DOWN = "the observer, which keeps metrics, traces and logs, does not answer: {why}; it is started again by itself"


class Forwarding:
    """A way to the observer for as long as the application lives."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(AT_ONCE)

    async def open(self, _: web.Application) -> AsyncIterator[None]:
        """The application's context in which questions can be passed on."""
        connector = aiohttp.UnixConnector(path=str(self._socket), limit=AT_ONCE)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            self._session = session
            yield
        self._session = None

    def routes(self) -> list[web.RouteDef]:
        """The paths that are passed on; POST only for queries, which may be too long for an address."""
        gets = [web.get(f"{path}/{{rest:.*}}", self._pass_on) for path in OBSERVED]
        return [*gets, web.post("/prometheus/{rest:.*}", self._pass_on)]

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if self._session is None:
            raise ApiFault(503, _DOWN.format(why="it is ending"))
        if self._places.locked():
            raise ApiFault(429, f"{AT_ONCE} questions are under way already")
        body = await request.read()
        live = request.path.endswith("/tail")
        patience = aiohttp.ClientTimeout(
            total=None if live else ANSWER_PATIENCE, sock_connect=CONNECT_PATIENCE
        )
        async with self._places:
            try:
                async with self._session.request(
                    request.method,
                    f"http://observer{request.rel_url.raw_path_qs}",
                    data=body or None,
                    headers=_headers_of(request),
                    timeout=patience,
                    allow_redirects=False,
                ) as answer:
                    return await _passed_back(request, answer)
            except TimeoutError:
                raise ApiFault(504, f"no answer within {ANSWER_PATIENCE:.0f} s") from None
            except aiohttp.ClientError as fault:
                raise ApiFault(503, _DOWN.format(why=_words_of(fault))) from None


def _headers_of(request: web.Request) -> dict[str, str]:
    kept = ("Accept", "Content-Type", "Last-Event-ID")
    return {name: request.headers[name] for name in kept if name in request.headers}


async def _passed_back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    kind = answer.headers.get("Content-Type", "application/json")
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
    left = LARGEST_ANSWER
    try:
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            left -= 0 if kind.startswith(_LIVE) else len(piece)
            if left < 0:
                raise ConnectionError("the answer has no end")
            await response.write(piece)
        await response.write_eof()
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        # What was sent cannot be taken back: the reader is to see that this is not all.
        if request.transport is not None:
            request.transport.abort()
    return response


def _words_of(fault: aiohttp.ClientError) -> str:
    if isinstance(fault, aiohttp.ClientConnectorError):
        return fault.strerror or "nobody listens"
    return str(fault) or type(fault).__name__
