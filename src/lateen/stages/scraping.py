"""Scrape every proxy, every app that says so, and the platform, and keep what they say.

In: pods, the Envoys' sockets, the control plane's own page.    Out: rows of the history, each SCRAPE_EVERY.
Before: stages/informing.py, telemetry/pages.py        After: telemetry/history/store.py, telemetry/promapi.py

A target that does not answer has `up` 0 and no series meanwhile; one that is gone takes its series along.
Nothing is needed of a pod for it: Envoy's own socket and the app's page come by Unix sockets, under STRICT, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct, structs

from lateen.base import layout
from lateen.base.clock import Clock
from lateen.base.errors import Unreachable
from lateen.stages.resolving import slot_of
from lateen.telemetry import counters, istio
from lateen.telemetry.admin import ask_admin
from lateen.telemetry.annotated import wants_scraping
from lateen.telemetry.federating import proxy_families, up_family
from lateen.telemetry.history.series import NAME
from lateen.telemetry.history.store import History, Shelf
from lateen.telemetry.istio import PeerOf, istio_sample, told_name
from lateen.telemetry.objectstates import Objects, state_families
from lateen.telemetry.pages import Metadata, Page, TooLarge, Values, keep, labelled
from lateen.telemetry.podpages import ISTIO_PAGE, PodSockets, build_family
from lateen.telemetry.promtext import Family, Labels, Sample, series

log = logging.getLogger(__name__)
SCRAPE_EVERY = 5.0  # seconds
TIDY_EVERY = 60.0  # seconds
PATIENCE = 4.0  # seconds for one target
AT_ONCE = 8
LARGEST_PAGE = 16 * 1024 * 1024  # bytes
COUNTERS_PAGE = f"/stats?usedonly&filter={quote(counters.FILTER, safe='')}"
PLATFORM_PAGE = "/lateen/v1/metrics/platform"
PROXIES, APPS, PLATFORM, STATES = "istio-mesh", "kubernetes-pods", "lateen", "kube-state-metrics"

Ask = Callable[[Path, str], Awaitable[str]]
Raw = Mapping[str, Any]


async def ask(socket: Path, path: str) -> str:
    """One page over a Unix socket."""
    return await ask_admin(socket, path, patience=PATIENCE, largest=LARGEST_PAGE)


class Target(Struct, frozen=True, kw_only=True):
    """One page: how it is asked for, and the labels of all that is on it."""

    job: str
    instance: str
    socket: Path
    path: str
    own: Labels = ()
    pod: tuple[str, str] = ("", "")

    @property
    def labels(self) -> Labels:
        """The labels that its series have besides their own."""
        return tuple(sorted((*self.own, ("job", self.job), ("instance", self.instance))))

    @property
    def name(self) -> str:
        """What it is called among all targets; another pod of the same name is another target."""
        return (
            f"{self.job} {self.instance} {'/'.join(value for _, value in self.own)} {self.socket}"
        )


@dataclass(slots=True, kw_only=True)
class Health:
    """How the last scrape of a target went."""

    at: float = 0.0  # seconds since 1970
    took: float = 0.0
    fault: str = ""
    samples: int = 0


@dataclass(slots=True, kw_only=True)
class _Reader:
    target: Target
    shelf: Shelf
    page: Page
    health: Health = field(default_factory=Health)


def annotations_of(pod: Raw) -> Mapping[str, str]:
    """The pod's annotations."""
    return pod["metadata"].get("annotations") or {}


def pod_sockets(pod: Raw, run: Path) -> PodSockets | None:
    """Where a pod is asked; None for one that has no proxy, or none yet."""
    slot = slot_of(pod["metadata"].get("uid", ""))
    admin, app = layout.admin_socket(run, slot), layout.app_metrics_socket(run, slot)
    if not admin.exists():
        return None
    asked = wants_scraping(annotations_of(pod))
    return PodSockets(admin=admin, app=app, app_path=asked[1] if asked and app.exists() else "")


def targets_of(pods: Mapping[tuple[str, str], Raw], run: Path) -> list[Target]:
    """What is to be scraped of the pods that run: each proxy, and the apps that say so."""
    found = []
    for who, pod in sorted(pods.items()):
        slot = slot_of(pod["metadata"].get("uid", ""))
        admin = layout.admin_socket(run, slot)
        address = (pod.get("status") or {}).get("podIP", "")
        if not address or not admin.exists():
            continue
        own = (("namespace", who[0]), ("pod", who[1]))
        proxy = Target(
            job=PROXIES,
            instance=f"{address}:15090",
            socket=admin,
            path=ISTIO_PAGE,
            own=own,
            pod=who,
        )
        found.append(proxy)
        if (app := wants_scraping(annotations_of(pod))) and layout.app_metrics_socket(
            run, slot
        ).exists():
            page = structs.replace(proxy, job=APPS, instance=f"{address}:{app[0]}", path=app[1])
            found.append(structs.replace(page, socket=layout.app_metrics_socket(run, slot)))
    return found


