"""The node is told what the store says, once, and pods leave without losing a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from lateen.api.objects import Obj
from lateen.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStatus,
    PodStatus,
)
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.build.built import Built
from lateen.cluster.deletion import delete_object
from lateen.ir.packets import OPEN, PodFilter
from lateen.node.protocol import (
    Directory,
    DropPod,
    GuardPod,
    Hello,
    Keep,
    Moved,
    PodReport,
    ProxyRun,
    PutPod,
    ServiceAddress,
    ToNode,
)
from lateen.stages.resolving import Waiting
from lateen.stages.running import DRAIN_GRACE, Running, Seams
from lateen.store.memory import MemoryStore

BUILT = Built(
    image="web:1",
    entrypoint=("serve",),
    cmd=(),
    cwd="/",
    env=(),
    mounts=(),
    ports=(),
    user="",
    warnings=(),
    digest="",
)
PROXY = ProxyRun(bootstrap="{}")
RUNNING = PodStatus(
    phase="Running",
    container_statuses=(
        ContainerStatus(
            name="web",
            image="web:1",
            ready=True,
            state=ContainerState(running=ContainerStateRunning()),
        ),
    ),
)


class Mesh:
    """A store, and a node that only listens."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.sent: list[ToNode] = []
        self.builds: dict[str, Built | str | None] = {"web:1": BUILT}
        self.proxy: ProxyRun | Waiting | None = PROXY
        self.passing: PodFilter | None = None
        self.acknowledged = asyncio.Event()
        self.running = Running(
            store=self.store,
            clock=self.clock,
            seams=Seams(
                send=self.sent.append,
                build=lambda image: self.builds[image],
                tools=lambda image: self.builds[image],
                proxy_for=lambda _: self.proxy,
                settled=self._settled,
                passing=lambda _: self.passing,
            ),
        )

    async def _settled(self, _: float) -> bool:
        return await self.acknowledged.wait()

    def pod(self, name: str = "web-0", **spec: Any) -> Obj:
        """A pod that has an address."""
        raw: Mapping[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"containers": [{"name": "web", "image": "web:1"}], **spec},
            "status": {"phase": "Pending", "podIP": "198.18.0.20"},
        }
        return self.store.put(raw)

    def stored(self, name: str = "web-0") -> Obj | None:
        key = ObjectKey(group="", kind="Pod", namespace="shop", name=name)
        return self.store.get(key)

    def state(self) -> tuple[str, str]:
        """Why the container waits, as `kubectl describe` would say it."""
        obj = self.stored()
        assert obj is not None
        (container,) = obj.raw["status"]["containerStatuses"]
        waiting = container["state"]["waiting"]
        return waiting["reason"], waiting.get("message", "")

    def hello(self, *pods: PodReport) -> None:
        self.running.hear(Hello(boot="b", pods=pods))

    def took(self) -> list[ToNode]:
        """What was sent since the last time."""
        sent = self.sent[:]
        self.sent.clear()
        return sent

    def put(self) -> list[str]:
        """The names of the pods the node was told to run since the last time."""
        return [message.pod.name for message in self.took() if isinstance(message, PutPod)]


def alone(scenario: Callable[[Mesh], Any]) -> None:
    """Run a scenario on an event loop."""

    async def run() -> None:
        result = scenario(Mesh())
        if asyncio.iscoroutine(result):
            await result

    asyncio.run(run())


async def passed() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_node_is_told_everything_once_it_has_said_hello() -> None:
    def scenario(mesh: Mesh) -> None:
        directory = Directory(names=())
        uid = mesh.pod().meta.uid
        mesh.running.put_directory(directory)
        mesh.running.step()
        assert mesh.took() == [directory], "an agent that is not there has yet to say what it runs"
        mesh.hello()
        names, keep, put = mesh.took()
        assert (names, keep) == (directory, Keep(uids=(uid,)))
        assert isinstance(put, PutPod)
        assert (put.pod.name, put.pod.proxy) == ("web-0", PROXY)

    alone(scenario)


def test_what_has_been_said_is_not_said_again() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.pod()
        mesh.hello()
        mesh.took()
        mesh.running.step()
        mesh.running.put_directory(Directory())
        mesh.running.put_directory(Directory())
        assert mesh.took() == [Directory()]
        mesh.hello()
        assert mesh.put() == ["web-0"], "an agent that comes anew is told anew"

    alone(scenario)


