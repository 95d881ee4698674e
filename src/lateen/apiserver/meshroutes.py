"""lateen's own routes below /lateen/v1: what Kubernetes' API has no place for.

In: ApiDeps and the store.    Out: a table of routes, used by the API and (the reading ones) the console.
Before: apiserver/overview.py, configdumps.py        After: apiserver/app.py, console/page.py
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
from aiohttp import web

from lateen.api.kinds import NETWORKING
from lateen.api.objects import Obj
from lateen.apiserver.configdumps import ALL, PARTS, part_of
from lateen.apiserver.deps import ApiDeps, Change, Objects, Sources
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.overview import overview
from lateen.apiserver.placing import with_places
from lateen.apiserver.sending import Wanted, send
from lateen.apiserver.serializing import json_response, to_json
from lateen.apiserver.writing import bytes_of, decoded
from lateen.base.clock import Clock
from lateen.base.errors import NotFound, NotPossible
from lateen.base.origin import ObjectKey

PREFIX = "/lateen/v1"
EVENT_PAUSE = 0.5  # seconds in which changes are gathered into one event
HEARTBEAT = 15.0  # seconds
LONGEST_WAIT = 3600.0  # seconds
_SHOWN_KINDS = (
    ("", "Pod"),
    ("", "Service"),
    ("discovery.k8s.io", "EndpointSlice"),
    (NETWORKING, "VirtualService"),
    (NETWORKING, "DestinationRule"),
    (NETWORKING, "Gateway"),
    (NETWORKING, "ServiceEntry"),
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def reading_routes(store: Objects, deps: ApiDeps, clock: Clock) -> list[web.RouteDef]:
    """The routes that only look."""

    async def status(_: web.Request) -> web.Response:
        return json_response(deps.status())

    async def problems(_: web.Request) -> web.Response:
        return json_response(deps.problems())

    async def proxies(_: web.Request) -> web.Response:
        return json_response(deps.proxies())

    async def certificates(_: web.Request) -> web.Response:
        return json_response(deps.certificates())

    async def traffic(_: web.Request) -> web.Response:
        return json_response(await deps.traffic())

    async def metrics(_: web.Request) -> web.Response:
        return _page(await deps.metrics())

    async def platform(_: web.Request) -> web.Response:
        return _page(deps.platform())

    async def decisions(request: web.Request) -> web.Response:
        id = request.query.get("id", "")
        try:
            return json_response(await deps.decisions(id))
        except ValueError:
            raise ApiFault(400, f"{id[:40]!r} is no request id") from None

    async def shown(_: web.Request) -> web.Response:
        objects = (o for group, kind in _SHOWN_KINDS for o in store.list(group=group, kind=kind))
        return json_response(overview(objects, now=clock.now(), revision=store.revision))

    async def places(_: web.Request) -> web.Response:
        return json_response({"places": [_places(obj) for obj in store.list() if obj.places]})

    async def config(request: web.Request) -> web.Response:
        return json_response(with_places(await _config(request, deps), store))

    async def events(request: web.Request) -> web.StreamResponse:
        return await _events(request, store)

    gets: dict[str, Handler] = {
        "/status": status,
        "/problems": problems,
        "/proxies": proxies,
        "/proxies/{pod:[^/]+(?:/[^/]+)?}/config": config,
        "/certificates": certificates,
        "/traffic": traffic,
        "/metrics": metrics,
        "/metrics/platform": platform,
        "/decisions": decisions,
        "/overview": shown,
        "/places": places,
        "/events": events,
    }
    return [web.get(PREFIX + path, handler) for path, handler in gets.items()]


def _page(text: str) -> web.Response:
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=text.encode(), headers=headers)


def writing_routes(store: Objects, deps: ApiDeps) -> list[web.RouteDef]:
    """The routes that change something, or send something."""

    async def sources(request: web.Request) -> web.Response:
        wanted = await _sources(request)
        # Begun work goes on to its end, also when the client leaves.
        return json_response(await asyncio.shield(deps.apply(wanted)))

    async def drain(_: web.Request) -> web.Response:
        return json_response(await asyncio.shield(deps.drain()))

    async def rotate(_: web.Request) -> web.Response:
        try:
            return json_response(deps.rotate_root(), 202)
        except NotPossible as fault:
            raise ApiFault(409, str(fault)) from None

    async def sending(request: web.Request) -> web.Response:
        try:
            wanted = msgspec.convert(decoded(await bytes_of(request)), Wanted)
        except msgspec.ValidationError as fault:
            raise ApiFault(400, str(fault)) from None
        pod = store.get(
            ObjectKey(group="", kind="Pod", namespace=wanted.namespace, name=wanted.pod)
        )
        if pod is None:
            raise ApiFault(404, f"no pod {wanted.namespace}/{wanted.pod}")
        return json_response(await send(wanted, str(pod.meta.uid), deps.open_stream))

    async def shutdown(_: web.Request) -> web.Response:
        deps.shutdown()
        return json_response({"state": "ending"}, 202)

    posts: dict[str, Handler] = {
        "/sources": sources,
        "/drain": drain,
        "/certificates/rotate": rotate,
        "/send": sending,
        "/shutdown": shutdown,
    }
    return [web.post(PREFIX + path, handler) for path, handler in posts.items()]


def _places(obj: Obj) -> dict[str, object]:
    """Where each field of an object stands in its file."""
    key, places = obj.key, obj.places
    return {
        "group": key.group,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "file": places.file if places else "",
        "fields": dict(places.places) if places else {},
    }


async def _config(request: web.Request, deps: ApiDeps) -> dict[str, object]:
    part = request.query.get("kind", ALL)
    if part != ALL and part not in PARTS:
        raise ApiFault(400, f"kind is one of {', '.join((*PARTS, ALL))}, not {part[:40]!r}")
    namespace, _, name = request.match_info["pod"].rpartition("/")
    namespace = namespace or "default"
    try:
        return part_of(await deps.config_dump(namespace, name), part)
    except NotFound as fault:
        raise ApiFault(404, str(fault) or f"no proxy of pod {namespace}/{name}") from None


async def _sources(request: web.Request) -> Sources:
    body = decoded(await bytes_of(request))
    if not isinstance(body, dict):
        raise ApiFault(400, "the body is an object with paths")
    paths = body.get("paths")
    if not isinstance(paths, list) or not all(isinstance(p, str) for p in paths):
        raise ApiFault(400, "paths is a list of absolute paths")
    for path in paths:
        if path != "-" and (not path.startswith("/") or "\0" in path):
            raise ApiFault(400, f"{path[:200]!r} is not an absolute path")
    words = {name: body.get(name, "") for name in ("stdin", "folder")}
    namespace = body.get("namespace") or "default"
    if not all(isinstance(word, str) for word in (*words.values(), namespace)):
        raise ApiFault(400, "stdin, folder and namespace are texts")
    beside, wait = body.get("beside", False), body.get("wait")
    if not isinstance(beside, bool) or not (wait is None or _is_seconds(wait)):
        raise ApiFault(400, "beside is true or false, wait a number of seconds")
    return Sources(
        paths=tuple(paths),
        stdin=words["stdin"],
        folder=words["folder"],
        namespace=namespace,
        beside=beside,
        wait=wait,
    )


def _is_seconds(value: object) -> bool:
    return type(value) in (int, float) and 0 <= cast("float", value) <= LONGEST_WAIT


async def _events(request: web.Request, store: Objects) -> web.StreamResponse:
    """Server-sent events: `changed` with the revision, at most one each EVENT_PAUSE."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    changes = store.watch()
    stream = aiter(changes)
    pending: asyncio.Future[Change] | None = None
    try:
        await response.prepare(request)
        await response.write(_event({"revision": store.revision}))
        sent = store.revision
        while True:
            pending = pending or asyncio.ensure_future(anext(stream))
            done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT)
            if not done:
                await response.write(b": still here\n\n")
                continue
            change, pending = pending.result(), None
            if change.revision <= sent:
                continue
            await asyncio.sleep(EVENT_PAUSE)
            sent = store.revision
            await response.write(_event({"revision": sent}))
    except (ConnectionError, StopAsyncIteration):
        return response
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await pending
        changes.close()


def _event(data: dict[str, object]) -> bytes:
    return b"event: changed\ndata: " + to_json(data) + b"\n\n"
