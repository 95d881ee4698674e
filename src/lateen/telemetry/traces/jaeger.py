"""Answer as Jaeger's query service does, for its UI and for Grafana: `/jaeger/api/…`.

In: Keeping.                 Out: routes.
Before: traces/api.py        After: app/observing.py
Source: Jaeger, the JSON of its UI's API (cmd/query/app/http_handler.go, model/json). Times in microseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from lateen.telemetry.traces.api import number
from lateen.telemetry.traces.keeping import Keeping
from lateen.telemetry.traces.spans import Span, Tags
from lateen.telemetry.traces.store import Query

_MICRO = 1_000_000
_LIMIT, _LOOKBACK = 20, 86_400_000  # traces; milliseconds
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)")
_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TYPES = {bool: "bool", int: "int64", float: "float64"}
_OF_PROCESS = ("pod", "namespace", "source")


def routes(keeping: Keeping) -> tuple[web.RouteDef, ...]:
    """The routes, each as Jaeger's."""

    async def services(_request: web.Request) -> web.Response:
        return _answer(await keeping.ask(lambda store: store.services()))

    async def operations_of(request: web.Request) -> web.Response:
        service = request.match_info["service"]
        found = await keeping.ask(lambda store: store.operations(service))
        return _answer(sorted({name for name, _ in found}))

    async def operations(request: web.Request) -> web.Response:
        service, kind = request.query.get("service", ""), request.query.get("spanKind", "")
        found = await keeping.ask(lambda store: store.operations(service))
        chosen = [each for each in found if not kind or each[1] == kind]
        return _answer([{"name": name, "spanKind": kind_} for name, kind_ in chosen])

    async def traces(request: web.Request) -> web.Response:
        if ids := request.query.getall("traceID", []):
            found = [await keeping.ask(lambda store, id=id: store.trace(id)) for id in ids]  # type: ignore[misc]
            return _answer([as_jaeger(spans) for spans in found if spans])
        query = query_of(request.query)
        found = await keeping.ask(lambda store: store.search(query))
        return _answer([as_jaeger(spans) for spans in found])

    async def trace(request: web.Request) -> web.Response:
        id = request.match_info["id"].lower()
        spans = await keeping.ask(lambda store: store.trace(id))
        if not spans:
            said = {"code": 404, "msg": "trace not found"}
            body = {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": [said]}
            return web.json_response(body, status=404)
        return _answer([as_jaeger(spans)])

    async def dependencies(request: web.Request) -> web.Response:
        end = number(request.query, "endTs")
        if end is None:
            raise web.HTTPBadRequest(text="endTs: wanted milliseconds since 1970\n")
        start = end - (number(request.query, "lookback") or _LOOKBACK)
        found = await keeping.ask(lambda store: store.calls(start / 1000, end / 1000))
        return _answer(
            [
                {"parent": parent, "child": child, "callCount": count}
                for (parent, child), count in sorted(found.items())
            ]
        )

    return (
        web.get("/jaeger/api/services", services),
        web.get("/jaeger/api/services/{service}/operations", operations_of),
        web.get("/jaeger/api/operations", operations),
        web.get("/jaeger/api/traces", traces),
        web.get("/jaeger/api/traces/{id:[0-9a-fA-F]{1,32}}", trace),
        web.get("/jaeger/api/dependencies", dependencies),
    )


def _answer(data: Sequence[Any]) -> web.Response:
    said = {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None}
    return web.json_response(said)


def query_of(asked: MultiMapping[str]) -> Query:
    """Jaeger's way of asking; 400 for what cannot be read."""
    tags: dict[str, str] = {}
    for text in asked.getall("tag", []):
        key, _, value = text.partition(":")
        tags[key] = value
    for text in asked.getall("tags", []):
        try:
            said = json.loads(text)
        except ValueError:
            raise web.HTTPBadRequest(text="tags: wanted an object in JSON\n") from None
        tags |= {str(key): str(value) for key, value in said.items()}
    error = tags.pop("error", "") == "true"
    start, end = number(asked, "start"), number(asked, "end")
    return Query(
        service=asked.get("service", ""),
        operation=asked.get("operation", ""),
        tags=tags,
        error=error,
        min_duration=_seconds(asked.get("minDuration", "")),
        max_duration=_seconds(asked.get("maxDuration", "")),
        start=None if start is None else start / _MICRO,
        end=None if end is None else end / _MICRO,
        limit=int(number(asked, "limit") or _LIMIT),
    )


def _seconds(text: str) -> float | None:
    if not text:
        return None
    parts = _DURATION.findall(text)
    if "".join(f"{value}{unit}" for value, unit in parts) != text:
        raise web.HTTPBadRequest(text=f"wanted a duration such as 100ms, got {text[:40]!r}\n")
    return sum(float(value) * _UNITS[unit] for value, unit in parts)


def as_jaeger(spans: Sequence[Span]) -> dict[str, Any]:
    """A trace in Jaeger's form."""
    processes = {key: f"p{n}" for n, key in enumerate(dict.fromkeys(map(_process, spans)), 1)}
    return {
        "traceID": spans[0].trace,
        "spans": [_span(span, processes[_process(span)]) for span in spans],
        "processes": {
            id: {
                "serviceName": service,
                "tags": _tags(dict(zip(_OF_PROCESS, rest, strict=True))),
            }
            for (service, *rest), id in processes.items()
        },
        "warnings": None,
    }


def _process(span: Span) -> tuple[str, ...]:
    return span.service, span.pod, span.namespace, span.source


def _span(span: Span, process: str) -> dict[str, Any]:
    tags: Tags = {**span.tags, "span.kind": span.kind}
    if span.is_error:
        tags["error"] = True
    parent = {"refType": "CHILD_OF", "traceID": span.trace, "spanID": span.parent}
    return {
        "traceID": span.trace,
        "spanID": span.id,
        "operationName": span.operation,
        "references": [parent] if span.parent else [],
        "startTime": span.start // 1000,
        "duration": (span.end - span.start) // 1000,
        "tags": _tags(tags),
        "logs": [
            {"timestamp": event.time // 1000, "fields": _tags({"event": event.name, **event.tags})}
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _tags(tags: Tags) -> list[dict[str, Any]]:
    return [
        {"key": key, "type": _TYPES.get(type(value), "string"), "value": value}
        for key, value in tags.items()
        if value != ""
    ]
