"""Put the figures of the platform and of the proxies together.

In: the ledger's events, store, certificates, containers' accounts.    Out: traffic, metrics pages.
Before: app/control.py      After: telemetry/, apiserver/deps.py

The platform's figures have Istio's and Kubernetes' names where those have one for it, so that their dashboards fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from lateen import __version__
from lateen.api.pod import Pod
from lateen.app.peers import peer_of
from lateen.base.clock import Clock
from lateen.node.protocol import ContainerUse
from lateen.store.interface import Store
from lateen.telemetry.collecting import Collector
from lateen.telemetry.containers import ContainerAccount, container_families
from lateen.telemetry.federating import Platform, ProxyName, federated
from lateen.telemetry.meters import Histogram, gauge, process_families
from lateen.telemetry.promtext import Family, series
from lateen.xds.events import Acked, Connected, Disconnected, Event, Nacked, Pushed

_ROOT = "root"  # the kind of the mesh's root certificate


class Measuring:
    """Counts what is pushed and answered since the start, and asks the proxies for the rest."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sockets: Callable[[], Mapping[ProxyName, Path]],
        certificates: Callable[[], Mapping[tuple[str, str, str], float]],
        uses: Callable[[], Iterable[ContainerUse]],
        database: Path,
    ) -> None:
        self._store, self._clock = store, clock
        self._certificates, self._uses, self._database = certificates, uses, database
        self._collector = Collector(sockets, peer_of, clock)
        self._pushes: Counter[str] = Counter()
        self._acks: Counter[str] = Counter()
        self._nacks: Counter[str] = Counter()
        self._connected: set[str] = set()
        self._waiting: dict[tuple[str, str], float] = {}  # pushes without an answer, and since when
        self._started = clock.now().timestamp()
        self._pushing = Histogram(
            name="pilot_proxy_convergence_time",
            help="Seconds from a push to the proxy's acknowledgement.",
        )
        self._rounds = Histogram(
            name="lateen_round_seconds", help="Seconds that bringing proxies up to date took."
        )
        self._requests = Histogram(
            name="apiserver_request_duration_seconds",
            help="Response latency of the API in seconds, without watches.",
            labels=("verb", "resource", "code"),
        )

    HEARS: ClassVar[tuple[type[Event], ...]] = (Connected, Disconnected, Pushed, Acked, Nacked)

    def hear(self, event: Event) -> None:
        """Count an event of the xDS server."""
        if isinstance(event, Connected):
            self._connected.add(event.proxy)
        elif isinstance(event, Disconnected):
            self._connected.discard(event.proxy)
            for key in [key for key in self._waiting if key[0] == event.proxy]:
                del self._waiting[key]
        elif isinstance(event, Pushed):
            self._pushes[event.type.short] += 1
            self._waiting.setdefault((event.proxy, event.type.short), self._clock.monotonic())
        elif isinstance(event, Acked | Nacked):
            (self._acks if isinstance(event, Acked) else self._nacks)[event.type.short] += 1
            since = self._waiting.pop((event.proxy, event.type.short), None)
            if since is not None:
                self._pushing.observe(self._clock.monotonic() - since)

    def round(self, seconds: float) -> None:
        """A round is done."""
        self._rounds.observe(seconds)

    def request(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """The API has answered."""
        self._requests.observe(seconds, verb.upper(), resource, str(code))

    async def traffic(self) -> dict[str, Any]:
        """Requests between workloads, and each proxy's own counters."""
        return await self._collector.traffic()

    async def metrics(self) -> str:
        """The whole mesh as one Prometheus page."""
        return await self._collector.metrics(self._platform())

    def platform(self) -> str:
        """The platform's own figures as a Prometheus page, which no proxy is asked for."""
        return federated(self._families(), self._platform())

    def _platform(self) -> Platform:
        return Platform(
            objects=Counter(obj.key.kind for obj in self._store.list()),
            pushes=self._pushes,
            acks=self._acks,
            nacks=self._nacks,
            certificates=self._certificates(),
        )

    def _families(self) -> Iterator[Family]:
        yield gauge(
            "istio_build", "What runs.", 1, {"component": "pilot", "tag": f"lateen-{__version__}"}
        )
        yield gauge("pilot_xds", "Proxies that are connected.", len(self._connected))
        yield gauge(
            "pilot_xds_push_queue", "Pushes that no proxy has answered yet.", len(self._waiting)
        )
        name = "pilot_xds_pushes"
        pushes = tuple(
            series(name, n, {"type": t.lower()}) for t, n in sorted(self._pushes.items())
        )
        yield Family(name=name, type="counter", help="Pushes by type.", samples=pushes)
        name = "pilot_total_xds_rejects"
        refused = (series(name, self._nacks.total()),)
        yield Family(
            name=name, type="counter", help="Pushes that proxies refused.", samples=refused
        )
        yield from self._roots()
        size = self._database.stat().st_size if self._database.exists() else 0
        yield gauge("lateen_store_bytes", "Size of the store of objects.", size)
        yield from (self._pushing.family(), self._rounds.family(), self._requests.family())
        yield from process_families(self._started)
        yield from container_families(self._containers())

    def _roots(self) -> Iterator[Family]:
        left = [s for (kind, _, _), s in self._certificates().items() if kind == _ROOT]
        if left:
            end = self._clock.now().timestamp() + min(left)
            name = "citadel_server_root_cert_expiry_timestamp"
            yield gauge(name, "When the root certificate ends, in seconds since 1970.", end)

    def _containers(self) -> Iterator[ContainerAccount]:
        pods = {obj.meta.uid: obj for obj in self._store.list(group="", kind="Pod")}
        for use in self._uses():
            obj = pods.get(use.uid)
            if obj is None or not isinstance(obj.typed, Pod):
                continue
            images = {c.name: c.image for c in obj.typed.spec.containers}
            yield ContainerAccount(
                namespace=obj.key.namespace,
                pod=obj.key.name,
                container=use.container,
                image=images.get(use.container, ""),
                cpu=use.cpu,
                memory=use.memory,
            )
