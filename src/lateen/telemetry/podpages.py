"""The page of figures of one pod: its proxy's own, and its app's beside them.

In: a pod's name, the sockets of its proxy.    Out: pages, routes.
Before: telemetry/istio.py, telemetry/admin.py        After: app/observedmetrics.py

Envoy's names of Istio's metrics begin with `envoy_`, and what it says of peers is not in Istio's words yet; so whoever
scrapes a pod, on 15090 or 15020, is led here by the pod's Envoy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from lateen import __version__
from lateen.base.errors import Unreachable
from lateen.envoy.names import FIGURES_OF
from lateen.telemetry.istio import FILTER, PeerOf, is_istio, istio_families
from lateen.telemetry.meters import gauge
from lateen.telemetry.promtext import Family, Labels, parse_families, write_families
from lateen.telemetry.steady import MOVED, Steady

ENVOY_PAGE = "/stats/prometheus?usedonly"
# Not `usedonly`: what Envoy evicts is not used for a moment each time it looks what is.
ISTIO_PAGE = f"/stats/prometheus?filter={quote(FILTER, safe='')}"
_MOST_PODS = 1000  # whose last page is known
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


Rising = Steady[tuple[str, Labels]]


def own_page(istio: str, envoy: str, peer_of: PeerOf, steady: Rising) -> str:
    """Istio's metrics under their own names, and Envoy's beside them; whose they are, whoever scrapes knows."""
    theirs = _steadied(istio_families(parse_families(istio), peer_of, {}), steady)
    rest = (family for family in parse_families(envoy) if not is_istio(family.name))
    return write_families((build_family(), *theirs, *rest))


def _steadied(families: Sequence[Family], steady: Rising) -> Iterator[Family]:
    """The same, where bytes of connections that just ended are in neither of two places."""
    moved = [sample for family in families if family.name in MOVED for sample in family.samples]
    held = steady.held({(sample.name, sample.labels): sample.value for sample in moved})
    for family in families:
        if family.name in MOVED:
            samples = tuple(replace(s, value=held[s.name, s.labels]) for s in family.samples)
            yield replace(family, samples=samples)
        else:
            yield family


class PodPages:
    """Answers for each pod that has a proxy."""

    def __init__(self, sockets: Sockets, peer_of: PeerOf, ask: Ask) -> None:
        self._sockets, self._peer_of, self._ask = sockets, peer_of, ask
        self._rising: dict[tuple[Path, str], Rising] = {}

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
        istio = await self._ask(sockets.admin, ISTIO_PAGE)
        envoy = await self._ask(sockets.admin, ENVOY_PAGE) if part == _OWN else ""
        return own_page(istio, envoy, self._peer_of, self._steady(sockets.admin, part))

    def _steady(self, admin: Path, part: str) -> Rising:
        known = self._rising.pop((admin, part), None) or Steady()
        self._rising[admin, part] = known  # now the youngest
        while len(self._rising) > _MOST_PODS:
            del self._rising[next(iter(self._rising))]
        return known


def _named(request: web.Request) -> tuple[str, str]:
    return request.match_info["namespace"], request.match_info["pod"]


def _told(request: web.Request) -> tuple[str, str]:
    namespace, _, pod = request.headers.get(FIGURES_OF, "").partition("/")
    return namespace, pod
