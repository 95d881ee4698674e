"""Run one pod: network, volumes, proxy, apps, in that order; and end it in the opposite one.

In: PodRun, the agent's Services.    Out: Pod, its PodStatus.
Before: node/containers.py, node/specs.py, node/serviceproxy.py        After: node/agent.py
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from pyroute2 import NetlinkError

from lateen.api.pod import PodStatus, Probe
from lateen.base.clock import Clock
from lateen.base.errors import LateenError
from lateen.base.tasks import named
from lateen.node import proxies, serviceproxy, specs, volumes
from lateen.node.addresses import SandboxPaths
from lateen.node.containers import Container, Recipe, first, told
from lateen.node.logs import ContainerLog
from lateen.node.network import Network
from lateen.node.probes import Checker, Outcome
from lateen.node.processes import Process, Processes, StartError, killed_at_end
from lateen.node.protocol import ContainerRun, PodRun, ProxyRun
from lateen.node.rules import Sort
from lateen.node.serviceproxy import ServiceTable
from lateen.node.specs import EnvoyBinary
from lateen.node.status import PROXY, START_ERROR_CODE, PodFacts, pod_status, timestamp

_LIVE = Probe(period_seconds=2, failure_threshold=3)  # asked of Envoy's admin socket
_PROXY_WAIT_SECONDS = 60.0
_PROXY_GRACE_SECONDS = 5.0
_PROXY_PAUSE_SECONDS = 0.1  # for the last bytes of the app's answers
_RETRY_SECONDS = 10.0
_MAX_EXEC_OUTPUT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the agent has one of, used by all pods. `slots` maps pod addresses to slots."""

    paths: SandboxPaths
    network: Network
    processes: Processes
    table: ServiceTable
    slots: MutableMapping[str, str]
    envoy: EnvoyBinary
    clock: Clock


