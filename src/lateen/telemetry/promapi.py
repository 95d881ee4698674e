"""Prometheus' HTTP query API over lateen's own history, so that Grafana and promtool take it for a Prometheus.

In: Past, what is scraped.    Out: routes below /prometheus/api/v1.
Before: promql/evaluating.py, promql/answering.py        After: app/observing.py

Source: Prometheus' HTTP API, version 1. Questions are answered in threads, a few at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from lateen import __version__
from lateen.base.clock import Clock
from lateen.telemetry.history.series import Matcher, Past
from lateen.telemetry.promql.answering import instant_json, range_json
from lateen.telemetry.promql.evaluating import evaluate, evaluate_range
from lateen.telemetry.promql.numbers import parse_duration, parse_time
from lateen.telemetry.promql.reading import read_expression, read_selector
from lateen.telemetry.promql.values import BadEvaluation, BadQuery, TookTooLong
from lateen.telemetry.promtext import Labels

PREFIX = "/prometheus"
AT_ONCE = 2  # questions evaluated at a time
LIKE = "2.42.0"  # the release of Prometheus whose answers these are
_CODES = {
    BadQuery: ("bad_data", 400),
    BadEvaluation: ("execution", 422),
    TookTooLong: ("timeout", 503),
}
Parameters = Mapping[str, Sequence[str]]


class Observed(Protocol):
    """What is scraped, besides the figures themselves."""

    def targets(self) -> dict[str, Any]:
        """As /api/v1/targets has it."""

    def metadata(self) -> Mapping[str, tuple[str, str]]:
        """Type and help by the metric's name."""

    def facts(self) -> dict[str, str]:
        """How much is kept, in words, by name."""


class PrometheusApi:
    """Answers questions about one mesh."""

    def __init__(self, past: Past, observed: Observed, clock: Clock) -> None:
        self._past, self._observed, self._clock = past, observed, clock
        self._slots = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> tuple[web.RouteDef, ...]:
        """GET for all, POST where Prometheus takes it."""
        both: dict[str, Callable[[Parameters], Any]] = {
            "query": self._query,
            "query_range": self._query_range,
            "series": self._series,
            "labels": self._labels,
            "format_query": self._format,
            "query_exemplars": lambda _: [],
        }
        gets: dict[str, Callable[[Parameters], Any]] = {
            "label/{name}/values": self._values,
            "metadata": self._metadata,
            "targets": lambda _: self._observed.targets(),
            "rules": lambda _: {"groups": []},
            "alerts": lambda _: {"alerts": []},
            "status/buildinfo": lambda _: _build(),
            "status/runtimeinfo": lambda _: self._observed.facts(),
            "status/flags": lambda _: {},
            "status/config": lambda _: {"yaml": ""},
        }
        base = f"{PREFIX}/api/v1/"
        made = [web.get(base + path, self._handler(work)) for path, work in (both | gets).items()]
        made += [web.post(base + path, self._handler(work)) for path, work in both.items()]
        healthy = [web.get(f"{PREFIX}/-/{word}", _healthy) for word in ("healthy", "ready")]
        return (*made, *healthy)

    def _handler(
        self, work: Callable[[Parameters], Any]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            given = await _parameters(request)
            try:
                async with self._slots:
                    body = await asyncio.to_thread(_answer, work, given)
            except (BadQuery, BadEvaluation, TookTooLong) as fault:
                kind, status = _CODES[type(fault)]
                told = {"status": "error", "errorType": kind, "error": str(fault)}
                return _json(msgspec.json.encode(told), status)
            return _json(body, 200)

        return handle

    def _now(self) -> int:
        return round(self._clock.now().timestamp() * 1000)

    def _query(self, given: Parameters) -> Any:
        at = _time(given, "time", self._now())
        return instant_json(evaluate(self._past, _one(given, "query"), at), at)

    def _query_range(self, given: Parameters) -> Any:
        start, end = (_time(given, name, None) for name in ("start", "end"))
        step = _duration(given, "step")
        if end < start:
            raise BadQuery('invalid parameter "end": end timestamp must not be before start time')
        if step <= 0:
            raise BadQuery(
                'invalid parameter "step": zero or negative query resolution step widths are not '
                "accepted. Try a positive integer"
            )
        vector = evaluate_range(self._past, _one(given, "query"), start, end, step)
        return range_json(vector, range(start, end + 1, step))

    def _found(self, given: Parameters, *, needed: bool) -> list[Labels]:
        start, end = _time(given, "start", 0), _time(given, "end", 2**53)
        selectors = [read_selector(text) for text in given.get("match[]", ())]
        if needed and not selectors:
            raise BadQuery("no match[] parameter provided")
        every: tuple[tuple[Matcher, ...], ...] = ((),)
        found = (self._past.labelled(some, start, end) for some in selectors or every)
        return list(dict.fromkeys(labels for some in found for labels in some))

    def _series(self, given: Parameters) -> Any:
        return _limited(given, [dict(labels) for labels in sorted(self._found(given, needed=True))])

    def _labels(self, given: Parameters) -> Any:
        found = self._found(given, needed=False)
        return _limited(given, sorted({name for labels in found for name, _ in labels}))

    def _values(self, given: Parameters) -> Any:
        name = given["name"][0]
        found = self._found(given, needed=False)
        return _limited(given, sorted({v for labels in found for n, v in labels if n == name}))

    def _format(self, given: Parameters) -> Any:
        return read_expression(_one(given, "query")).prettify()

    def _metadata(self, given: Parameters) -> Any:
        wanted = given.get("metric", ("",))[0]
        known = sorted(self._observed.metadata().items())
        some = [(name, about) for name, about in known if not wanted or name == wanted]
        limit = _count(given)
        return {
            name: [{"type": kind, "help": words, "unit": ""}]
            for name, (kind, words) in (some if limit is None else some[:limit])
        }


def _answer(work: Callable[[Parameters], Any], given: Parameters) -> bytes:
    return msgspec.json.encode({"status": "success", "data": work(given)})


async def _parameters(request: web.Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [value] for name, value in request.match_info.items()}
    pairs: Iterable[tuple[str, Any]] = request.query.items()
    if request.method == "POST":
        pairs = [*pairs, *(await request.post()).items()]
    for name, value in pairs:
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="lateen is healthy.\n")


def _json(body: bytes, status: int) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


def _one(given: Parameters, name: str) -> str:
    text = given.get(name, ("",))[0]
    if not text.strip():
        raise BadQuery(f'invalid parameter "{name}": it is empty')
    return text


def _time(given: Parameters, name: str, default: int | None) -> int:
    text = given.get(name, ("",))[0]
    if not text and default is not None:
        return default
    try:
        return parse_time(text)
    except ValueError:
        raise BadQuery(
            f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp'
        ) from None


def _duration(given: Parameters, name: str) -> int:
    text = given.get(name, ("",))[0]
    try:
        return parse_duration(text)
    except ValueError:
        raise BadQuery(
            f'invalid parameter "{name}": cannot parse "{text}" to a valid duration'
        ) from None


def _count(given: Parameters) -> int | None:
    text = given.get("limit", ("",))[0]
    if text and not text.isdecimal():
        raise BadQuery(f'invalid parameter "limit": "{text}" is no number of 0 or more')
    return int(text) or None if text else None


def _limited(given: Parameters, found: list[Any]) -> list[Any]:
    limit = _count(given)
    return found if limit is None else found[:limit]


def _build() -> dict[str, str]:
    return {
        "version": LIKE,
        "revision": f"lateen {__version__}",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }
