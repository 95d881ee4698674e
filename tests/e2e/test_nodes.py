"""Three nodes in two zones, and the real kubectl: pods move as they are told, and no request fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.api.quantity import exact
from tests.e2e.harness import Mesh, eventually

KUBECTL = os.environ.get("LATEEN_TEST_KUBECTL") or shutil.which("kubectl")
HERE = Path(__file__).parent
NODES = ["lateen", "lateen-2", "lateen-3"]
ZONES = {"lateen": "a", "lateen-2": "b", "lateen-3": "a"}
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh of three nodes, with one app that is asked through the gateway."""
    folder = tmp_path_factory.mktemp("nodes") / "mesh"
    shutil.copytree(HERE / "nodes", folder)
    shutil.copytree(HERE / "mesh" / "echo", folder / "echo")
    shutil.copy(HERE / "mesh" / "lateen.yaml", folder)
    running = Mesh(folder)
    try:
        running.up(options=("--nodes", "3", "--zones", "eu/a,eu/b"))
        yield running
    finally:
        running.end()


def environment(mesh: Mesh) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(mesh.run / "kubeconfig")}


def kubectl(mesh: Mesh, *words: str, fails: bool | None = False) -> str:
    """What kubectl said; `fails` None: it may."""
    done = subprocess.run(
        [KUBECTL or "", "-n", "shop", *words],
        env=environment(mesh),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert fails is None or (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def where(mesh: Mesh, app: str) -> list[str]:
    """The nodes of an app's pods that stay."""
    pods = mesh.api("/api/v1/namespaces/shop/pods")["items"]
    return sorted(
        p["spec"].get("nodeName", "")
        for p in pods
        if p["metadata"]["labels"].get("app") == app and "deletionTimestamp" not in p["metadata"]
    )


def gateway_node(mesh: Mesh) -> str:
    (pod,) = mesh.api("/api/v1/namespaces/istio-system/pods")["items"]
    node: str = pod["spec"]["nodeName"]
    return node


def settled(mesh: Mesh) -> None:
    """All three are there and ready again."""
    assert eventually(lambda: len(where(mesh, "web")) == 3)
    kubectl(mesh, "rollout", "status", "deployment/web", "--timeout=60s")


class Asking:
    """Requests one after another until left; `statuses` are what came back."""

    def __init__(self, mesh: Mesh) -> None:
        self.statuses: list[int] = []
        self._mesh = mesh
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._over.is_set():
            self.statuses.append(self._mesh.get("/").status)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_kubectl_sees_three_nodes_in_two_zones(own: Mesh) -> None:
    rows = kubectl(own, "get", "nodes", "-L", "topology.kubernetes.io/zone").splitlines()[1:]
    assert {row.split()[0]: row.split()[-1] for row in rows} == ZONES
    assert "INTERNAL-IP" in kubectl(own, "get", "nodes", "-o", "wide")
    told = kubectl(own, "describe", "node", "lateen-2")
    assert re.search(r"topology.kubernetes.io/region=eu", told)
    assert "1/3 of one machine" in told
    assert re.search(r"shop\s+web-", told), "its pods are listed"


def test_pods_are_spread_and_envoys_know_their_zones(own: Mesh) -> None:
    assert where(own, "web") == NODES
    assert where(own, "agent") == NODES, "one of a DaemonSet on every node"
    slices = own.api("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices")["items"]
    assert {e["nodeName"]: e["zone"] for s in slices for e in s["endpoints"]} == ZONES
    clusters = json.loads(own.admin("istio-ingressgateway", "/clusters?format=json"))
    web = "outbound|80||web.shop.svc.cluster.local"
    hosts = next(c["host_statuses"] for c in clusters["cluster_statuses"] if c["name"] == web)
    assert sorted(h["locality"]["zone"] for h in hosts) == ["a", "a", "b"]


def test_a_drained_node_is_left_with_no_failed_request(own: Mesh) -> None:
    node = next(n for n in NODES if n != gateway_node(own))
    with Asking(own) as asking:
        said = kubectl(own, "drain", node, "--ignore-daemonsets", "--timeout=60s")
        assert f"node/{node} drained" in said
        settled(own)
    assert set(asking.statuses) == {200}
    assert node not in where(own, "web")
    assert where(own, "agent") == NODES, "daemons stay"
    assert "SchedulingDisabled" in kubectl(own, "get", "node", node)
    kubectl(own, "uncordon", node)
    kubectl(own, "rollout", "restart", "deployment/web")
    settled(own)
    assert eventually(lambda: node in where(own, "web")), "it is used again"


def test_a_budget_holds_a_drain_up(own: Mesh) -> None:
    kubectl(own, "patch", "pdb", "web", "-p", '{"spec": {"minAvailable": 3}}')
    assert eventually(lambda: " 0 " in kubectl(own, "get", "pdb", "web"))
    nodes = where(own, "web")
    node = min((n for n in nodes if n != gateway_node(own)), key=nodes.count)
    draining = ("drain", node, "--ignore-daemonsets", "--timeout=60s")
    with subprocess.Popen(
        [KUBECTL or "", *draining], env=environment(own), stderr=subprocess.PIPE, text=True
    ) as drain:
        assert drain.stderr is not None
        said = next(line for line in drain.stderr if "error when evicting" in line)
        assert "Cannot evict pod as it would violate the pod's disruption budget." in said
        kubectl(own, "patch", "pdb", "web", "-p", '{"spec": {"minAvailable": 2}}')
        assert drain.wait(30) == 0, "it goes on by itself as soon as it may"
    assert node not in where(own, "web")
    kubectl(own, "uncordon", node)


def test_a_no_execute_taint_drives_pods_away(own: Mesh) -> None:
    node = next(n for n in where(own, "web") if n != gateway_node(own))
    kubectl(own, "taint", "nodes", node, "power=off:NoExecute")
    assert eventually(lambda: node not in where(own, "web"))
    assert eventually(lambda: node not in where(own, "agent")), "daemons do not tolerate all"
    settled(own)
    kubectl(own, "taint", "nodes", node, "power-")
    assert eventually(lambda: where(own, "agent") == NODES)


def test_a_pod_that_fits_nowhere_says_why_of_each_node(own: Mesh) -> None:
    kubectl(own, "cordon", "lateen-3")
    spec = '{"spec": {"nodeSelector": {"disk": "ssd"}, "terminationGracePeriodSeconds": 1}}'
    kubectl(own, "run", "picky", "--image=test/echo:1.0", f"--overrides={spec}")
    wanted = (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node "
        "affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for "
        "scheduling."
    )
    assert eventually(lambda: wanted in kubectl(own, "describe", "pod", "picky"))
    kubectl(own, "label", "node", "lateen-2", "disk=ssd")
    assert eventually(lambda: "picky" in placed_on(own, "lateen-2"))
    kubectl(own, "uncordon", "lateen-3")


def test_a_more_important_pod_takes_the_place_of_another(own: Mesh) -> None:
    allocatable = own.api("/api/v1/nodes")["items"][0]["status"]["allocatable"]["cpu"]
    most = f"{int(exact(allocatable) * 600)}m"  # so that no node has room for two
    kubectl(own, "create", "priorityclass", "urgent", "--value=1000")
    names = [f"calm-{number}" for number in range(len(NODES))]
    for name in names:
        kubectl(own, "run", name, "--image=test/echo:1.0", f"--overrides={sized(most)}")
    kubectl(own, "wait", "--for=condition=Ready", "--timeout=30s", *(f"pod/{n}" for n in names))
    urgent = f"--overrides={sized(most, priorityClassName='urgent')}"
    kubectl(own, "run", "urgent", "--image=test/echo:1.0", urgent)
    kubectl(own, "wait", "--for=condition=Ready", "--timeout=30s", "pod/urgent")
    events = kubectl(own, "get", "events", "--field-selector=reason=Preempted")
    assert re.search(r"pod/calm-\d\s+Preempted by pod \S+ on node lateen", events)
    assert kubectl(own, "get", "pods", "-o", "name").count("pod/calm-") == 2
    kubectl(own, "delete", "pod", "urgent", *names, "--ignore-not-found", "--wait=false")


def sized(cpu: str, **spec: str) -> str:
    """The overrides of a pod that asks for so much, and gets no sidecar."""
    container = {"name": "app", "image": "test/echo:1.0", "resources": {"requests": {"cpu": cpu}}}
    whole = {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}
    labels = {"sidecar.istio.io/inject": "false"}
    return json.dumps({"metadata": {"labels": labels}, "spec": whole})


def placed_on(mesh: Mesh, node: str) -> list[str]:
    pods: list[dict[str, Any]] = mesh.api("/api/v1/namespaces/shop/pods")["items"]
    return [p["metadata"]["name"] for p in pods if p["spec"].get("nodeName") == node]


def test_what_containers_use_is_recommended_to_new_pods(own: Mesh) -> None:
    assert eventually(lambda: len(kubectl(own, "top", "nodes", fails=None).splitlines()) == 4)
    assert eventually(lambda: " True " in kubectl(own, "get", "vpa", "agent"))
    path = "/apis/autoscaling.k8s.io/v1/namespaces/shop/verticalpodautoscalers/agent"
    (one,) = own.api(path)["status"]["recommendation"]["containerRecommendations"]
    kubectl(own, "delete", "pod", "-l", "app=agent", "--wait=false")
    asked = "-o=jsonpath={.items[*].spec.containers[0].resources.requests.memory}"
    wanted = " ".join([one["target"]["memory"]] * len(NODES))
    assert eventually(lambda: kubectl(own, "get", "pods", "-l", "app=agent", asked) == wanted)


def test_a_running_mesh_keeps_its_nodes(own: Mesh) -> None:
    said = own.up(check=False, options=("--nodes", "2"))
    assert (said.returncode, "runs with other nodes" in said.stderr) == (1, True)
