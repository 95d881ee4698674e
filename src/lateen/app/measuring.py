"""Put the figures of the platform and of the proxies together.

In: the ledger's events, store, certificates, the Envoys' admin sockets.    Out: traffic, metrics page.
Before: app/control.py      After: telemetry/, apiserver/deps.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lateen.app.peers import peer_of
from lateen.base.clock import Clock
from lateen.store.interface import Store
from lateen.telemetry.collecting import Collector
from lateen.telemetry.federating import Platform, ProxyName, federated
from lateen.xds.events import Acked, Event, Nacked, Pushed


class Measuring:
    """Counts what is pushed and answered since the start, and asks the proxies for the rest."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sockets: Callable[[], Mapping[ProxyName, Path]],
        certificates: Callable[[], Mapping[tuple[str, str, str], float]],
    ) -> None:
        self._store = store
        self._certificates = certificates
        self._collector = Collector(sockets, peer_of, clock)
        self._pushes: Counter[str] = Counter()
        self._acks: Counter[str] = Counter()
        self._nacks: Counter[str] = Counter()

    def hear(self, event: Event) -> None:
        """Count an event of the xDS server."""
        counters = {Pushed: self._pushes, Acked: self._acks, Nacked: self._nacks}
        if isinstance(event, Pushed | Acked | Nacked):
            counters[type(event)][event.type.short] += 1

    async def traffic(self) -> dict[str, Any]:
        """Requests between workloads, and each proxy's own counters."""
        return await self._collector.traffic()

    async def metrics(self) -> str:
        """The whole mesh as one Prometheus page."""
        return await self._collector.metrics(self._platform())

    def platform(self) -> str:
        """The platform's own figures as a Prometheus page, which no proxy is asked for."""
        return federated((), self._platform())

    def _platform(self) -> Platform:
        return Platform(
            objects=Counter(obj.key.kind for obj in self._store.list()),
            pushes=self._pushes,
            acks=self._acks,
            nacks=self._nacks,
            certificates=self._certificates(),
        )