class Pod:
    """One pod from PutPod to the end of DropPod."""

    def __init__(self, run: PodRun, services: Services, changed: Callable[[], None]) -> None:
        self.run = run
        self._services = services
        self._changed = changed
        self._namespace = -1
        self._kube_proxy: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._dropping = asyncio.Event()
        self._proxy_live = asyncio.Event()
        self._trouble = ""
        self._facts = PodFacts(
            address=run.address,
            restart_policy=run.restart_policy,
            started_at=timestamp(services.clock.now()),
        )
        self._status = PodStatus()
        self._proxy = self._proxy_container(run.proxy) if run.proxy else None
        self._apps = tuple(self._app_container(container) for container in run.containers)

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
        now = timestamp(self._services.clock.now())
        self._status = pod_status(self._facts, apps, proxy, self._status, now)
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
        """Take over changed volume files; nothing else of a pod can change while it runs."""
        self.run = run
        if self._namespace >= 0 and not self.dropped:
            self._write_volumes()

    async def drop(self, grace: float) -> None:
        """Not ready at once; TERM the apps, wait up to `grace` seconds, KILL; then the proxy."""
        self._dropping.set()
        for container in self._containers():
            container.withdraw()
        self._changed()
        if self._proxy is not None:
            await proxies.fail_health_checks(self._admin)
        await asyncio.gather(*(app.stop(grace) for app in self._apps))
        await self._stop_proxy()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._tear_down()

    def kill(self) -> None:
        """Wait no longer for apps that are being ended."""
        for app in self._apps:
            app.kill()

    @property
    def _admin(self) -> Path:
        return self._services.paths.pod(self.run.slot) / "admin.sock"

    def _containers(self) -> tuple[Container, ...]:
        return self._apps if self._proxy is None else (*self._apps, self._proxy)

    async def _running(self) -> None:
        await self._set_up()
        if self._proxy is not None and not self.dropped:
            proxying = self._proxy.start()
            await first(
                self._proxy_live.wait(),
                self._dropping.wait(),
                self._services.clock.sleep(_PROXY_WAIT_SECONDS),
            )
            if not self._apps:
                await asyncio.shield(proxying)
        if not self.dropped:
            await asyncio.gather(*(app.start() for app in self._apps))
        if not self.dropped:
            # Every app has completed: its sidecar goes too, as in Kubernetes.
            await self._stop_proxy()

    async def _stop_proxy(self) -> None:
        if self._proxy is not None:
            await self._services.clock.sleep(_PROXY_PAUSE_SECONDS)
            await self._proxy.stop(_PROXY_GRACE_SECONDS)

    async def _set_up(self) -> None:
        """Network, volumes, folders; tried again for as long as the pod is wanted."""
        while not self.dropped:
            try:
                if self._namespace < 0:
                    self._namespace = await self._services.network.add_pod(
                        self.run.address, self._sort()
                    )
                self._write_volumes()
                if self.run.proxy is None:
                    await self._serve_plain()
                else:
                    self._write_bootstrap(self.run.proxy)
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

    async def _serve_plain(self) -> None:
        if self._kube_proxy is None:
            self._kube_proxy = await serviceproxy.serve_pod(self._namespace, self._services.table)

    def _write_volumes(self) -> None:
        folder = self._services.paths.volumes(self.run.uid)
        for volume in self.run.volumes:
            volumes.write_volume(folder, volume)

    def _write_bootstrap(self, proxy: ProxyRun) -> None:
        paths = self._services.paths
        (paths.proxy_folders(self.run.slot) / self.run.slot).mkdir(parents=True, exist_ok=True)
        folder = paths.pod(self.run.slot)
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
            await services.network.remove_pod(self.run.address, self._namespace)
            self._namespace = -1
        volumes.remove_volumes(services.paths.volumes(self.run.uid))
        for folder in (
            services.paths.pod(self.run.slot),
            services.paths.proxy_folders(self.run.slot),
        ):
            shutil.rmtree(folder, ignore_errors=True)

    def _full_name(self) -> str:
        return f"{self.run.name}_{self.run.namespace}({self.run.uid})"

    def _logs(self, container: str) -> Path:
        return self._services.paths.logs(self.run.namespace, self.run.name, self.run.uid, container)

    def _proxy_container(self, proxy: ProxyRun) -> Container:
        services = self._services

        async def launch(log: ContainerLog) -> Process:
            spec = specs.proxy_spec(self.run, proxy, services.paths, services.envoy)
            return await services.processes.start(spec, self._namespace, log.stdout, log.stderr)

        async def ask(process: Process, probe: Probe) -> Outcome:
            del process, probe
            return Outcome(await proxies.is_live(self._admin), "Envoy is not live")

        recipe = Recipe(
            pod=self._full_name(),
            name=PROXY,
            image="envoy",
            restart_policy="Always",
            longest_grace=_PROXY_GRACE_SECONDS,
            logs=self._logs(PROXY),
            launch=launch,
            kill=services.processes.kill,
            ask=ask,
            readiness=_LIVE,
        )
        return Container(recipe, services.clock, self._proxy_changed)

    def _proxy_changed(self) -> None:
        if self._proxy is not None and self._proxy.status.ready:
            self._proxy_live.set()
        self._changed()

    def _app_container(self, container: ContainerRun) -> Container:
        services = self._services

        async def launch(log: ContainerLog) -> Process:
            spec = specs.app_spec(self.run, container, services.paths)
            return await services.processes.start(spec, self._namespace, log.stdout, log.stderr)

        async def ask(process: Process, probe: Probe) -> Outcome:
            checker = Checker(
                address=self.run.address,
                namespace=self._namespace,
                ports=container.ports,
                run=lambda argv: self._execute(container, process, argv),
            )
            return await checker.ask(probe)

        recipe = Recipe(
            pod=self._full_name(),
            name=container.name,
            image=container.image,
            restart_policy=self.run.restart_policy,
            longest_grace=self.run.grace_seconds,
            logs=self._logs(container.name),
            launch=launch,
            kill=services.processes.kill,
            ask=ask,
            liveness=container.liveness,
            readiness=container.readiness,
            startup=container.startup,
        )
        return Container(recipe, services.clock, self._changed)

    async def _execute(
        self, container: ContainerRun, process: Process, argv: tuple[str, ...]
    ) -> tuple[int, str]:
        """Run a command in a container; its exit status and the start of its output."""
        output = bytearray()

        def take(part: bytes) -> None:
            output.extend(part[: _MAX_EXEC_OUTPUT - len(output)])

        spec = specs.joined_spec(self.run, container, argv)
        try:
            joined = await self._services.processes.join(process, spec, take, take)
        except StartError as error:
            return START_ERROR_CODE, str(error)
        async with killed_at_end(self._services.processes, joined):
            status = await asyncio.shield(joined.ended)
            await joined.output_read()
        return status, output.decode(errors="replace")
