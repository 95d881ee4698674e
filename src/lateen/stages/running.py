"""Keep the node running what the store says: build, resolve, start, drain, end.

In: Pods, Services, ConfigMaps and Secrets of the store.    Out: messages to the node, pod statuses.
Before: cluster/, build/        After: stages/nodes.py

A pod that is to go is first taken out of every proxy's endpoints, and only when all proxies have
acknowledged that (or DRAIN_WAIT is over) is its app asked to end: no request is lost to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lateen.api.objects import Obj
from lateen.api.pod import ContainerStateWaiting, Pod
from lateen.base.clock import Clock
from lateen.base.tasks import named
from lateen.build.built import Built
from lateen.cluster.actions import KUBELET
from lateen.cluster.deletion import pod_gone
from lateen.cluster.performing import perform
from lateen.cluster.podevents import pod_events, stopping_events
from lateen.cluster.podstatus import merge_report, waiting, waiting_beside
from lateen.ir.packets import OPEN, PodFilter
from lateen.node.protocol import (
    Directory,
    DropPod,
    GuardPod,
    Hello,
    Keep,
    Moved,
    PodReport,
    PodRun,
    ProxyRun,
    PutPod,
    ServiceAddress,
    StreamHello,
    ToControl,
    ToNode,
    Use,
)
from lateen.stages.podvolumes import TokenFor, VolumeSources
from lateen.stages.resolving import Waiting, is_gateway_container, pod_run
from lateen.stages.servicelinks import ServiceLinks
from lateen.store.interface import Store, Writer

log = logging.getLogger(__name__)
DRAIN_WAIT = 3.0  # seconds at most for the proxies to acknowledge that a pod is leaving
DRAIN_GRACE = 0.3  # seconds more for requests already on their way


@dataclass(kw_only=True)
class Seams:
    """What running asks of its neighbours."""

    send: Callable[[ToNode], None]
    build: Callable[[str], Built | str | None]  # built, or why not, or None: under way
    tools: Callable[[str], Built | str | None]  # the same for a container that debugs
    proxy_for: Callable[[Obj], ProxyRun | Waiting | None]  # None: a pod without a proxy
    settled: Callable[[float], Awaitable[bool]]  # every proxy has acknowledged, within seconds
    passing: Callable[[Obj], PodFilter | None] = lambda _: OPEN  # None: not known yet
    kept_volumes: str = ""  # the folder in which claims' folders are
    identity: Callable[[Pod], str] = lambda _: ""  # the folder of a pod's Workload API
    token: TokenFor | None = None  # for a projected serviceAccountToken


@dataclass(kw_only=True)
class Running:
    """What has been asked of the node so far."""

    store: Store
    clock: Clock
    seams: Seams
    hurry: bool = False  # everything ends: nobody will miss what a pod might still have answered
    _sent: dict[str, PodRun] = field(default_factory=dict)
    _guarded: dict[str, PodFilter] = field(default_factory=dict)
    _on_node: set[str] = field(default_factory=set)
    _leaving: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _directory: Directory | None = None
    _heard: bool = False
    _links: ServiceLinks = field(init=False)

    def __post_init__(self) -> None:
        store = self.store
        self._links = ServiceLinks(
            lambda namespace: store.list(group="", kind="Service", namespace=namespace), store.get
        )

    def hear(self, message: ToControl) -> None:
        """Take in what the node says."""
        match message:
            case Hello():
                self._heard = True
                if message.unlimited:
                    log.info("limits of containers are not enforced: %s", message.unlimited)
                self._sent.clear()
                self._guarded.clear()
                self._on_node = {report.uid for report in message.pods if not report.gone}
                for report in message.pods:
                    self._take(report)
                if self._directory is not None:
                    self.seams.send(self._directory)
                # Not what was sent: right after a restart nothing was yet, and all of it still runs.
                known = sorted(o.meta.uid for o in self.store.list(group="", kind="Pod"))
                self.seams.send(Keep(uids=tuple(known)))
                self.step()
            case PodReport():
                self._take(message)
            case StreamHello() | Use():
                pass  # stages/nodes.py takes the one, stages/accounting.py the other

    def put_directory(self, directory: Directory) -> None:
        """Send names and service addresses when they changed."""
        if directory != self._directory:
            self._directory = directory
            self.seams.send(directory)

    def put_moved(self, directory: Directory, moved: tuple[ServiceAddress, ...]) -> None:
        """The directory in which only these are others: only they are sent."""
        self._directory = directory
        if moved:
            self.seams.send(Moved(services=moved))

    def step(self) -> None:
        """Compare the store's pods with what the node was told, and tell it the difference."""
        if not self._heard:
            return
        pods = {str(p.meta.uid): p for p in self.store.list(group="", kind="Pod")}
        for uid, obj in pods.items():
            self._guard(uid, obj)
            if obj.meta.deletion_timestamp:
                self._leave(uid, obj)
            elif obj.meta.uid and _scheduled(obj):
                self._want(uid, obj)
        for uid in self._on_node - set(pods) - set(self._leaving):
            self._drop(uid, 0)

    def _take(self, report: PodReport) -> None:
        if report.gone:
            self._on_node.discard(report.uid)
            self._sent.pop(report.uid, None)
            self._guarded.pop(report.uid, None)
            pod_gone(self.store, report.uid, self.clock)
            return
        self._on_node.add(report.uid)
        for obj in self.store.list(group="", kind="Pod"):
            if obj.meta.uid == report.uid:
                status = merge_report(obj, report.status, self.clock.now())
                self._put_status(obj, status)

    def _guard(self, uid: str, obj: Obj) -> None:
        """Tell what may pass before the pod itself is told of, and whenever that changes."""
        passing = self.seams.passing(obj)
        if passing is None or self._guarded.get(uid) == passing:
            return
        self._guarded[uid] = passing
        if passing != OPEN or uid in self._on_node:  # a new pod is open unless told otherwise
            self.seams.send(GuardPod(uid=uid, passing=passing))

    def _want(self, uid: str, obj: Obj) -> None:
        images = self._images(obj)
        if not isinstance(images, Waiting):
            images |= self._debug_images(obj)
        if isinstance(images, Waiting):
            if uid not in self._on_node:
                self._say_waiting(obj, images)
            return
        run = self._resolve(obj, images)
        if isinstance(run, Waiting):
            if uid not in self._on_node:
                self._say_waiting(obj, run)
        elif self._sent.get(uid) != run:
            self._sent[uid] = run
            self._on_node.add(uid)
            self.seams.send(PutPod(pod=run))

    def _resolve(self, obj: Obj, images: Mapping[str, Built]) -> PodRun | Waiting:
        proxy = self.seams.proxy_for(obj)
        if isinstance(proxy, Waiting):
            return proxy
        sources = VolumeSources(
            lookup=self.store.get,
            kept=self.seams.kept_volumes,
            identity=self.seams.identity,
            token=self.seams.token,
        )
        links = self._links.of(_pod(obj))
        return pod_run(obj, sources=sources, images=images, proxy=proxy, links=links)

    def _images(self, obj: Obj) -> dict[str, Built] | Waiting:
        pod = _pod(obj)
        images: dict[str, Built] = {}
        under_way: Waiting | None = None
        for container in (*pod.spec.init_containers, *pod.spec.containers):
            if is_gateway_container(container):
                continue
            match self.seams.build(container.image):
                case Built() as built:
                    images[container.image] = built
                case str(reason):
                    return Waiting(reason="BuildFailed", message=reason)
                case None:
                    under_way = Waiting(reason="Building", message=f"building {container.image}")
        return under_way or images

    def _debug_images(self, obj: Obj) -> dict[str, Built]:
        """Images of ephemeral containers; for one that is not there the pod does not wait."""
        images: dict[str, Built] = {}
        for container in _pod(obj).spec.ephemeral_containers:
            match self.seams.tools(container.image):
                case Built() as built:
                    images[container.image] = built
                    continue
                case str(words):
                    why = ContainerStateWaiting(reason="BuildFailed", message=words)
                case None:
                    words = f"building {container.image}"
                    why = ContainerStateWaiting(reason="Building", message=words)
            self._put_status(obj, waiting_beside(obj, container.name, why))
        return images

    def _say_waiting(self, obj: Obj, why: Waiting) -> None:
        self._put_status(obj, waiting(obj, why.reason, why.message, self.clock.now()))

    def _put_status(self, obj: Obj, status: Mapping[str, Any]) -> None:
        after = self.store.put_status(obj.key, status, writer=Writer(name=KUBELET))
        perform(self.store, pod_events(obj, after), self.clock)

    def _leave(self, uid: str, obj: Obj) -> None:
        if uid in self._leaving:
            return
        if uid not in self._on_node and uid not in self._sent:
            pod_gone(self.store, uid, self.clock)
            return
        perform(self.store, stopping_events(obj), self.clock)
        task = named(f"drain {obj.key}", self._drain(uid, obj))
        self._leaving[uid] = task
        task.add_done_callback(lambda _: self._leaving.pop(uid, None))

    async def _drain(self, uid: str, obj: Obj) -> None:
        if not self.hurry:
            await self.seams.settled(DRAIN_WAIT)
            await self.clock.sleep(DRAIN_GRACE)
        now = self.store.get(obj.key)  # its grace may have been made shorter meanwhile
        self._drop(uid, _grace(now if now is not None and now.meta.uid == uid else obj))

    def _drop(self, uid: str, grace: int) -> None:
        self._sent.pop(uid, None)
        self.seams.send(DropPod(uid=uid, grace_seconds=grace))

    @property
    def empty(self) -> bool:
        """Whether the node has no pod left."""
        return not self._on_node and not self._leaving


def _pod(obj: Obj) -> Pod:
    assert isinstance(obj.typed, Pod)  # noqa: S101 - only pods are listed
    return obj.typed


def _scheduled(obj: Obj) -> bool:
    pod = _pod(obj)
    done = pod.status.phase in ("Succeeded", "Failed")
    return bool(pod.status.pod_ip) and not done


def _grace(obj: Obj) -> int:
    """The seconds a pod on its way out has to end by itself."""
    given = obj.meta.deletion_grace_period_seconds
    return _pod(obj).spec.termination_grace_period_seconds if given is None else given
