"""What each container of a pod is made of: how to start it, ask it, and what its hooks do.

In: PodRun, the agent's Services.    Out: Services, Place, `proxy_recipe`, `app_recipe`.
Before: node/containers.py, node/specs.py, node/probes.py        After: node/pods.py
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path

from msgspec import Struct

from lateen.api.pod import LifecycleHandler, Probe
from lateen.base import layout
from lateen.base.clock import Clock
from lateen.node import proxies, specs
from lateen.node.addresses import SandboxPaths
from lateen.node.cgroups import Group, Limiter
from lateen.node.containers import Recipe, Tee
from lateen.node.logs import last_lines
from lateen.node.network import Network
from lateen.node.probes import Checker, Outcome
from lateen.node.processes import Process, Processes, StartError, killed_at_end
from lateen.node.protocol import ContainerRun, PodRun, ProxyRun
from lateen.node.serviceproxy import ServiceTable
from lateen.node.specs import EnvoyBinary
from lateen.node.status import PROXY, START_ERROR_CODE

PROXY_GRACE_SECONDS = 5.0
_LIVE = Probe(period_seconds=2, failure_threshold=3)  # asked of Envoy's admin socket
_HOOK_SECONDS = 24 * 3600  # Kubernetes sets no limit of its own
_MAX_EXEC_OUTPUT = 1024
_MAX_MESSAGE = 4096


class Services(Struct, frozen=True, kw_only=True):
    """What the agent has one of, used by all pods. `slots` maps pod addresses to slots."""

    paths: SandboxPaths
    network: Network
    processes: Processes
    table: ServiceTable
    slots: MutableMapping[str, str]
    envoy: EnvoyBinary
    clock: Clock
    limiter: Limiter


class Place(Struct, frozen=True, kw_only=True):
    """Where a pod's containers run; what changes is asked for when it is needed.

    `process` gives the process of a container that runs.
    """

    services: Services
    run: Callable[[], PodRun]
    namespace: Callable[[], int]
    process: Callable[[str], Process | None]

    @property
    def full_name(self) -> str:
        """NAME_NAMESPACE(UID), for messages."""
        run = self.run()
        return f"{run.name}_{run.namespace}({run.uid})"

    @property
    def admin(self) -> Path:
        """The admin socket of the pod's Envoy."""
        return layout.admin_socket(self.services.paths.run, self.run().slot)

    def logs(self, container: str) -> Path:
        """The folder of a container's log files."""
        run = self.run()
        return self.services.paths.logs(run.namespace, run.name, run.uid, container)

    def group(self, container: ContainerRun) -> Group | None:
        """The control group that holds a container to its limits, made if it is not there."""
        name = f"{self.run().slot}.{container.name}"
        return self.services.limiter.enter(name, container.limits)

    def members(self, container: ContainerRun) -> tuple[str, ...]:
        """The files that take a process into the container's control groups."""
        group = self.group(container)
        return group.members if group is not None else ()

    def container(self, name: str) -> ContainerRun:
        """A container as it is wanted now: a later start takes over changed variables."""
        run = self.run()
        every = (*run.init_containers, *run.containers, *run.ephemeral_containers)
        return next(c for c in every if c.name == name)


def proxy_recipe(place: Place, proxy: ProxyRun) -> Recipe:
    """The pod's Envoy."""
    services = place.services

    async def launch(out: Tee) -> Process:
        spec = specs.proxy_spec(place.run(), proxy, services.paths, services.envoy)
        return await services.processes.start(spec, place.namespace(), out.stdout, out.stderr)

    async def ask(process: Process, probe: Probe) -> Outcome:
        del process, probe
        return Outcome(await proxies.is_live(place.admin), "Envoy is not live")

    return Recipe(
        pod=place.full_name,
        name=PROXY,
        image="envoy",
        restart_policy="Always",
        longest_grace=PROXY_GRACE_SECONDS,
        logs=place.logs(PROXY),
        launch=launch,
        kill=services.processes.kill,
        ask=ask,
        readiness=_LIVE,
    )


