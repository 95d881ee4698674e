"""Answer with requests as they pass: `/tap` as server-sent events.

In: the pods and their admin sockets.    Out: a route.
Before: taps/opening.py, taps/seen.py    After: app/observedtaps.py

Bounded: some lookers, some pods, and what a looker is too slow to read is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from lateen.envoy import names
from lateen.telemetry.streaming import Seats, sent
from lateen.telemetry.taps.opening import CannotOpen, opened
from lateen.telemetry.taps.seen import Place, Reader, Seen, Wanted, seen_in

MOST_PODS, MOST_LOOKERS, MOST_WAITING = 200, 4, 500
_BEAT = 10.0  # seconds of silence after which a comment shows that the line is open
_STILL = ": still looking\n\n"
_TRUE = ("true", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tapped:
    """A pod with a proxy: its address, and its proxy's admin interface."""

    place: Place
    address: str
    admin: Path


Pods = Callable[[], Mapping[str, Tapped]]  # by address


def routes(pods: Pods) -> tuple[web.RouteDef, ...]:
    """The route that shows requests."""
    seats = Seats(MOST_LOOKERS, "looking")

    async def tapping(request: web.Request) -> web.StreamResponse:
        chosen = _chosen(request, pods())
        with seats.seat():
            return await _show(request, chosen, pods)

    return (web.get("/tap", tapping),)


def _chosen(request: web.Request, pods: Mapping[str, Tapped]) -> list[Tapped]:
    wanted = {name for name in request.query.getall("pod", []) if name}
    namespace = request.query.get("namespace", "")
    chosen = [
        pod
        for pod in pods.values()
        if (not wanted or pod.place.name in wanted) and namespace in ("", pod.place.namespace)
    ]
    if not chosen:
        raise web.HTTPNotFound(text="no pod with a proxy is called so\n")
    if len(chosen) > MOST_PODS:
        words = (
            f"{len(chosen)} pods are too many: name some, or a namespace (at most {MOST_PODS})\n"
        )
        raise web.HTTPBadRequest(text=words)
    return chosen


async def _show(request: web.Request, chosen: list[Tapped], pods: Pods) -> web.StreamResponse:
    asked = request.query
    wanted = Wanted(
        source=asked.get("source", ""),
        method=asked.get("method", ""),
        path=asked.get("path", ""),
        status=asked.get("status", ""),
        authority=asked.get("authority", ""),
    )
    headers, outbound = asked.get("headers") in _TRUE, asked.get("outbound") in _TRUE
    id = names.TAP_OUT if outbound else names.TAP_IN
    events: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
    looking = [asyncio.create_task(_look(pod, id, wanted, headers, events, pods)) for pod in chosen]
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    try:
        await response.prepare(request)
        text = f": looking at {len(chosen)} pods\n\n"
        while await sent(request, response, (text or _STILL).encode()):
            text = ""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BEAT):
                    text = await events.get()
        return response
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


async def _look(
    pod: Tapped,
    id: str,
    wanted: Wanted,
    headers: bool,
    events: asyncio.Queue[str],
    pods: Pods,
) -> None:
    reader = Reader()
    try:
        async for text in opened(pod.admin, id):
            known = {address: each.place for address, each in pods().items()}
            for trace in reader.feed(text):
                seen = seen_in(trace, pod.place, known)
                if seen and wanted.has(seen):
                    _say(events, seen, headers)
    except (CannotOpen, OSError) as fault:
        words = f"{pod.place.namespace}/{pod.place.name}: {fault}"
        with contextlib.suppress(asyncio.QueueFull):
            events.put_nowait(f"event: fault\ndata: {json.dumps(words)}\n\n")


def _say(events: asyncio.Queue[str], seen: Seen, headers: bool) -> None:
    with contextlib.suppress(asyncio.QueueFull):
        events.put_nowait(f"data: {json.dumps(seen.as_json(headers=headers))}\n\n")
