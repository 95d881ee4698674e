"""metrics.k8s.io tells what pods use, and kubectl top shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lateen.apiserver.app import make_app
from lateen.apiserver.deps import ApiDeps, ContainerUse, PodUse
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import deps_for, pod, store_with

pytestmark = pytest.mark.anyio
_BASE = "/apis/metrics.k8s.io/v1beta1"
_NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "lateen"},
    "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def measured() -> tuple[MemoryStore, ApiDeps]:
    """Two pods, of which one is measured, and the node of both."""
    store = store_with(pod("web", app="web"), pod("idle"), _NODE)
    uid = next(o.meta.uid for o in store.list(kind="Pod") if o.key.name == "web")
    containers = (
        ContainerUse(name="app", cpu=0.1234, memory=64 * 2**20),
        ContainerUse(name="istio-proxy", cpu=0.001, memory=16 * 2**20),
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    uses = {uid: PodUse(at=at, window=5.0, containers=containers)}
    return store, replace(deps_for(store), uses=lambda: uses)


async def answer_to(path: str) -> tuple[int, Any]:
    store, deps = measured()
    async with client_of(make_app(store, deps, token=TOKEN)) as client:
        return await asked(client, "GET", path)


async def test_a_measured_pod_is_told_with_its_containers() -> None:
    status, found = await answer_to(f"{_BASE}/namespaces/default/pods/web")
    assert status == 200
    assert found == {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "labels": {"app": "web"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "timestamp": "2026-01-01T00:00:00Z",
        "window": "5.000s",
        "containers": [
            {"name": "app", "usage": {"cpu": "123400000n", "memory": "65536Ki"}},
            {"name": "istio-proxy", "usage": {"cpu": "1000000n", "memory": "16384Ki"}},
        ],
    }


async def test_a_pod_that_is_not_measured_is_not_found() -> None:
    status, found = await answer_to(f"{_BASE}/namespaces/default/pods/idle")
    assert (status, found["reason"]) == (404, "NotFound")
    assert found["message"] == 'pods.metrics.k8s.io "default/idle" not found'


@pytest.mark.parametrize(
    ("query", "names"),
    [("", ["web"]), ("?labelSelector=app%3Dweb", ["web"]), ("?labelSelector=app%3Dx", [])],
)
async def test_lists_are_selected(query: str, names: list[str]) -> None:
    _, found = await answer_to(f"{_BASE}/pods{query}")
    assert [item["metadata"]["name"] for item in found["items"]] == names


async def test_a_node_uses_what_its_pods_use() -> None:
    _, found = await answer_to(f"{_BASE}/nodes")
    (node,) = found["items"]
    assert node["usage"] == {"cpu": "124400000n", "memory": "81920Ki"}


async def test_discovery_lists_the_group() -> None:
    _, groups = await answer_to("/apis")
    assert "metrics.k8s.io" in {group["name"] for group in groups["groups"]}
    _, listed = await answer_to(_BASE)
    assert [r["name"] for r in listed["resources"]] == ["nodes", "pods"]


async def test_kubectl_top_shows_it(tmp_path: Path) -> None:
    from tests.apiserver.test_kubectl import KUBECTL, kubectl_serving

    if KUBECTL is None:
        pytest.skip("kubectl is not installed")
    store, deps = measured()
    async with kubectl_serving(make_app(store, deps, token=TOKEN), tmp_path) as kubectl:
        pods = await kubectl("top", "pods", "--containers")
        nodes = await kubectl("top", "nodes")
    rows = [line.split() for line in pods.splitlines()]
    assert ["web", "app", "124m", "64Mi"] in rows
    assert ["lateen", "125m", "6%", "80Mi", "1%"] in [line.split() for line in nodes.splitlines()]
