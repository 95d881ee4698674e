"""The page of figures of one pod: its proxy's own, and its app's beside them.

In: a pod's name, the sockets of its proxy.    Out: pages, routes.
Before: telemetry/istio.py, telemetry/admin.py        After: app/observedmetrics.py

Envoy's names of Istio's metrics begin with `envoy_`, and what it says of peers is not in Istio's words yet; so whoever
scrapes a pod, on 15090 or 15020, is led here by the pod's Envoy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from lateen import __version__
from lateen.base.errors import Unreachable
from lateen.envoy.names import FIGURES_OF
from lateen.telemetry.istio import FILTER, PeerOf, is_istio, istio_families
from lateen.telemetry.meters import gauge
from lateen.telemetry.promtext import Family, parse_families, write_families

ENVOY_PAGE = "/stats/prometheus?usedonly"
ISTIO_PAGE = f"/stats/prometheus?usedonly&filter={quote(FILTER, safe='')}"
_ISTIO, _OWN, _APP = "istio", "own", "app"
PREFIX = "/prometheus/pods/{namespace}/{pod}"
_TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
Ask = Callable[[Path, str], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSockets:
    """Where a pod is asked; `app_path` is "" for one whose app has no page."""

    admin: Path
    app: Path
    app_path: str = ""


Sockets = Callable[[str, str], PodSockets | None]
"""Of a pod by namespace and name; None for one without a proxy."""


def build_family() -> Family:
    """Which lateen the proxy is of."""
    labels = {"component": "proxy", "tag": f"lateen-{__version__}"}
    return gauge("istio_build", "What runs.", 1, labels)


def own_page(text: str, peer_of: PeerOf) -> str:
    """Envoy's page with Istio's metrics under their own names; whose they are, whoever scrapes knows."""
    families = parse_families(text)
    theirs = istio_families(families, peer_of, {})
    rest = (family for family in families if not is_istio(family.name))
    return write_families((build_family(), *theirs, *rest))


class PodPages:
    """Answers for each pod that has a proxy."""

    def __init__(self, sockets: Sockets, peer_of: PeerOf, ask: Ask) -> None:
        self._sockets, self._peer_of, self._ask = sockets, peer_of, ask

    def routes(self) -> tuple[web.RouteDef, ...]:
        """For whoever scrapes from outside the mesh."""
        return tuple(
            web.get(f"{PREFIX}/{page}", self._handler(parts, _named))
            for page, parts in (
                ("istio", (_ISTIO,)),
                ("stats", (_OWN,)),
                ("app", (_APP,)),
                ("metrics", (_OWN, _APP)),
            )
        )

    def pods_routes(self) -> tuple[web.RouteDef, ...]:
        """For the pods' Envoys, each of which says whose it is."""
        return (
            web.get("/own", self._handler((_OWN,), _told)),
            web.get("/merged", self._handler((_OWN, _APP), _told)),
        )

    def _handler(
        self, parts: tuple[str, ...], who: Callable[[web.Request], tuple[str, str]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            namespace, pod = who(request)
            sockets = self._sockets(namespace, pod)
            if sockets is None:
                raise web.HTTPNotFound(text=f"no proxy of pod {namespace}/{pod}\n")
            try:
                texts = [await self._page(sockets, part) for part in parts]
            except Unreachable as fault:
                raise web.HTTPBadGateway(text=f"{fault}\n") from None
            return web.Response(body="".join(texts).encode(), headers=_TEXT)

        return handle

    async def _page(self, sockets: PodSockets, part: str) -> str:
        if part == _APP:
            text = await self._ask(sockets.app, sockets.app_path) if sockets.app_path else ""
            return text if not text or text.endswith("\n") else f"{text}\n"
        text = await self._ask(sockets.admin, ISTIO_PAGE if part == _ISTIO else ENVOY_PAGE)
        return own_page(text, self._peer_of)


def _named(request: web.Request) -> tuple[str, str]:
    return request.match_info["namespace"], request.match_info["pod"]


def _told(request: web.Request) -> tuple[str, str]:
    namespace, _, pod = request.headers.get(FIGURES_OF, "").partition("/")
    return namespace, pod
