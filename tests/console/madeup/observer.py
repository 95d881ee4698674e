"""An observer that answers the console's questions about the made-up mesh, and no others."""

from __future__ import annotations

import json
import math
from typing import Any

from aiohttp import web

from tests.console.madeup.answers import Now
from tests.console.madeup.shape import OUTSIDE, Call, Shape


def observer_of(shape: Shape, now: Now) -> web.Application:
    """The application behind RUN/observe.sock."""
    made = _Observer(shape, now)
    app = web.Application()
    app.router.add_get("/prometheus/api/v1/query", made.instant)
    app.router.add_get("/prometheus/api/v1/query_range", made.ranged)
    return app


class _Observer:
    def __init__(self, shape: Shape, now: Now) -> None:
        self._shape = shape
        self._now = now

    async def instant(self, request: web.Request) -> web.Response:
        at = float(request.query.get("time") or self._now())
        found = [
            {"metric": labels, "value": [at, str(value)]}
            for labels, value in self._values(request.query["query"], at)
        ]
        return _answer("vector", found)

    async def ranged(self, request: web.Request) -> web.Response:
        start, end, step = (float(request.query[name]) for name in ("start", "end", "step"))
        lines: dict[str, list[list[Any]]] = {}
        for i in range(int((end - start) / step) + 1):
            at = start + i * step
            for labels, value in self._values(request.query["query"], at):
                lines.setdefault(json.dumps(labels), []).append([at, str(value)])
        found = [{"metric": json.loads(labels), "values": line} for labels, line in lines.items()]
        return _answer("matrix", found)

    def _values(self, query: str, at: float) -> list[tuple[dict[str, str], float]]:
        """What the console's own expressions are about, told apart by the words in them."""
        calls = [call for call in self._shape.calls if _about(call, query)]
        if "source_workload," in query:
            return [(_ends(call), _value(call, query, at)) for call in calls]
        if "response_code)" in query and "_bucket" not in query:
            good = sum(_value(call, query, at) * (1 - call.errors) for call in calls)
            bad = sum(_value(call, query, at) * call.errors for call in calls)
            return [({"response_code": "200"}, good), ({"response_code": "503"}, bad)]
        if not calls:
            return []
        busiest = max(calls, key=lambda call: call.rate)
        return [({}, _value(busiest, query, at))]


def _about(call: Call, query: str) -> bool:
    if call.tcp != ("istio_tcp" in query):
        return False
    for name, value in (
        ("destination_workload", call.target.name),
        ("destination_service_name", call.target.service),
        ("source_workload", call.source.name if call.source else OUTSIDE),
    ):
        if f'{name}="' in query and f'{name}="{value}"' not in query:
            return False
    return True


def _value(call: Call, query: str, at: float) -> float:
    wave = 1 + 0.18 * math.sin(at / 97 + len(call.target.name)) + 0.07 * math.sin(at / 13)
    if "histogram_quantile" in query:
        share = {"0.5": 0.45, "0.9": 0.8, "0.99": 1.7}
        part = next((p for q, p in share.items() if f"quantile({q}," in query), 1.0)
        return call.p95 * part * wave
    if '"5.."' in query:
        return call.rate * call.errors * wave
    return call.rate * wave


def _ends(call: Call) -> dict[str, str]:
    source = call.source
    return {
        "source_workload": source.name if source else OUTSIDE,
        "source_workload_namespace": source.namespace if source else OUTSIDE,
        "destination_workload": call.target.name,
        "destination_workload_namespace": call.target.namespace,
        "destination_version": call.target.version or OUTSIDE,
    }


def _answer(kind: str, found: list[dict[str, Any]]) -> web.Response:
    body = {"status": "success", "data": {"resultType": kind, "result": found}}
    return web.json_response(body)