def app_recipe(place: Place, container: ContainerRun, policy: str, waits_as: str) -> Recipe:
    """One of the pod's own containers, restarted by `policy`; it waits under a reason."""
    services, name = place.services, container.name
    words = services.paths.last_words(place.run().uid, name)

    async def launch(out: Tee) -> Process:
        wanted = place.container(name)
        if wanted.message_path:
            words.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            words.write_bytes(b"")
        try:
            groups = place.members(wanted)
        except OSError as error:
            raise StartError(f"its limits cannot be set: {error}") from None
        beside = place.process(wanted.target) if wanted.target else None
        if wanted.target and beside is None:
            raise StartError(f'unable to find target container "{wanted.target}"')
        spec = specs.app_spec(place.run(), wanted, services.paths, groups)
        return await services.processes.start(
            spec, place.namespace(), out.stdout, out.stderr, beside
        )

    async def ask(process: Process, probe: Probe) -> Outcome:
        return await _checker(place, container, process).ask(probe)

    def last_words(failed: bool, log: Path) -> str:
        if not container.message_path:
            return ""
        with words.open("rb") as file:
            left = file.read(_MAX_MESSAGE).decode(errors="replace")
        if not left and failed and container.message_from_log:
            return last_lines(log)
        return left

    def memory_kills() -> int:
        with contextlib.suppress(OSError):
            group = place.group(container)
            return group.memory_kills() if group is not None else 0
        return 0

    hooks = container.lifecycle
    return Recipe(
        pod=place.full_name,
        name=name,
        image=container.image,
        restart_policy=policy,
        longest_grace=place.run().grace_seconds,
        logs=place.logs(name),
        launch=launch,
        kill=services.processes.kill,
        ask=ask,
        liveness=container.liveness,
        readiness=container.readiness,
        startup=container.startup,
        post_start=_hook(place, container, hooks.post_start) if hooks else None,
        pre_stop=_hook(place, container, hooks.pre_stop) if hooks else None,
        last_words=last_words,
        waits_as=waits_as,
        memory_kills=memory_kills,
    )


def _checker(place: Place, container: ContainerRun, process: Process) -> Checker:
    return Checker(
        address=place.run().address,
        namespace=place.namespace(),
        ports=container.ports,
        run=lambda argv: _execute(place, container, process, argv),
    )


def _hook(
    place: Place, container: ContainerRun, handler: LifecycleHandler | None
) -> Callable[[Process], Awaitable[str]] | None:
    """Runs a hook; gives why it failed, or ""."""
    if handler is None:
        return None

    async def run(process: Process) -> str:
        if handler.sleep is not None:
            await place.services.clock.sleep(handler.sleep.seconds)
            return ""
        if handler.tcp_socket is not None:
            return "tcpSocket is no longer a lifecycle handler"
        question = Probe(
            exec=handler.exec, http_get=handler.http_get, timeout_seconds=_HOOK_SECONDS
        )
        outcome = await _checker(place, container, process).ask(question)
        return "" if outcome.ok else outcome.detail

    return run


async def _execute(
    place: Place, container: ContainerRun, process: Process, argv: tuple[str, ...]
) -> tuple[int, str]:
    """Run a command in a container; its exit status and the start of its output."""
    output = bytearray()
    processes = place.services.processes

    def take(part: bytes) -> None:
        output.extend(part[: _MAX_EXEC_OUTPUT - len(output)])

    spec = specs.joined_spec(place.run(), container, argv, groups=place.members(container))
    try:
        joined = await processes.join(process, spec, take, take)
    except StartError as error:
        return START_ERROR_CODE, str(error)
    async with killed_at_end(processes, joined):
        status = await asyncio.shield(joined.ended)
        await joined.output_read()
    return status, output.decode(errors="replace")
