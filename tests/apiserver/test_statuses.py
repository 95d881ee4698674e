"""What is written to the status subresource is checked."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.apiserver.app import make_app
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import deployment, deps_for, namespace, pod, store_with

pytestmark = pytest.mark.anyio
Tree = dict[str, Any]
MERGE = {"Content-Type": "application/merge-patch+json"}
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def ended() -> Tree:
    tree = pod("job")
    tree["spec"]["restartPolicy"] = "Never"
    tree["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 1}}
    return tree


def service() -> Tree:
    metadata = {"name": "web", "namespace": "default"}
    spec = {"ports": [{"port": 80}], "type": "ClusterIP"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


RUNNING = {"name": "app", "ready": True, "restartCount": 1, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("tree", "path", "status", "words"),
    [
        (
            deployment("web"),
            DEPLOYMENT,
            {"replicas": -1},
            "status.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            deployment("web"),
            DEPLOYMENT,
            {"replicas": 1, "readyReplicas": 2},
            "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        ),
        (
            deployment("web"),
            DEPLOYMENT,
            {"replicas": 3, "availableReplicas": 2, "readyReplicas": 1},
            "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas",
        ),
        (deployment("web"), DEPLOYMENT, {"replicas": "many"}, "status.replicas: Invalid value: "),
        (
            namespace("calm"),
            "/api/v1/namespaces/calm",
            {"phase": "Terminating"},
            "status.phase: Invalid value: \"Terminating\": may only be 'Terminating' if "
            "`deletionTimestamp` is not empty",
        ),
        (
            ended(),
            "/api/v1/namespaces/default/pods/job",
            {"containerStatuses": [RUNNING]},
            "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated",
        ),
        (
            service(),
            "/api/v1/namespaces/default/services/web",
            {"loadBalancer": {"ingress": [{"ip": "nowhere"}]}},
            "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is",
        ),
    ],
)
async def test_a_wrong_status_is_refused(tree: Tree, path: str, status: Tree, words: str) -> None:
    store = store_with(tree)
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        code, body = await asked(
            client, "PATCH", f"{path}/status", json={"status": status}, headers=MERGE
        )
        assert code == 422
        assert words in body["message"]


@pytest.mark.parametrize(
    "status", [{"podIPs": 3}, {"containerStatuses": ["x"]}, {"replicas": True}]
)
async def test_a_hostile_status_is_no_fault_of_ours(status: Tree) -> None:
    store = store_with(ended())
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        path = "/api/v1/namespaces/default/pods/job/status"
        code, _ = await asked(client, "PATCH", path, json={"status": status}, headers=MERGE)
        assert code < 500


async def test_a_right_one_is_stored() -> None:
    store = store_with(deployment("web"))
    status = {"replicas": 3, "readyReplicas": 2, "availableReplicas": 1, "observedGeneration": 1}
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        code, body = await asked(
            client, "PATCH", f"{DEPLOYMENT}/status", json={"status": status}, headers=MERGE
        )
        assert (code, body["status"]) == (200, status)