class Scraping:
    """Keeps asking, and knows how each target is."""

    def __init__(
        self,
        *,
        run: Path,
        api: Path,
        history: History,
        clock: Clock,
        peer_of: PeerOf,
        pods: Callable[[], Mapping[tuple[str, str], Raw]],
        objects: Callable[[], Objects],
        ask: Ask = ask,
    ) -> None:
        self._run, self._api, self._history, self._clock = run, api, history, clock
        self._peer_of, self._pods, self._objects, self._ask = peer_of, pods, objects, ask
        self._readers: dict[str, _Reader] = {}
        self.meta = Metadata()

    async def scraping(self) -> None:
        """For ever, at even distances."""
        tidied = -TIDY_EVERY
        while True:
            began = self._clock.monotonic()
            await self.scrape()
            if began - tidied >= TIDY_EVERY:
                tidied = began
                await asyncio.to_thread(self._history.tidy, self._now())
            spent = self._clock.monotonic() - began
            await self._clock.sleep(max(SCRAPE_EVERY - spent, 0.1))

    async def scrape(self) -> None:
        """Ask every target once."""
        targets = targets_of(self._pods(), self._run)
        platform = Target(job=PLATFORM, instance="localhost", socket=self._api, path=PLATFORM_PAGE)
        readers = [self._reader(target) for target in (*targets, platform)]
        self._end_others({reader.target.name for reader in readers})
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(reader: _Reader) -> tuple[Shelf, int, Values]:
            async with slots:
                return await self._scraped(reader)

        rows = await asyncio.gather(*(one(reader) for reader in readers))
        self._history.append([*rows, self._states()])

    def _reader(self, target: Target) -> _Reader:
        known = self._readers.get(target.name)
        if known is not None:
            return known
        shelf = self._history.shelf(target.name)
        proxy = target.job == PROXIES
        page = Page(
            self._history,
            shelf,
            self._istio(target) if proxy else labelled(target.labels),
            added=proxy,
            rename=told_name if proxy else str,
            metadata=self.meta,
        )
        made = self._readers[target.name] = _Reader(target=target, shelf=shelf, page=page)
        return made

    def _istio(self, target: Target) -> Callable[[Sample], Labels | None]:
        labels = dict(target.labels)

        def convert(sample: Sample) -> Labels | None:
            if not istio.is_istio(sample.name):
                return None
            made = istio_sample(sample, self._peer_of, labels)
            if made is None:
                return None
            return tuple(sorted((*((n, v) for n, v in made.labels if v), (NAME, made.name))))

        return convert

    def _end_others(self, names: set[str]) -> None:
        for name in self._readers.keys() - names:
            del self._readers[name]
        for name in self._history.open_shelves:
            if name not in names and name != STATES:
                self._history.end(name, self._now())

    async def _scraped(self, reader: _Reader) -> tuple[Shelf, int, Values]:
        target, health = reader.target, reader.health
        at, began = self._now(), self._clock.monotonic()
        values: Values = []
        try:
            values = reader.page.read(await self._ask(target.socket, target.path))
            if target.job == PROXIES:
                plain = await self._ask(target.socket, COUNTERS_PAGE)
                values += self._proxy(reader, plain)
            health.fault = ""
        except (Unreachable, TooLarge) as fault:
            if not health.fault:
                log.info("%s %s is not scraped: %s", target.job, target.instance, fault)
            health.fault, values = str(fault), []
        health.at, health.took = at / 1000, self._clock.monotonic() - began
        health.samples = len(values)
        told = (
            series("up", not health.fault),
            series("scrape_duration_seconds", health.took),
            series("scrape_samples_scraped", health.samples),
        )
        return reader.shelf, at, values + keep(self._history, reader.shelf, told, target.labels)

    def _proxy(self, reader: _Reader, plain: str) -> Values:
        """What a proxy's own counters say, besides Istio's metrics."""
        who = reader.target.pod
        families = (
            build_family(),
            *proxy_families({who: counters.count(plain)}),
            up_family({who: True}),
        )
        return self._kept(reader.shelf, families, reader.target.labels)

    def _kept(self, shelf: Shelf, families: tuple[Family, ...], target: Labels) -> Values:
        found: Values = []
        taken = {name for name, _ in target}
        for family in families:
            self.meta.note(family.name, type=family.type, help=family.help)
            samples = (
                replace(
                    s, labels=tuple(pair for pair in s.labels if pair[1] and pair[0] not in taken)
                )
                for s in family.samples
            )
            found += keep(self._history, shelf, samples, target)
        return found

    def _states(self) -> tuple[Shelf, int, Values]:
        shelf = self._history.shelf(STATES)
        labels = (("instance", "localhost"), ("job", STATES))
        values = self._kept(shelf, state_families(self._objects()), labels)
        return shelf, self._now(), values + keep(self._history, shelf, [series("up", 1)], labels)

    def _now(self) -> int:
        return round(self._clock.now().timestamp() * 1000)

    def targets(self) -> list[tuple[Target, Health]]:
        """Every target there is, and how its last scrape went."""
        return [(r.target, r.health) for _, r in sorted(self._readers.items())]