def test_only_what_moved_in_the_directory_is_said_and_all_of_it_to_an_agent_that_comes_anew() -> (
    None
):
    def scenario(mesh: Mesh) -> None:
        mesh.pod()
        mesh.hello()
        mesh.running.put_directory(Directory())
        mesh.took()
        other = ServiceAddress(address="198.19.0.1", port=80, endpoints=(("198.18.0.2", 8080),))
        now = Directory(services=(other,))
        mesh.running.put_moved(now, (other,))
        mesh.running.put_moved(now, ())
        mesh.running.put_directory(now)
        assert mesh.took() == [Moved(services=(other,))]
        mesh.hello()
        assert now in mesh.took()

    alone(scenario)


def test_a_pod_waits_for_its_image_and_says_so() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.builds["web:1"] = None
        mesh.pod()
        mesh.hello()
        assert mesh.put() == []
        assert mesh.state() == ("Building", "building web:1")
        mesh.builds["web:1"] = BUILT
        mesh.running.step()
        assert mesh.put() == ["web-0"]

    alone(scenario)


def test_a_pod_whose_image_cannot_be_built_says_why() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.builds["web:1"] = "needs a JDK 17, none found"
        mesh.pod()
        mesh.hello()
        assert mesh.put() == []
        assert mesh.state() == ("BuildFailed", "needs a JDK 17, none found")

    alone(scenario)


def test_a_pod_waits_for_its_proxy_and_for_what_it_refers_to() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.proxy = Waiting(reason="ContainerCreating", message="its proxy is being planned")
        source = {"configMapKeyRef": {"name": "settings", "key": "colour"}}
        env = [{"name": "COLOUR", "valueFrom": source}]
        mesh.pod(containers=[{"name": "web", "image": "web:1", "env": env}])
        mesh.hello()
        assert mesh.state()[0] == "ContainerCreating"
        mesh.proxy = PROXY
        mesh.running.step()
        assert mesh.state() == ("CreateContainerConfigError", 'configmap "settings" not found')
        mesh.store.put(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "settings", "namespace": "shop"},
                "data": {"colour": "blue"},
            }
        )
        mesh.running.step()
        assert mesh.put() == ["web-0"]

    alone(scenario)


def test_a_gateway_needs_no_image() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.builds.clear()
        mesh.pod(containers=[{"name": "istio-proxy", "image": "auto"}])
        mesh.hello()
        assert mesh.put() == ["web-0"]

    alone(scenario)


def test_a_new_control_plane_leaves_alone_what_runs_while_it_finds_its_way() -> None:
    def scenario(mesh: Mesh) -> None:
        uid = mesh.pod().meta.uid
        mesh.builds["web:1"] = None
        mesh.hello(PodReport(uid=uid, status=RUNNING))
        assert mesh.took() == [Keep(uids=(uid,))]
        obj = mesh.stored()
        assert obj is not None
        assert obj.raw["status"]["phase"] == "Running", "it is not said to be building"

    alone(scenario)


def test_what_only_the_node_knows_is_ended() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.hello(PodReport(uid="stranger", status=RUNNING))
        assert mesh.took() == [Keep(uids=()), DropPod(uid="stranger", grace_seconds=0)]

    alone(scenario)


def test_a_pod_leaves_when_every_proxy_knows_and_what_was_on_its_way_has_arrived() -> None:
    async def scenario(mesh: Mesh) -> None:
        obj = mesh.pod(terminationGracePeriodSeconds=7)
        mesh.hello(PodReport(uid=obj.meta.uid, status=RUNNING))
        mesh.took()
        delete_object(mesh.store, obj.key, mesh.clock)
        mesh.running.step()
        await passed()
        await mesh.clock.advance(60)
        assert mesh.took() == [], "some proxy may still send requests there"
        mesh.acknowledged.set()
        await passed()
        assert mesh.took() == []
        await mesh.clock.advance(DRAIN_GRACE)
        assert mesh.took() == [DropPod(uid=obj.meta.uid, grace_seconds=7)]
        assert not mesh.running.empty
        mesh.running.hear(PodReport(uid=obj.meta.uid, gone=True, status=PodStatus()))
        await passed()
        assert mesh.stored() is None
        assert mesh.running.empty

    alone(scenario)


