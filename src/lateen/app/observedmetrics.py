"""The observer's part for metrics: what is scraped is kept, and asked for in PromQL.

In: settings, the pods and objects there are.    Out: Part.
Before: stages/scraping.py, telemetry/promapi.py        After: app/observing.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from lateen.app.observerdoors import served_here
from lateen.app.peers import peer_of
from lateen.app.settings import Settings
from lateen.base import layout
from lateen.base.clock import Clock
from lateen.base.errors import Unreachable
from lateen.base.observing import HOUR, MIB, Kept
from lateen.stages.informing import Informed
from lateen.stages.scraping import (
    PLATFORM_PAGE,
    SCRAPE_EVERY,
    Health,
    Scraping,
    Target,
    ask,
    pod_sockets,
)
from lateen.telemetry.dashboards.scraping import JOBS
from lateen.telemetry.discovery import discovered
from lateen.telemetry.history.store import History
from lateen.telemetry.objectstates import Objects, state_families
from lateen.telemetry.parts import Part
from lateen.telemetry.podpages import PodPages, PodSockets
from lateen.telemetry.promapi import PREFIX, PrometheusApi
from lateen.telemetry.promtext import write_families


def metrics_part(
    *,
    settings: Settings,
    folder: Path,
    clock: Clock,
    pods: Informed,
    objects: Callable[[], Objects],
) -> Part:
    """Scraping, the history in STATE/observe/metrics.db, and Prometheus' query API."""
    kept = settings.observing.kept
    history = History(
        folder / "metrics.db",
        age=kept.metrics_age,
        largest=kept.metrics_bytes,
        most_series=kept.metrics_series,
    )
    scraping = Scraping(
        run=settings.run_dir,
        api=settings.api_socket,
        history=history,
        clock=clock,
        peer_of=peer_of,
        pods=lambda: pods.known,
        objects=objects,
    )

    async def work() -> None:
        await pods.complete.wait()
        await scraping.scraping()

    def sockets(namespace: str, name: str) -> PodSockets | None:
        pod = pods.known.get((namespace, name))
        return pod_sockets(pod, settings.run_dir) if pod else None

    pages = PodPages(sockets, peer_of, ask)

    async def answering_pods() -> None:
        """Answer the pods' Envoys, on the one socket of ours that they see."""
        async with served_here(pages.pods_routes(), layout.metrics_socket(settings.run_dir)):
            await asyncio.Event().wait()

    api = PrometheusApi(history, _Observed(scraping, history, kept), clock)
    return Part(
        routes=(*api.routes(), *pages.routes(), *_for_prometheus(settings, pods, objects)),
        loops=(("scraping", work), ("pods' pages", answering_pods)),
        close=history.close,
    )


def _for_prometheus(
    settings: Settings, pods: Informed, objects: Callable[[], Objects]
) -> tuple[web.RouteDef, ...]:
    """What a Prometheus outside wants besides pods' pages: which there are, and the platform's own."""

    async def discovery(request: web.Request) -> web.Response:
        proxied = [
            pod for _, pod in sorted(pods.known.items()) if pod_sockets(pod, settings.run_dir)
        ]
        return web.json_response(discovered(request.match_info["job"], proxied, request.host))

    async def platform(_: web.Request) -> web.Response:
        try:
            page = await ask(settings.api_socket, PLATFORM_PAGE)
        except Unreachable as fault:
            raise web.HTTPBadGateway(text=f"{fault}\n") from None
        return web.Response(text=page)

    async def states(_: web.Request) -> web.Response:
        return web.Response(text=write_families(state_families(objects())))

    jobs = "|".join(JOBS)
    return (
        web.get(f"{PREFIX}/sd/{{job:{jobs}}}", discovery),
        web.get(f"{PREFIX}/platform", platform),
        web.get(f"{PREFIX}/states", states),
    )


class _Observed:
    """What is scraped, as Prometheus' API shows it."""

    def __init__(self, scraping: Scraping, history: History, kept: Kept) -> None:
        self._scraping, self._history, self._kept = scraping, history, kept

    def targets(self) -> dict[str, Any]:
        return {
            "activeTargets": [_target(*both) for both in self._scraping.targets()],
            "droppedTargets": [],
        }

    def metadata(self) -> Mapping[str, tuple[str, str]]:
        return dict(self._scraping.meta.known)

    def facts(self) -> dict[str, str]:
        kept = self._kept
        return {
            "storageRetention": f"{kept.metrics_age / HOUR:g}h or {kept.metrics_bytes // MIB}MiB",
            "seriesCount": str(self._history.count),
            "storageBytes": str(self._history.size),
            "full": str(self._history.full).lower(),
        }


def _target(target: Target, health: Health) -> dict[str, Any]:
    asked = datetime.fromtimestamp(health.at, UTC).isoformat()
    return {
        "discoveredLabels": {},
        "labels": dict(target.labels),
        "scrapePool": target.job,
        "scrapeUrl": f"http://{target.instance}{target.path}",
        "globalUrl": f"http://{target.instance}{target.path}",
        "lastError": health.fault,
        "lastScrape": asked,
        "lastScrapeDuration": health.took,
        "health": "unknown" if not health.at else "down" if health.fault else "up",
        "scrapeInterval": f"{SCRAPE_EVERY:.0f}s",
        "scrapeTimeout": "4s",
    }
