"""Run one pod: network, volumes, proxy, init containers, apps, in that order; end it in the opposite.

In: PodRun, the agent's Services.    Out: Pod, its PodStatus.
Before: node/recipes.py, node/serviceproxy.py        After: node/agent.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable

import msgspec
from pyroute2 import NetlinkError

from lateen.api.interception import EVERYTHING, Interception
from lateen.api.pod import PodStatus
from lateen.base.errors import LateenError
from lateen.base.tasks import named
from lateen.ir.packets import OPEN, PodFilter
from lateen.node import proxies, serviceproxy, volumes
from lateen.node.containers import Container, first, told
from lateen.node.debugging import Ephemerals
from lateen.node.processes import Process
from lateen.node.protocol import ContainerRun, PodRun, ProxyRun
from lateen.node.recipes import PROXY_GRACE_SECONDS, Place, Services, app_recipe, proxy_recipe
from lateen.node.rules import Sort
from lateen.node.status import PodFacts, expired, pod_status, timestamp

_PROXY_WAIT_SECONDS = 60.0
_PROXY_PAUSE_SECONDS = 0.1  # for the last bytes of the app's answers
_RETRY_SECONDS = 10.0
_LEAST_GRACE_SECONDS = 2.0  # for sidecars, when the apps took all there was


class Pod:
    """One pod from PutPod to the end of DropPod."""

    def __init__(self, run: PodRun, services: Services, changed: Callable[[], None]) -> None:
        self.run = run
        self._services = services
        self._changed = changed
        self._namespace = -1
        self._passing = OPEN
        self._guarding: set[asyncio.Task[None]] = set()
        self._kube_proxy: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._dropping = asyncio.Event()
        self._proxy_live = asyncio.Event()
        self._trouble = ""
        self._facts = PodFacts(
            address=run.address,
            restart_policy=run.restart_policy,
            started_at=timestamp(services.clock.now()),
            sidecars=frozenset(c.name for c in run.init_containers if _is_sidecar(c)),
            unlimited=_unlimited(run, services),
        )
        self._status = PodStatus()
        place = Place(
            services=services,
            run=lambda: self.run,
            namespace=lambda: self._namespace,
            process=self._process_of,
        )
        self._place = place
        self._admin = place.admin
        self._proxy = self._proxy_container(place, run.proxy) if run.proxy else None
        waits_as = "PodInitializing" if run.init_containers else "ContainerCreating"

        def container(one: ContainerRun, policy: str) -> Container:
            recipe = app_recipe(place, one, policy, waits_as)
            return Container(recipe, services.clock, changed)

        again = "Never" if run.restart_policy == "Never" else "OnFailure"
        self._inits = tuple(
            container(one, "Always" if _is_sidecar(one) else again) for one in run.init_containers
        )
        self._apps = tuple(container(one, run.restart_policy) for one in run.containers)
        self._ephemerals = Ephemerals(lambda one: container(one, "Never"))
        self._expiring: asyncio.Task[None] | None = None
        self._expired = False
        self._began = services.clock.monotonic()
        self._set_up_done = False

    @property
    def place(self) -> Place:
        """Where its containers run."""
        return self._place

    def container(self, name: str) -> Container | None:
        """One of its own containers; its proxy is none."""
        every = (*self._inits, *self._apps, *self._ephemerals)
        return next((c for c in every if c.name == name), None)

    def processes(self) -> tuple[tuple[str, int], ...]:
        """The first process of each container that runs, by the container's name."""
        every = self._containers()
        return tuple((c.name, c.process.pid) for c in every if c.process is not None)

    def start(self) -> None:
        """Begin to run it."""
        self._task = named(f"pod {self.run.namespace}/{self.run.name}", self._running())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of ours must not leave a pod in a state nobody can explain."""
        told(task)
        if not task.cancelled() and (fault := task.exception()):
            self._trouble = f"a fault of the node agent: {fault!r}"
            self._changed()

    def status(self) -> PodStatus:
        """What the pod is doing now."""
        proxy = self._proxy.status if self._proxy else None
        apps = tuple(app.status for app in self._apps)
        inits = tuple(init.status for init in self._inits)
        now = timestamp(self._services.clock.now())
        found = pod_status(self._facts, apps, proxy, self._status, now, inits)
        self._status = msgspec.structs.replace(
            found, ephemeral_container_statuses=self._ephemerals.statuses()
        )
        if self._expired:
            return expired(self._status)
        if self._trouble:
            return msgspec.structs.replace(
                self._status, reason="FailedCreatePodSandBox", message=self._trouble
            )
        return self._status

    @property
    def dropped(self) -> bool:
        """Whether the pod is on its way out."""
        return self._dropping.is_set()

    def update(self, run: PodRun) -> None:
        """Take over changed volume files, a deadline and further ephemeral containers; nothing else of
        a pod can change while it runs."""
        moved = run.deadline_seconds != self.run.deadline_seconds
        self.run = run
        if self._namespace >= 0 and not self.dropped:
            self._write_volumes()
        if moved:
            self._expire_in_time()
        self._start_ephemerals()

    def guard(self, passing: PodFilter) -> None:
        """Let this pass from now on, or from the moment its network is there."""
        if passing == self._passing:
            return
        self._passing = passing
        if self._namespace >= 0:
            self._put_in_force()

    def _put_in_force(self) -> None:
        under_way = self._services.network.guard_pod(self._namespace, self._passing)
        guarding = named(f"guard {self.run.uid}", self._guarded(under_way))
        guarding.add_done_callback(told)
        self._guarding.add(guarding)
        guarding.add_done_callback(self._guarding.discard)

    async def _guarded(self, under_way: asyncio.Future[None]) -> None:
        try:
            await under_way
        except (OSError, LateenError) as error:
            self._trouble = str(error)
            self._changed()

    async def drop(self, grace: float) -> None:
        """Not ready at once; TERM the apps, wait up to `grace` seconds, KILL; then what helps them:
        sidecars, the last one first, and the proxy."""
        self._dropping.set()
        self._expire_in_time()
        for container in self._containers():
            container.withdraw()
        self._changed()
        if self._proxy is not None:
            await proxies.fail_health_checks(self._admin)
        before = self._services.clock.monotonic()
        await self._stop_apps(grace)
        gone = self._services.clock.monotonic() - before
        await self._stop_helpers(max(grace - gone, min(grace, _LEAST_GRACE_SECONDS)), gone)
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._tear_down()

    async def _stop_apps(self, grace: float) -> None:
        plain = (c for c in self._inits if c.name not in self._facts.sidecars)
        await asyncio.gather(
            self._ephemerals.stop(grace), *(app.stop(grace) for app in (*self._apps, *plain))
        )

    def kill(self) -> None:
        """Wait no longer for apps that are being ended."""
        for app in (*self._apps, *self._inits, *self._ephemerals):
            app.kill()

    def _containers(self) -> tuple[Container, ...]:
        own = (*self._inits, *self._apps)
        return own if self._proxy is None else (*own, self._proxy)

    async def _running(self) -> None:
        self._expire_in_time()
        await self._set_up()
        self._set_up_done = True
        self._start_ephemerals()
        if self._proxy is not None and not self.dropped:
            proxying = self._proxy.start()
            await first(
                self._proxy_live.wait(),
                self._dropping.wait(),
                self._services.clock.sleep(_PROXY_WAIT_SECONDS),
            )
            if not self._apps:
                await asyncio.shield(proxying)
        if await self._initialize() and not self._expired:
            await asyncio.gather(*(app.start() for app in self._apps))
        if not self.dropped:
            # The work is done, or cannot be: what helped with it goes too, as in Kubernetes.
            await self._ephemerals.stop(self.run.grace_seconds)
            await self._stop_helpers(self.run.grace_seconds)

    def _process_of(self, name: str) -> Process | None:
        found = self.container(name)
        return found.process if found is not None else None

    def _start_ephemerals(self) -> None:
        if self._set_up_done and not self.dropped and not self._expired:
            self._ephemerals.start(self.run.ephemeral_containers)

    def _expire_in_time(self) -> None:
        """End the pod when it has run for activeDeadlineSeconds, counted from its start."""
        if self._expiring is not None:
            self._expiring.cancel()
            self._expiring = None
        if self.run.deadline_seconds is not None and not self.dropped:
            self._expiring = named(f"deadline {self.run.name}", self._expire())
            self._expiring.add_done_callback(told)

    async def _expire(self) -> None:
        gone = self._services.clock.monotonic() - self._began
        await self._services.clock.sleep(max(0.0, (self.run.deadline_seconds or 0) - gone))
        if self.dropped or self._status.phase in ("Succeeded", "Failed"):
            return
        self._expired = True
        for container in self._containers():
            container.withdraw()
        self._changed()
        await self._stop_apps(self.run.grace_seconds)
        await self._stop_helpers(self.run.grace_seconds)

    async def _initialize(self) -> bool:
        """Run the init containers in order; whether the apps may start.

        The next one waits until the one before has succeeded, or is a sidecar that has started.
        """
        for init in self._inits:
            if self.dropped or self._expired:
                return False
            running = init.start()
            if init.name in self._facts.sidecars:
                await first(init.until_started(), self._dropping.wait())
                continue
            await asyncio.shield(running)
            if not init.succeeded:
                return False
        return not self.dropped

    async def _stop_helpers(self, grace: float, gone: float = 0.0) -> None:
        """`gone`: the seconds since the pod began to end."""
        before = self._services.clock.monotonic()
        for init in reversed(self._inits):
            if init.name in self._facts.sidecars:
                await init.stop(grace)
        if self._proxy is not None:
            gone += self._services.clock.monotonic() - before
            wished = self.run.proxy.last_seconds if self.run.proxy else 0.0
            await self._services.clock.sleep(max(_PROXY_PAUSE_SECONDS, min(wished - gone, grace)))
            await self._proxy.stop(PROXY_GRACE_SECONDS)

    def _proxy_container(self, place: Place, proxy: ProxyRun) -> Container:
        return Container(proxy_recipe(place, proxy), self._services.clock, self._proxy_changed)

    async def _set_up(self) -> None:
        """Network, volumes, folders; tried again for as long as the pod is wanted."""
        while not self.dropped:
            try:
                if self._namespace < 0:
                    passing = self._passing
                    self._namespace = await self._services.network.add_pod(
                        self.run.address, self._sort(), passing, self._interception()
                    )
                    if self._passing != passing:
                        self._put_in_force()
                self._write_volumes()
                if self.run.proxy is None:
                    await self._serve_plain()
                else:
                    self._write_bootstrap(self.run.proxy)
                    if self.run.proxy.interception.spares_outbound:
                        await self._serve_plain()
            except (OSError, ValueError, LateenError, NetlinkError) as error:
                self._trouble = str(error)
                self._changed()
                await first(self._services.clock.sleep(_RETRY_SECONDS), self._dropping.wait())
                continue
            self._services.slots[self.run.address] = self.run.slot
            if self._trouble:
                self._trouble = ""
                self._changed()
            return

    def _sort(self) -> Sort:
        if self.run.proxy is None:
            return Sort.PLAIN
        return Sort.INJECTED if self.run.proxy.intercept else Sort.GATEWAY

    def _interception(self) -> Interception:
        return self.run.proxy.interception if self.run.proxy else EVERYTHING

    async def _serve_plain(self) -> None:
        if self._kube_proxy is None:
            self._kube_proxy = await serviceproxy.serve_pod(
                self._namespace,
                self._services.table,
                self.run.node,
                past_envoy=self.run.proxy is not None,
            )

    def _write_volumes(self) -> None:
        folder = self._services.paths.volumes(self.run.uid)
        for volume in self.run.volumes:
            volumes.write_volume(folder, volume)

    def _write_bootstrap(self, proxy: ProxyRun) -> None:
        folder = self._services.paths.pod(self.run.slot)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(folder / "bootstrap.json", flags, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(proxy.bootstrap)

    async def _tear_down(self) -> None:
        services = self._services
        if services.slots.get(self.run.address) == self.run.slot:
            del services.slots[self.run.address]
        if self._kube_proxy is not None:
            self._kube_proxy.close()
        if self._namespace >= 0:
            namespace, self._namespace = self._namespace, -1
            await services.network.remove_pod(self.run.address, namespace)
        volumes.remove_volumes(services.paths.volumes(self.run.uid))
        run = self.run
        for container in (*run.init_containers, *run.containers, *run.ephemeral_containers):
            with contextlib.suppress(OSError):
                if group := self._place.group(container):
                    group.remove()
        shutil.rmtree(services.paths.pod(self.run.slot), ignore_errors=True)

    def _proxy_changed(self) -> None:
        if self._proxy is not None and self._proxy.status.ready:
            self._proxy_live.set()
        self._changed()


def _unlimited(run: PodRun, services: Services) -> str:
    every = (*run.init_containers, *run.containers)
    reasons = (services.limiter.unmet(container.limits) for container in every)
    return next((reason for reason in reasons if reason), "")


def _is_sidecar(container: ContainerRun) -> bool:
    return container.restart_policy == "Always"
