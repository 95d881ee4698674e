"""The node agent: puts the parts together and keeps the pods the control plane wants.

In: SandboxPaths, the zygote's socket, the link's descriptor.    Out: `serve_node`.
Before: node/pods.py, node/control.py, node/dns.py, node/relay.py        After: node/main.py
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import uuid
from collections.abc import Callable
from typing import assert_never

from pyroute2 import NetlinkError

from lateen.api.pod import PodStatus
from lateen.base.clock import SystemClock
from lateen.base.errors import LateenError
from lateen.base.tasks import named
from lateen.ir.packets import OPEN, PodFilter
from lateen.node import accounting
from lateen.node.addresses import SandboxPaths
from lateen.node.cgroups import find_limiter
from lateen.node.containers import told
from lateen.node.control import Control
from lateen.node.dns import DnsServer, Zone
from lateen.node.doorways import Doorways
from lateen.node.executing import serve_stream
from lateen.node.link import Link
from lateen.node.network import Network
from lateen.node.pods import Pod
from lateen.node.processes import Processes
from lateen.node.protocol import (
    ContainerUse,
    Directory,
    DropPod,
    GuardPod,
    Hello,
    Keep,
    Moved,
    OpenStream,
    PodReport,
    PodRun,
    PutPod,
    ToNode,
    Use,
)
from lateen.node.recipes import Services
from lateen.node.relay import Relay
from lateen.node.serviceproxy import ServiceTable
from lateen.node.specs import EnvoyBinary

_MEASURE_SECONDS = 5.0


class Agent:
    """The pods of this node, by uid."""

    def __init__(self, services: Services, zone: Callable[[Zone], None]) -> None:
        self._services = services
        self._zone = zone
        self._pods: dict[str, Pod] = {}
        self._passing: dict[str, PodFilter] = {}
        self._doorways = Doorways(services.paths, services.table)
        self._drops: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, float] = {}  # when the apps of a pod on its way out are killed
        self._streams: set[asyncio.Task[None]] = set()
        self._boot = uuid.uuid4().hex
        self.control = Control(services.paths.run / "node.sock", self, services.clock)

    def hello(self) -> Hello:
        """Everything that runs now."""
        reports = tuple(PodReport(uid=uid, status=p.status()) for uid, p in self._pods.items())
        unlimited = self._services.limiter.why_not
        return Hello(boot=self._boot, pods=reports, unlimited=unlimited)

    def report(self, uid: str) -> PodReport | None:
        """One pod's state; None when there is no such pod any more."""
        pod = self._pods.get(uid)
        return PodReport(uid=uid, status=pod.status()) if pod else None

    async def measuring(self) -> None:
        """Tell every few seconds what runs, and what it uses."""
        clock = self._services.clock
        while True:
            await clock.sleep(_MEASURE_SECONDS)
            whose = {
                accounting.namespace_of(pid): (uid, name)
                for uid, pod in self._pods.items()
                for name, pid in pod.processes()
            }
            at = clock.monotonic()
            used = await asyncio.to_thread(accounting.measure, whose)
            containers = tuple(
                ContainerUse(uid=uid, container=name, cpu=one.cpu, memory=one.memory)
                for (uid, name), one in used.items()
            )
            self.control.tell(Use(at=at, containers=containers))

    def take(self, message: ToNode) -> None:
        """Do what the control plane says; repeating a message changes nothing."""
        match message:
            case PutPod(pod=run):
                self._put(run)
            case GuardPod(uid=uid, passing=passing):
                self._guard(uid, passing)
            case DropPod(uid=uid, grace_seconds=grace):
                self._drop(uid, grace)
            case Keep(uids=uids):
                for uid in set(self._passing) - set(self._pods):
                    del self._passing[uid]
                for uid in set(self._pods) - set(uids):
                    self._drop(uid, self._pods[uid].run.grace_seconds)
            case Directory(names=names, services=services):
                self._zone(Zone.of(names))
                self._services.table.replace(services)
                self._doorways.keep(services)
            case Moved(services=services):
                self._services.table.update(services)
            case OpenStream():
                path = self._services.paths.run / "node.sock"
                serving = serve_stream(path, message, self._pods.get(message.uid))
                task = named(f"stream {message.uid}", serving)
                self._streams.add(task)
                task.add_done_callback(self._streams.discard)
                task.add_done_callback(told)
            case _:
                assert_never(message)

    def _put(self, run: PodRun) -> None:
        known = self._pods.get(run.uid)
        if known is not None:
            known.update(run)
            return
        pod = Pod(run, self._services, lambda: self.control.changed(run.uid))
        pod.guard(self._passing.get(run.uid, OPEN))
        self._pods[run.uid] = pod
        pod.start()
        self.control.changed(run.uid)

    def _guard(self, uid: str, passing: PodFilter) -> None:
        self._passing[uid] = passing
        if pod := self._pods.get(uid):
            pod.guard(passing)

    def _drop(self, uid: str, grace: float) -> None:
        pod = self._pods.get(uid)
        if pod is None:
            self.control.gone(PodReport(uid=uid, status=PodStatus(), gone=True))
        elif uid in self._drops:
            self._hasten(uid, pod, grace)
        else:
            self._ends[uid] = self._services.clock.monotonic() + grace
            self._drops[uid] = named(f"drop {uid}", self._dropping(uid, pod, grace))
            self._drops[uid].add_done_callback(told)

    def _hasten(self, uid: str, pod: Pod, grace: float) -> None:
        """Asked again, a pod's grace can only get shorter."""
        end = self._services.clock.monotonic() + max(grace, 0)
        if end >= self._ends[uid]:
            return
        self._ends[uid] = end
        if grace <= 0:
            pod.kill()
        else:
            named(f"hasten {uid}", self._killing(uid, pod, grace)).add_done_callback(told)

    async def _killing(self, uid: str, pod: Pod, grace: float) -> None:
        await self._services.clock.sleep(grace)
        if self._pods.get(uid) is pod:
            pod.kill()

    async def _dropping(self, uid: str, pod: Pod, grace: float) -> None:
        await pod.drop(grace)
        del self._pods[uid], self._drops[uid], self._ends[uid]
        self._passing.pop(uid, None)
        self.control.gone(PodReport(uid=uid, status=pod.status(), gone=True))


