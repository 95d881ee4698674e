"""A cluster without processes: the memory store, the controllers, and a node that pretends."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lateen.api.decode import decode_documents
from lateen.api.objects import Obj
from lateen.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStatus,
    PodStatus,
)
from lateen.api.workload import DeploymentStatus
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.cluster.applying import Applied, apply_files
from lateen.cluster.controlling import Controllers
from lateen.cluster.deletion import delete_object, pod_gone
from lateen.cluster.deploymentstatus import deployment_of
from lateen.cluster.nodes import Machine
from lateen.cluster.pods import is_done, is_ready, is_terminating, pod_of
from lateen.cluster.podstatus import merge_report
from lateen.cluster.statuses import timestamp
from lateen.store.memory import MemoryStore

VOLUMES = "/state/volumes"
MACHINE = Machine(cores=4, memory=8 * 1024**3)


def read(*documents: str) -> tuple[Obj, ...]:
    """The objects of YAML documents; they must be sound."""
    text = "\n---\n".join(textwrap.dedent(d) for d in documents)
    decoded = decode_documents(text, "test.yaml")
    assert not decoded.partial, decoded.problems
    return decoded.objects


def deployment(name: str, *, replicas: int = 1, image: str = "app:1", more: str = "") -> str:
    """A Deployment of namespace shop with one container and port http; `more` goes to its spec."""
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: app
        image: {image}
        ports: [{{containerPort: 8080, name: http}}]
{textwrap.indent(textwrap.dedent(more), "  ")}
"""


def job(name: str, spec: str = "", *, policy: str = "Never") -> str:
    """A Job of namespace shop with one container; `spec` holds further fields, in flow style."""
    return f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, namespace: shop}}
spec: {{template: {{spec: {{restartPolicy: {policy}, containers: [{{name: app, image: "app:1"}}]}}}}
  {"," if spec else ""} {spec}}}
