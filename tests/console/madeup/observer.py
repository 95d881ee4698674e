"""An observer that answers the console's questions about the made-up mesh, and no others."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from datetime import UTC, datetime
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
    app.router.add_get("/traces/services", made.services)
    app.router.add_get("/traces/search", made.traces)
    app.router.add_get("/traces/{id}", made.trace)
    app.router.add_get("/logs/search", made.lines)
    app.router.add_get("/logs/tail", made.tail)
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

    async def services(self, _: web.Request) -> web.Response:
        return web.json_response(sorted({s[0] for s in SPANS}))

    async def traces(self, request: web.Request) -> web.Response:
        wanted, only_bad = request.query.get("service", ""), "error" in request.query
        rows = [
            {
                "traceId": f"{number:032x}",
                "root": {"service": SPANS[0][0], "operation": SPANS[0][1]},
                "start": self._now() - 7 * number,
                "duration": 0.46 / number,
                "spans": len(SPANS),
                "errors": number % 3 == 1,
                "services": [s[0] for s in SPANS],
            }
            for number in range(1, 13)
        ]
        known = not wanted or any(wanted == s[0] for s in SPANS)
        found = [r for r in rows if known and (r["errors"] or not only_bad)]
        return web.json_response({"traces": found[: int(request.query.get("limit", 20))]})

    async def trace(self, request: web.Request) -> web.Response:
        id, now = request.match_info["id"], self._now() - 7
        spans = [_span(number, now) for number in range(len(SPANS))]
        return web.json_response({"traceId": id, "spans": spans})

    async def lines(self, request: web.Request) -> web.Response:
        now = self._now()
        rows = [_line(now - 1.7 * (60 - i), i) for i in range(60)]
        found = [row for row in reversed(rows) if _is_wanted(row, request)]
        return web.json_response(
            {"lines": found[: int(request.query.get("limit", 100))], "more": True}
        )

    async def tail(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in itertools.count(1):
            row = _line(self._now(), number)
            if _is_wanted(row, request):
                await response.write(f"data: {json.dumps(row)}\n\n".encode())
            await asyncio.sleep(0.7)
        return response

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
        ("destination_service", f"{call.target.service}.{call.target.namespace}.svc.cluster.local"),
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
    if "mutual_tls" in query and call.source is None:
        return 0.0
    if 'reporter="destination"' in query and call.hidden:
        tried = call.rate / (1 - call.hidden) * wave
        return tried - call.rate * (1 - call.errors) * wave if '"5.."' in query else tried
    if '"5.."' in query:
        return call.errors * wave * (1 if ") / sum(" in query else call.rate)
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


# service, operation, parent, begins after, lasts (milliseconds), status
SPANS = (
    ("istio-ingressgateway.istio-system", "POST /checkout", None, 0.0, 460.0, "503"),
    ("web.shop", "POST /checkout", 0, 3.0, 455.0, "503"),
    ("checkout.shop", "POST /orders", 1, 9.0, 441.0, "503"),
    ("cart.shop", "GET /cart/81", 2, 12.0, 9.0, "200"),
    ("payments.money", "POST /pay", 2, 24.0, 421.0, "503"),
    ("fraud-check.money", "POST /score", 4, 31.0, 404.0, "503"),
)


def _span(number: int, now: float) -> dict[str, Any]:
    service, operation, parent, after, lasts, status = SPANS[number]
    name, _, namespace = service.partition(".")
    target = SPANS[min(number + 1, len(SPANS) - 1)][0]
    return {
        "spanId": f"{number + 1:016x}",
        "parentId": None if parent is None else f"{parent + 1:016x}",
        "service": service,
        "operation": operation,
        "kind": "server",
        "start": now + after / 1000,
        "duration": lasts / 1000,
        "status": "error" if status == "503" else "ok",
        "tags": {
            "http.method": operation.split()[0],
            "http.status_code": status,
            "upstream_cluster": f"outbound|8080||{target}.svc.cluster.local",
            "response_flags": "UF" if number == 5 else "-",
            "guid:x-request-id": "3f0e6c1a-0c5e-9d3b-8a77-2f7d1c0b9a10",
            "istio.mesh_id": "cluster.local",
        },
        "pod": f"{name}-5d9f7c6b4-00000",
        "namespace": namespace,
        "source": "app" if number == 2 else "proxy",
    }


_WRITTEN = (
    ("web", "shop", "info", "GET /catalog 200 in 21 ms"),
    ("checkout", "shop", "error", "payment failed: 503 from payments.money (order 7731)"),
    ("cart", "shop", "info", "cart 81 has 3 items"),
    ("fraud-check", "money", "fatal", "cannot reach the rules' store: connection refused"),
    ("catalog", "shop", "warn", "slow query: 312 ms"),
)


def _line(at: float, number: int) -> dict[str, Any]:
    name, namespace, level, text = _WRITTEN[number % len(_WRITTEN)]
    return {
        "time": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
        "pod": f"{name}-5d9f7c6b4-00000",
        "namespace": namespace,
        "container": "app",
        "stream": "stdout",
        "level": level,
        "trace": f"{1:032x}" if level == "error" else "",
        "text": text,
    }


def _is_wanted(row: dict[str, Any], request: web.Request) -> bool:
    words = request.query
    return (
        row["namespace"].startswith(words.get("namespace", ""))
        and row["pod"] in words.getall("pod", [row["pod"]])
        and words.get("level", row["level"]) == row["level"]
        and words.get("text", "") in row["text"]
        and words.get("trace", row["trace"]) == row["trace"]
    )