async def serve_node(paths: SandboxPaths, zygote: socket.socket, link_fd: int) -> None:
    """Run the node until the supervisor closes the link; then everything here is to end.

    What keeps the sandbox from starting is told on the link as `fatal`.
    """
    clock = SystemClock()
    loop = asyncio.get_running_loop()
    link = await Link.open(link_fd)
    loop.add_signal_handler(signal.SIGCHLD, _reap_orphans)
    ended = loop.create_future()
    closed = named("link", link.until_closed())
    slots: dict[str, str] = {}
    table = ServiceTable()
    dns = DnsServer(link.resolve, clock)
    network = Network()
    processes = Processes(zygote, lambda: ended.set_result(None))
    try:
        services = Services(
            paths=paths,
            network=network,
            processes=processes,
            table=table,
            slots=slots,
            envoy=EnvoyBinary.find(),
            clock=clock,
            limiter=find_limiter(paths.run),
        )
        await network.set_up()
        await dns.start()
        await Relay(paths, slots).start()
    except (OSError, LateenError, NetlinkError) as error:
        link.say({"fatal": f"the sandbox's network cannot be made: {error}"})
        return

    def take_zone(zone: Zone) -> None:
        dns.zone = zone

    agent = Agent(services, take_zone)
    running = (
        named("control", agent.control.running()),
        named("measuring", agent.measuring()),
    )
    link.say({"ready": True})
    done, _ = await asyncio.wait((closed, ended, *running), return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if fault := task.exception():
            sys.excepthook(type(fault), fault, fault.__traceback__)


def _reap_orphans() -> None:
    """As PID 1 the agent inherits whatever loses its parent; the zygote, too, is its child."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