"""


def status_of(pod: Obj, *, ready: bool = True) -> PodStatus:
    """What a node says of a pod whose processes run."""
    state = ContainerState(running=ContainerStateRunning())
    containers = tuple(
        ContainerStatus(name=c.name, ready=ready, started=True, state=state)
        for c in pod_of(pod).spec.containers
    )
    return PodStatus(phase="Running", container_statuses=containers)


@dataclass
class Cluster:
    """The store and its controllers, driven step by step."""

    clock: FakeClock = field(default_factory=FakeClock)
    machine: Machine = MACHINE

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock=self.clock)
        self.controllers = Controllers(
            store=self.store, clock=self.clock, volumes=VOLUMES, machine=self.machine
        )

    def apply(self, *documents: str) -> Applied:
        """Apply files and settle."""
        applied = apply_files(self.store, read(*documents), self.clock)
        self.settle()
        return applied

    def settle(self) -> float | None:
        """Let the controllers come to rest; there must be nothing left they want."""
        due = self.controllers.settle()
        revision = self.store.revision
        again = Controllers(
            store=self.store, clock=self.clock, volumes=VOLUMES, machine=self.machine
        )
        again.settle()
        assert self.store.revision == revision, "a settled world wants nothing"
        return due

    def node_step(self, *, ready: bool = True) -> bool:
        """The node starts what is scheduled and ends what is to go; whether there was anything."""
        before = self.store.revision
        for pod in self.pods():
            if is_terminating(pod):
                pod_gone(self.store, str(pod.meta.uid), self.clock)
            elif pod_of(pod).status.pod_ip and not is_ready(pod) and not is_done(pod):
                status = merge_report(pod, status_of(pod, ready=ready), self.clock.now())
                self.store.put_status(pod.key, status)
        self.settle()
        return self.store.revision != before

    def run(self) -> None:
        """Let the node follow until nothing changes."""
        while self.node_step():
            pass

    def due(self) -> float | None:
        """Seconds until the controllers look again, but for the forgetting of Events."""
        for event in self.store.list(group="", kind="Event"):
            self.store.delete(event.key)
        return self.settle()

    def end_pod(self, prefix: str = "", *, code: int = 0) -> None:
        """The containers of the first pod of that name that has not ended, end."""
        live = [p for p in self.pods() if not is_done(p) and p.key.name.startswith(prefix)]
        pod = live[0]
        at = timestamp(self.clock.now())
        ended = ContainerState(terminated=ContainerStateTerminated(exit_code=code, finished_at=at))
        containers = tuple(
            ContainerStatus(name=c.name, state=ended) for c in pod_of(pod).spec.containers
        )
        phase = "Failed" if code else "Succeeded"
        report = PodStatus(phase=phase, container_statuses=containers)
        self.store.put_status(pod.key, merge_report(pod, report, self.clock.now()))
        self.settle()

    def make_ready(self, pod: Obj) -> None:
        """This pod becomes ready."""
        self.store.put_status(pod.key, merge_report(pod, status_of(pod), self.clock.now()))
        self.settle()

    def restart_pod(self, *, count: int) -> None:
        """The containers of the only pod have been restarted so often."""
        (pod,) = self.pods()
        said = status_of(pod)
        containers = tuple(
            msgspec.structs.replace(c, restart_count=count) for c in said.container_statuses
        )
        report = PodStatus(phase="Running", container_statuses=containers)
        self.store.put_status(pod.key, merge_report(pod, report, self.clock.now()))
        self.settle()

    def pods(self, namespace: str = "shop") -> tuple[Obj, ...]:
        return self.store.list(group="", kind="Pod", namespace=namespace)

    def live_images(self, namespace: str = "shop") -> list[str]:
        """The images of the pods that are not on their way out."""
        live = [p for p in self.pods(namespace) if not is_terminating(p)]
        return sorted(pod_of(p).spec.containers[0].image for p in live)

    def replicasets(self) -> tuple[Obj, ...]:
        return self.store.list(group="apps", kind="ReplicaSet", namespace="shop")

    def slices(self) -> tuple[Obj, ...]:
        return self.store.list(group="discovery.k8s.io", kind="EndpointSlice", namespace="shop")

    def volumes(self) -> tuple[Obj, ...]:
        return self.store.list(group="", kind="PersistentVolume")

    def events(self, namespace: str = "shop") -> tuple[Obj, ...]:
        return self.store.list(group="", kind="Event", namespace=namespace)

    def told(self, kind: str, name: str, namespace: str = "shop") -> list[tuple[str, str]]:
        """Reason and message of each event about an object, by reason."""
        about = (kind, name)
        events = (e.raw for e in self.events(namespace))
        return sorted(
            (e["reason"], e["message"])
            for e in events
            if (e["involvedObject"]["kind"], e["involvedObject"]["name"]) == about
        )

    def find(self, kind: str, name: str, namespace: str = "shop") -> Obj | None:
        """The object of that kind and name, whatever its group."""
        found = [o for o in self.store.list(kind=kind, namespace=namespace) if o.key.name == name]
        return found[0] if found else None

    def get(self, kind: str, name: str, namespace: str = "shop") -> Obj:
        """The same, which must be there."""
        found = self.find(kind, name, namespace)
        assert found is not None, f"no {kind} {namespace}/{name}"
        return found

    def delete(self, kind: str, name: str, namespace: str = "shop") -> None:
        """Delete it as a user would, and settle."""
        delete_object(self.store, self.get(kind, name, namespace).key, self.clock)
        self.settle()

    def status(self, name: str) -> DeploymentStatus:
        """How far a Deployment is."""
        return deployment_of(self.get("Deployment", name)).status

    def edit_spec(self, kind: str, name: str, **fields: Any) -> None:
        """Change fields of a spec, as by the API."""
        raw = self.get(kind, name).raw
        self.store.put({**raw, "spec": {**raw["spec"], **fields}})
        self.settle()


def namespace_key(name: str) -> ObjectKey:
    return ObjectKey(group="", kind="Namespace", namespace="", name=name)
