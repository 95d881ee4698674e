"""Answer about logs: `/logs/search`, and `/logs/tail` as server-sent events.

In: STATE/logs/pods.                              Out: routes.
Before: logs/search.py, logs/following.py         After: app/observing.py
Source: HTML standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from aiohttp import web
from multidict import MultiMapping

from lateen.base.clock import Clock
from lateen.telemetry.logs.following import Follower
from lateen.telemetry.logs.lines import LEVELS
from lateen.telemetry.logs.search import Filter, search, stamp
from lateen.telemetry.streaming import Seats, sent

_LIMIT = 200
_LOOK = 0.25  # seconds
_BEAT = 60  # looks without news after which a comment shows that the line is open
MOST_TAILS = 32


def routes(logs: Path, clock: Clock) -> tuple[web.RouteDef, ...]:
    """The routes that answer about what is written there."""
    seats = Seats(MOST_TAILS, "following")

    async def searching(request: web.Request) -> web.Response:
        wanted, limit = filter_of(request.query), _whole(request.query, "limit", _LIMIT)
        found = await asyncio.to_thread(search, logs, wanted, limit)
        lines = [line.as_json() for line in found.lines]
        return web.json_response({"lines": lines, "more": found.more})

    async def tailing(request: web.Request) -> web.StreamResponse:
        wanted = filter_of(request.query)
        with seats.seat():
            return await _tail(request, await asyncio.to_thread(Follower, logs, wanted), clock)

    return web.get("/logs/search", searching), web.get("/logs/tail", tailing)


async def _tail(request: web.Request, follower: Follower, clock: Clock) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(b": following\n\n")
    quiet = skipped = 0
    while True:
        lines = await asyncio.to_thread(follower.look)
        events = [f"data: {json.dumps(line.as_json())}\n\n" for line in lines]
        if follower.skipped > skipped:
            events.insert(0, f"event: skipped\ndata: {follower.skipped - skipped}\n\n")
            skipped = follower.skipped
        quiet = 0 if events else quiet + 1
        if quiet >= _BEAT:
            quiet, events = 0, [": still here\n\n"]
        if events and not await sent(request, response, "".join(events).encode()):
            return response
        await clock.sleep(_LOOK)


def filter_of(asked: MultiMapping[str]) -> Filter:
    """What a request asks for; 400 for what cannot be read."""
    level = asked.get("level", "").lower()
    if level and level not in LEVELS:
        raise web.HTTPBadRequest(text=f"level: wanted one of {', '.join(LEVELS)}\n")
    return Filter(
        pods=frozenset(name for name in asked.getall("pod", []) if name),
        namespace=asked.get("namespace", ""),
        container=asked.get("container", ""),
        level=level,
        text=asked.get("text", ""),
        trace=asked.get("trace", "").lower(),
        start=_time(asked, "start"),
        end=_time(asked, "end"),
        before=_time(asked, "before"),
    )


def _time(asked: MultiMapping[str], name: str) -> str:
    """A time as seconds since 1970, or as a line's own `time`."""
    text = asked.get(name, "")
    if not text or "T" in text:
        return text
    try:
        return stamp(float(text))
    except (ValueError, OverflowError, OSError):
        words = f"{name}: wanted seconds since 1970 or RFC 3339, got {text[:80]!r}\n"
        raise web.HTTPBadRequest(text=words) from None


def _whole(asked: MultiMapping[str], name: str, otherwise: int) -> int:
    text = asked.get(name, "")
    if not text:
        return otherwise
    if not text.isdecimal():
        raise web.HTTPBadRequest(text=f"{name}: wanted a whole number, got {text[:80]!r}\n")
    return int(text)
