"""The control plane, without the console: `python -m lateen.app.control RUN`.

In: RUN/settings.json.    Out: proxies programmed, pods running, an API on RUN/api.sock.
Before: app/supervising.py      After: stages/, and through them everything else

This is where everything is constructed and connected. It keeps nothing that it could not find again
after being killed: objects are in the store, the node says what it runs, proxies say what they have.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from lateen.api.objects import Obj
from lateen.apiserver.crilog import log_reader
from lateen.apiserver.deps import ApiDeps, Sources
from lateen.apiserver.noting import note_managers
from lateen.app.applying import Acknowledging, taken_in
from lateen.app.certifying import Certifying
from lateen.app.holding import Holding
from lateen.app.measuring import Measuring
from lateen.app.news import News
from lateen.app.opening import MakeConsole, Opened, opened
from lateen.app.reporting import Reporting
from lateen.app.rounds import Rounds
from lateen.app.settings import Settings, load_settings
from lateen.app.status import applied_json
from lateen.app.tidying import Tidying
from lateen.base import layout
from lateen.base.clock import SystemClock
from lateen.base.errors import EnvironmentFault
from lateen.base.locality import parse_locality
from lateen.base.origin import ObjectKey
from lateen.base.tasks import named
from lateen.cluster.booting import forget_boot
from lateen.cluster.deletion import delete_object
from lateen.cluster.waking import controlling
from lateen.node.protocol import ToControl, Use
from lateen.stages.accounting import Accounting
from lateen.stages.attesting import Attesting
from lateen.stages.autoscaling import Autoscaling, usage_of
from lateen.stages.bootstrapping import Bootstraps
from lateen.stages.bordering import Bordering, addresses_of_this_host
from lateen.stages.building import Building
from lateen.stages.draining import all_programmed, end_all_pods, within
from lateen.stages.editions import editions_of
from lateen.stages.following import Following
from lateen.stages.nodes import NodeLink
from lateen.stages.planning import Planning
from lateen.stages.programming import Programming, remembered
from lateen.stages.proxyless import Proxyless
from lateen.stages.quarantining import Quarantine
from lateen.stages.reclaiming import reclaimed
from lateen.stages.restarting import restart
from lateen.stages.running import Running, Seams
from lateen.stages.securing import Securing
from lateen.stages.sizing import Sizing
from lateen.stages.sourcing import Request, Sourcing
from lateen.stages.tokening import AccountTokens
from lateen.store.encryption import open_encryption
from lateen.store.interface import Store
from lateen.store.sqlite import SqliteStore
from lateen.xds.server import Ads
from lateen.xds.tokens import TokenKey

log = logging.getLogger(__name__)
ROUND_PAUSE = 0.004  # seconds in which changes are gathered into one round
DRAIN_PATIENCE = 15.0  # seconds for all pods to end


class ControlPlane:
    """One life of the control plane."""

    def __init__(self, settings: Settings, console: MakeConsole | None = None) -> None:
        self.settings = settings
        self._console = console
        self.clock = SystemClock()
        self._wake = asyncio.Event()
        self.store: Store = SqliteStore.open(
            settings.state_dir / "store.db",
            clock=self.clock,
            codec=open_encryption(settings.state_dir / "encryption.yaml"),
            note=note_managers,
        )
        tokens = TokenKey.open(settings.state_dir / "tokens.key")
        self.bootstraps = Bootstraps(run_dir=settings.run_dir, mint=tokens.mint)
        self.securing = Securing.open(settings.state_dir / "ca", self.clock)
        self.attesting = Attesting.of(self.securing.authority, settings.run_dir, self.clock)
        self.proxyless = Proxyless(latest=lambda: self.planning.latest)
        self.ads = Ads(
            key=tokens,
            secrets=self.securing,
            clock=self.clock,
            for_grpc=self.proxyless.resources,
        )
        self.quarantine = Quarantine(
            changed=self._wake_traffic, editions=lambda: editions_of(self.store.list())
        )
        self.ads.ledger.listen(self.quarantine.hear, Quarantine.HEARS)
        self.planning = Planning(run_dir=settings.run_dir, put=self.ads.put, drop=self.ads.drop)
        self.programming = Programming(
            store=self.store,
            clock=self.clock,
            resources=lambda: self.planning.whole.resources if self.planning.whole else {},
            acked=self.ads.ledger.last_good,
            refused=self.quarantine.refused,
            programmed=self.ads.ledger.programmed,
        )
        self.ads.ledger.listen(self.programming.hear, Programming.HEARS)
        self.holding = Holding(
            programming=self.programming,
            plans=lambda: self.planning.latest.plans.values() if self.planning.latest else (),
        )
        self.news = News()
        self.building = Building(
            cache=settings.cache_dir,
            changed=self._wake.set,
            rebuilt=self._rebuilt,
            tell=self.news.tell,
        )
        self.link = NodeLink(settings.run_dir / "node.sock", self._hear)
        self.accounting = Accounting()
        self.autoscaling = Autoscaling(
            store=self.store, clock=self.clock, usage=lambda: usage_of(self.accounting.pods())
        )
        self.sizing = Sizing(
            store=self.store, clock=self.clock, usage=lambda: usage_of(self.accounting.pods())
        )
        self.account_tokens = AccountTokens(
            path=settings.state_dir / "access" / "serviceaccounts.key",
            lookup=self.store.get,
            clock=self.clock,
        )
        self.running = Running(store=self.store, clock=self.clock, seams=self._seams())
        self.sourcing = Sourcing(
            store=self.store,
            clock=self.clock,
            look_in=self.building.look_in,
            tell=self.news.tell,
            needed=self._wake_traffic,
        )
        self.following = Following(paths=lambda: self.settings.paths, read=self._read_sources)
        self.certifying = Certifying(
            securing=self.securing,
            plans=lambda: self.planning.latest.plans.values() if self.planning.latest else (),
            held=self.ads.ledger,
            store=self.store,
            clock=self.clock,
            tell=self.news.tell,
        )
        self.acknowledging = Acknowledging(
            clock=self.clock,
            ledger=self.ads.ledger,
            quarantine=self.quarantine,
            due=lambda: self.rounds.due,
            proxies=lambda: self.planning.latest.proxies if self.planning.latest else {},
        )
        self.reporting = Reporting(
            settings=lambda: self.settings,
            clock=self.clock,
            store=self.store,
            ledger=self.ads.ledger,
            building=self.building,
            planning=self.planning,
            quarantine=self.quarantine,
            sourcing=self.sourcing,
            news=self.news,
            certifying=self.certifying,
        )
        self.measuring = Measuring(
            store=self.store,
            clock=self.clock,
            sockets=self.reporting.admin_sockets,
            certificates=self.certifying.seconds,
            uses=self.accounting.containers,
            database=settings.state_dir / "store.db",
        )
        self.ads.ledger.listen(self.measuring.hear, Measuring.HEARS)
        self.rounds = Rounds(
            store=self.store,
            ads=self.ads,
            planning=self.planning,
            securing=self.securing,
            attesting=self.attesting,
            origin_of=self.reporting.origin_of,
            quarantine=self.quarantine,
            programming=self.programming,
            running=self.running,
            bootstraps=self.bootstraps,
            bordering=Bordering(run_dir=settings.run_dir, own_addresses=addresses_of_this_host()),
            ports=lambda: self.settings.ports,
            closed=self.reporting.closed_doors,
            needs=lambda: self.sourcing.needs,
        )
        self.tidying = Tidying(
            clock=self.clock, done=lambda: self.rounds.done + self.ads.turns_taken
        )
        self._draining = False
        self._controllers: asyncio.Task[None] | None = None

    def _seams(self) -> Seams:
        return Seams(
            send=self.link.send,
            build=self.building.result,
            tools=self.building.tools,
            proxy_for=lambda obj: self.bootstraps.proxy_run(obj, self.planning.latest),
            settled=self._settled,
            passing=self.planning.passing,
            kept_volumes=self._volumes,
            identity=self.attesting.folder,
            token=self.account_tokens.token,
        )

    @property
    def _volumes(self) -> str:
        return str(self.settings.state_dir / "volumes")

    def _hear(self, message: ToControl) -> None:
        if isinstance(message, Use):
            self.accounting.take(message, self.clock.now())
        else:
            self.running.hear(message)

    async def run(self) -> None:
        """Serve until told to end; raises EnvironmentFault where it cannot."""
        self._forget_the_last_boot()
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        try:
            await self.link.start()
            for folder in (layout.pods_folder, layout.xds_folder):
                folder(self.settings.run_dir).mkdir(mode=0o700, exist_ok=True)
            await self.ads.start(layout.xds_socket(self.settings.run_dir))
            async with opened(
                self.settings,
                store=self.store,
                deps=self._deps(),
                clock=self.clock,
                console=self._console,
            ) as at:
                self._answering(at)
                done = await self._first_of(self._tasks(ending, at))
        finally:
            await self.ads.stop()
            await self.link.stop()
            self.store.close()
        for task in done:
            task.result()

    def _tasks(self, ending: asyncio.Event, at: Opened) -> list[asyncio.Task[None]]:
        """All that goes on for as long as the control plane lives."""
        places = tuple(parse_locality(text) for text in self.settings.nodes)
        work = controlling(self.store, self.clock, self._volumes, places, at.authority)
        self._controllers = named("controllers", work)
        return [
            named("tidying", self.tidying.tidying()),
            self._controllers,
            named("watch", self._watching()),
            named("rounds", self._rounds()),
            named("sources", self.following.following()),
            named("rebuilding", self.building.rebuilding()),
            named("account tokens", self.account_tokens.renewing(self._wake.set)),
            named("certificates", self.securing.renewing(self.ads.refresh, self.ads.ledger)),
            named("looking at certificates", self.certifying.looking()),
            named("identities of apps", self.attesting.serving()),
            named("noting problems", self.reporting.noting()),
            named("autoscaling", self.autoscaling.autoscaling()),
            named("sizing", self.sizing.sizing()),
            named("statuses", self.programming.programming()),
            named("ending", _wait(ending)),
        ]

    def _answering(self, at: Opened) -> None:
        self.reporting.console = at.console
        self.settings = msgspec.structs.replace(
            self.settings, api_port=at.api_port, console_port=at.console_port
        )
        self.settings.save()

    async def _first_of(self, tasks: list[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Wait until one ends (but for the controllers in a drain), and end the others."""
        while True:
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not (self._draining and done == {self._controllers}):
                break
            tasks = list(pending)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return done

    def _forget_the_last_boot(self) -> None:
        """A new sandbox has no pods: those of an earlier `up` go, and controllers make new ones.

        What its proxies would refuse is asked anew; in the same sandbox it is known already.
        """
        boot = (self.settings.run_dir / "boot").read_bytes()
        good, refused = remembered(self.store.list())
        if self.store.read_note("boot") == boot:
            self.quarantine.recall(good, refused)
            return
        self.quarantine.recall(good, {})
        forget_boot(self.store)
        self.store.write_note("boot", boot)

    async def _watching(self) -> None:
        watch = self.store.watch()
        try:
            async for event in watch:
                self.rounds.note(event)
                if folder := reclaimed(event, Path(self._volumes)):
                    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                self._wake.set()
        finally:
            watch.close()

    async def _rounds(self) -> None:
        self._wake.set()
        while True:
            await self._wake.wait()
            await asyncio.sleep(ROUND_PAUSE)
            self._wake.clear()
            began = self.clock.monotonic()
            try:
                self.rounds.step()
                self.measuring.round(self.clock.monotonic() - began)
                self.reporting.fault = ""
            except Exception as fault:
                # A bug of ours met by one object must not take the API and all other objects along:
                # what the proxies have keeps serving, and the status says that it is not the newest.
                log.exception("a round failed")
                self.rounds.plan_anew()  # it is tried again, and the fault said until it succeeds
                self.reporting.fault = f"{type(fault).__name__}: {fault}"

    def _wake_traffic(self) -> None:
        self.rounds.plan_anew()
        self._wake.set()

    async def _settled(self, seconds: float) -> bool:
        """Whether every connected proxy acknowledged the newest within that time."""
        ledger = self.ads.ledger
        return await within(
            seconds, self.clock, lambda: not self.rounds.due and all_programmed(ledger)
        )

    def _request(self) -> Request:
        s = self.settings
        return Request(paths=s.paths, stdin=s.stdin, folder=s.folder, namespace=s.namespace)

    def _read_sources(self) -> None:
        if not self._draining:
            self.sourcing.read(self._request())

    def _rebuilt(self, image: str) -> None:
        """Roll out what runs an older build; a pod of its own is made again from its file."""
        if not self._draining and restart(self.store, self.clock, image):
            self.sourcing.read(self._request())

    async def _apply(self, sources: Sources) -> dict[str, Any]:
        self.settings = taken_in(self.settings, sources)
        self.settings.save()
        told: dict[str, Any] = {}

        def read() -> None:
            told.update(applied_json(self.sourcing.read(self._request())))

        if sources.wait is None:
            read()
            await asyncio.sleep(ROUND_PAUSE * 3)
        else:
            told["waited"] = await self.acknowledging.change(read, sources.wait)
            self.programming.step()  # so that the objects' conditions say the same at once
        self.following.look_elsewhere()
        told["refused"] = self.reporting.refused()
        return {**told, **self.reporting.problems()}

    async def _drain(self) -> dict[str, Any]:
        """End every pod, apps before their proxies; the controllers stop, so none is made anew."""
        self._draining = True
        self.running.hurry = True
        self.programming.ended = True
        if self._controllers is not None:
            self._controllers.cancel()
        end_all_pods(self.store, self.clock)
        self._wake.set()
        return {"left": not await within(DRAIN_PATIENCE, self.clock, lambda: self.running.empty)}

    def _delete(self, key: ObjectKey, *, grace: int | None, propagation: str) -> Obj | None:
        del propagation  # apiserver/deleting.py and cluster/foreground.py see to what is owned
        delete_object(self.store, key, self.clock, grace=grace)
        return self.store.get(key)

    def _deps(self) -> ApiDeps:
        report = self.reporting
        return ApiDeps(
            delete=self._delete,
            read_log=log_reader(self.settings.state_dir / "logs" / "pods", self.clock),
            apply=self._apply,
            status=report.status,
            problems=report.problems,
            proxies=report.proxies,
            certificates=self.certifying.shown,
            rotate_root=self.certifying.rotate,
            config_dump=report.config_dump,
            traffic=self.measuring.traffic,
            metrics=self.measuring.metrics,
            platform=self.measuring.platform,
            timed=self.measuring.request,
            decisions=report.decisions,
            holders=self.holding.holders,
            settings_at=self.holding.settings_at,
            uses=self.accounting.pods,
            open_stream=self.link.streams.open_for,
            drain=self._drain,
            shutdown=self._shutdown,
        )

    def _shutdown(self) -> None:
        """Ask the supervisor, our parent, to end everything."""
        os.kill(os.getppid(), signal.SIGTERM)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def main(console: MakeConsole | None = None) -> None:
    """Run until SIGTERM. `console` makes the console's listener of a port and a token."""
    logging.basicConfig(
        level=os.environ.get("LATEEN_LOG", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    settings = load_settings(Path(sys.argv[1]))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_main(settings, console))
    except EnvironmentFault as fault:
        log.critical("%s", fault)
        sys.exit(1)


async def _main(settings: Settings, console: MakeConsole | None) -> None:
    await ControlPlane(settings, console).run()


if __name__ == "__main__":
    main()
