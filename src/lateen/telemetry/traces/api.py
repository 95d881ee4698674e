"""Answer about traces: `/traces/search`, `/traces/services`, `/traces/TRACE-ID`.

In: Keeping.                 Out: routes.
Before: traces/keeping.py    After: app/observing.py
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from multidict import MultiMapping

from lateen.telemetry.traces.keeping import Keeping
from lateen.telemetry.traces.shares import Shares
from lateen.telemetry.traces.spans import as_json, summary
from lateen.telemetry.traces.store import Query

_LIMIT = 20
_TRUE = ("true", "1")


def routes(keeping: Keeping, shares: Shares) -> tuple[web.RouteDef, ...]:
    """The routes that answer about what is kept."""

    async def search(request: web.Request) -> web.Response:
        query = query_of(request.query)
        found = await keeping.ask(lambda store: store.search(query))
        thinned = {
            f"{namespace}/{pod}": share for (namespace, pod), share in shares.thinned().items()
        }
        return web.json_response(
            {"traces": [summary(spans) for spans in found], "thinned": thinned}
        )

    async def services(_request: web.Request) -> web.Response:
        return web.json_response(await keeping.ask(lambda store: store.services()))

    async def operations(request: web.Request) -> web.Response:
        service = request.query.get("service", "")
        found = await keeping.ask(lambda store: store.operations(service))
        return web.json_response(sorted({name for name, _ in found}))

    async def one(request: web.Request) -> web.Response:
        id = request.match_info["id"].lower()
        spans = await keeping.ask(lambda store: store.trace(id))
        if not spans:
            raise web.HTTPNotFound(text=f"no trace {id[:32]} is kept\n")
        said: dict[str, Any] = {"traceId": spans[0].trace, "spans": as_json(spans)}
        return web.json_response(said)

    return (
        web.get("/traces/search", search),
        web.get("/traces/services", services),
        web.get("/traces/operations", operations),
        web.get("/traces/{id:[0-9a-fA-F]{1,32}}", one),
    )


def query_of(asked: MultiMapping[str]) -> Query:
    """What a request asks for; durations in milliseconds, times in seconds. 400 for what cannot be read."""
    tags: dict[str, str] = {}
    for text in asked.getall("tag", []):
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise web.HTTPBadRequest(text=f"tag: wanted KEY=VALUE, got {text[:80]!r}\n")
        tags[key] = value
    least, most = number(asked, "min"), number(asked, "max")
    return Query(
        service=asked.get("service", ""),
        operation=asked.get("operation", ""),
        tags=tags,
        min_duration=None if least is None else least / 1000,
        max_duration=None if most is None else most / 1000,
        error=asked.get("error", "") in _TRUE,
        start=number(asked, "start"),
        end=number(asked, "end"),
        limit=int(number(asked, "limit") or _LIMIT),
    )


def number(asked: MultiMapping[str], name: str) -> float | None:
    """A number of a query, None if there is none; 400 if it is no number."""
    text = asked.get(name, "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name}: wanted a number, got {text[:80]!r}\n") from None
