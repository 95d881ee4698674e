"""Scrape all proxies on demand, a few at a time, and put together what they say.

In: the admin sockets of the proxies.    Out: Scrape; from it the traffic and the metrics page.
Before: telemetry/admin.py, istio.py, counters.py, traffic.py, federating.py        After: app/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lateen.base.clock import Clock
from lateen.base.errors import Unreachable
from lateen.telemetry import counters
from lateen.telemetry.admin import ask_admin
from lateen.telemetry.counters import ProxyCounters
from lateen.telemetry.federating import (
    Platform,
    ProxyName,
    federated,
    proxy_families,
    up_family,
)
from lateen.telemetry.istio import PeerOf, istio_families
from lateen.telemetry.podpages import ISTIO_PAGE
from lateen.telemetry.promtext import Family, parse_families
from lateen.telemetry.traffic import edges

AT_ONCE = 8
PATIENCE = 2.0  # seconds for one proxy's page
FRESH = 1.0  # seconds in which a second asker gets the same answer
COUNTERS_PAGE = f"/stats?usedonly&filter={quote(counters.FILTER, safe='')}"

Ask = Callable[[Path, str], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """What the proxies said; one that did not answer is False in `up` and has no counters."""

    families: tuple[Family, ...]
    counters: Mapping[ProxyName, ProxyCounters]
    up: Mapping[ProxyName, bool]


async def _ask(socket: Path, path: str) -> str:
    return await ask_admin(socket, path, patience=PATIENCE)


class Collector:
    """Scrapes when asked; askers at the same time share one scrape."""

    def __init__(
        self,
        sockets: Callable[[], Mapping[ProxyName, Path]],
        peer_of: PeerOf,
        clock: Clock,
        ask: Ask = _ask,
    ) -> None:
        self._sockets = sockets
        self._peer_of = peer_of
        self._clock = clock
        self._ask = ask
        self._running = asyncio.Lock()
        self._last: tuple[float, Scrape] | None = None

    async def scrape(self) -> Scrape:
        """All proxies' figures, at most FRESH seconds old."""
        async with self._running:
            now = self._clock.monotonic()
            if self._last is not None and now - self._last[0] < FRESH:
                return self._last[1]
            scrape = await self._scrape()
            self._last = (self._clock.monotonic(), scrape)
            return scrape

    async def traffic(self) -> dict[str, Any]:
        """Edges and each proxy's counters, as plain data."""
        scrape = await self.scrape()
        return {
            "edges": [asdict(edge) for edge in edges(scrape.families)],
            "proxies": [
                {"namespace": namespace, "pod": pod, "up": up}
                | asdict(scrape.counters.get((namespace, pod), ProxyCounters()))
                for (namespace, pod), up in sorted(scrape.up.items())
            ],
        }

    async def metrics(self, platform: Platform) -> str:
        """The whole mesh as one Prometheus page."""
        scrape = await self.scrape()
        families = (*scrape.families, *proxy_families(scrape.counters), up_family(scrape.up))
        return federated(families, platform)

    async def _scrape(self) -> Scrape:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(
            who: ProxyName, socket: Path
        ) -> tuple[ProxyName, tuple[Family, ...], ProxyCounters] | ProxyName:
            async with slots:
                try:
                    page = await self._ask(socket, ISTIO_PAGE)
                    plain = await self._ask(socket, COUNTERS_PAGE)
                except Unreachable:
                    return who
            target = {"namespace": who[0], "pod": who[1]}
            families = istio_families(parse_families(page), self._peer_of, target)
            return who, families, counters.count(plain)

        sockets = self._sockets()
        answers = await asyncio.gather(*(one(who, path) for who, path in sockets.items()))
        good = [answer for answer in answers if len(answer) == 3]
        return Scrape(
            families=tuple(family for _, families, _ in good for family in families),
            counters={who: counted for who, _, counted in good},
            up={who: any(who == answer[0] for answer in good) for who in sockets},
        )
