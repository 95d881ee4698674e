"""A kind in an older form of the API: written and read in it, kept in the new one."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.apiserver.app import make_app
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import deps_for, store_with

pytestmark = pytest.mark.anyio
OLD = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
NEW = OLD.replace("/v1/", "/v2/")
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_autoscaler_in_its_two_forms() -> None:
    store = store_with()
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        spec: dict[str, Any] = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 80,
        }
        tree = {"metadata": {"name": "web"}, "spec": spec}
        status, made = await asked(client, "POST", OLD, json=tree)
        assert (status, made["apiVersion"]) == (201, "autoscaling/v1"), made
        assert made["spec"] == spec | {"minReplicas": 1}
        _, found = await asked(client, "GET", f"{NEW}/web")
        target = {"type": "Utilization", "averageUtilization": 80}
        resource = {"name": "cpu", "target": target}
        assert found["spec"]["metrics"] == [{"type": "Resource", "resource": resource}]
        patch = {"spec": {"targetCPUUtilizationPercentage": 50}}
        status, _ = await asked(client, "PATCH", f"{OLD}/web", json=patch, headers=MERGE)
        assert status == 200
        _, listed = await asked(client, "GET", NEW)
        resource = listed["items"][0]["spec"]["metrics"][0]["resource"]
        assert resource["target"]["averageUtilization"] == 50
        _, document = await asked(client, "GET", "/openapi/v2")
        kinds = document["definitions"]["OldAutoscaler"]["x-kubernetes-group-version-kind"]
        assert [kind["version"] for kind in kinds] == ["v1"]
