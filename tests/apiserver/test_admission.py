"""What a namespace says of newcomers, as clients of the API meet it."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.base.clock import SystemClock
from lateen.cluster.controlling import Controllers
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import deployment, deps_for, namespace, pod, store_with

pytestmark = pytest.mark.anyio
Tree = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def secured(**labels: str) -> Tree:
    tree = namespace("default")
    named = {f"pod-security.kubernetes.io/{mode}": level for mode, level in labels.items()}
    tree["metadata"]["labels"] = named
    return tree


def new_pod(name: str, **security: Any) -> Tree:
    tree = pod(name)
    del tree["status"]
    tree["spec"] = {"containers": [{"name": "app", "image": "web", "securityContext": security}]}
    return tree


async def test_a_level_warns_in_a_header_and_enforced_refuses() -> None:
    store = store_with(secured(enforce="baseline", warn="restricted"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        status, body = await asked(client, "POST", PODS, json=new_pod("bad", privileged=True))
        assert (status, body["reason"]) == (403, "Forbidden")
        assert body["message"].startswith('pods "bad" is forbidden: violates PodSecurity "baseline')
        async with client.post(PODS, json=new_pod("fine")) as answer:
            assert answer.status == 201
            assert 'would violate PodSecurity \\"restricted:latest' in answer.headers["Warning"]
        path = "/apis/apps/v1/namespaces/default/deployments"
        async with client.post(path, json=deployment("web")) as answer:
            assert answer.status == 201
            assert "would violate PodSecurity" in " ".join(answer.headers.getall("Warning"))


async def test_a_quota_is_told_and_kept() -> None:
    metadata = {"name": "team", "namespace": "default"}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata,
        "spec": {"hard": {"pods": "1", "count/deployments.apps": "1"}},
    }
    store = store_with(quota)
    path = "/apis/apps/v1/namespaces/default/deployments"
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        assert (await asked(client, "POST", PODS, json=new_pod("one")))[0] == 201
        status, body = await asked(client, "POST", PODS, json=new_pod("two"))
        assert status == 403
        assert body["message"] == (
            'pods "two" is forbidden: exceeded quota: team, requested: pods=1, used: pods=1, limited: '
            "pods=1"
        )
        assert (await asked(client, "POST", path, json=deployment("a")))[0] == 201
        assert (await asked(client, "POST", path, json=deployment("b")))[0] == 403
        Controllers(store=store, clock=SystemClock()).settle()
        _, found = await asked(client, "GET", "/api/v1/namespaces/default/resourcequotas/team")
        assert found["status"]["used"] == {"pods": "1", "count/deployments.apps": "1"}