def test_a_pod_that_never_started_goes_at_once() -> None:
    def scenario(mesh: Mesh) -> None:
        obj = mesh.pod()
        mesh.hello()
        mesh.took()
        delete_object(mesh.store, obj.key, mesh.clock)
        mesh.running.step()
        assert mesh.took() == [DropPod(uid=obj.meta.uid, grace_seconds=0)]

    alone(scenario)


def test_in_a_hurry_nobody_is_waited_for() -> None:
    async def scenario(mesh: Mesh) -> None:
        obj = mesh.pod()
        mesh.hello(PodReport(uid=obj.meta.uid, status=RUNNING))
        mesh.took()
        mesh.running.hurry = True
        delete_object(mesh.store, obj.key, mesh.clock, grace=5)
        mesh.running.step()
        await passed()
        assert mesh.took() == [DropPod(uid=obj.meta.uid, grace_seconds=5)]

    alone(scenario)


def test_a_pod_that_ends_on_the_node_unasked_is_run_again() -> None:
    def scenario(mesh: Mesh) -> None:
        uid = mesh.pod().meta.uid
        mesh.hello()
        mesh.took()
        mesh.running.hear(PodReport(uid=uid, gone=True, status=PodStatus()))
        mesh.running.step()
        assert mesh.stored() is not None
        assert mesh.put() == ["web-0"]

    alone(scenario)


def test_a_pod_that_has_done_its_work_is_not_run_again() -> None:
    def scenario(mesh: Mesh) -> None:
        uid = mesh.pod(restartPolicy="Never").meta.uid
        mesh.hello()
        mesh.took()
        done = PodStatus(phase="Succeeded", container_statuses=RUNNING.container_statuses)
        mesh.running.hear(PodReport(uid=uid, status=done))
        mesh.hello(PodReport(uid=uid, status=done))
        assert mesh.put() == []

    alone(scenario)


def test_a_changed_proxy_or_image_is_told() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.pod()
        mesh.hello()
        mesh.took()
        mesh.proxy = ProxyRun(bootstrap='{"node": {}}')
        mesh.running.step()
        assert mesh.put() == ["web-0"]
        mesh.builds["web:1"] = replace(BUILT, entrypoint=("serve", "--new"))
        mesh.running.step()
        assert mesh.put() == ["web-0"]

    alone(scenario)


def test_a_container_that_debugs_joins_when_it_is_built_and_the_pod_does_not_wait_for_it() -> None:
    mesh = Mesh()
    mesh.builds["busybox"] = None
    looker = {"name": "looker", "image": "busybox", "targetContainerName": "web"}
    raw = mesh.pod().raw
    mesh.store.put({**raw, "spec": {**raw["spec"], "ephemeralContainers": [looker]}})
    mesh.hello()
    (first,) = [m.pod for m in mesh.sent if isinstance(m, PutPod)]
    assert first.ephemeral_containers == ()
    obj = mesh.stored()
    assert obj is not None
    (waiting,) = obj.raw["status"]["ephemeralContainerStatuses"]
    assert waiting["state"]["waiting"]["reason"] == "Building"
    mesh.builds["busybox"] = replace(BUILT, image="busybox")
    mesh.running.step()
    later = [m.pod for m in mesh.sent if isinstance(m, PutPod)][-1]
    assert [(c.name, c.target) for c in later.ephemeral_containers] == [("looker", "web")]


def test_a_pod_is_guarded_before_it_runs_and_whenever_its_policies_change() -> None:
    def scenario(mesh: Mesh) -> None:
        closed = PodFilter(ingress=())
        mesh.passing = closed
        mesh.hello()
        uid = mesh.pod().meta.uid
        mesh.took()
        mesh.running.step()
        guard, put = mesh.took()
        assert guard == GuardPod(uid=uid, passing=closed)
        assert isinstance(put, PutPod)
        mesh.running.step()
        assert mesh.took() == []
        mesh.passing = OPEN
        mesh.running.step()
        assert mesh.took() == [GuardPod(uid=uid, passing=OPEN)]

    alone(scenario)


def test_an_agent_that_comes_back_is_told_that_a_policy_has_gone() -> None:
    def scenario(mesh: Mesh) -> None:
        mesh.passing = OPEN
        uid = mesh.pod().meta.uid
        mesh.hello(PodReport(uid=uid, status=RUNNING))
        assert GuardPod(uid=uid, passing=OPEN) in mesh.took()

    alone(scenario)
