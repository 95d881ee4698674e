"""Ephemeral containers come by their own subresource, stay as they are, and come no other way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from lateen.apiserver.app import make_app
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import deployment, deps_for, namespace, pod, store_with

pytestmark = pytest.mark.anyio
PODS = "/api/v1/namespaces/default/pods"
PATH = f"{PODS}/web/ephemeralcontainers"
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
LOOKER = {"name": "looker", "image": "busybox", "targetContainerName": "app", "stdin": True}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    store = store_with(pod("web"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as made:
        yield made


def adding(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"json": {"spec": {"ephemeralContainers": list(containers)}}, "headers": STRATEGIC}


async def test_one_is_added_as_kubectl_debug_does_and_nothing_else_changes(client: Client) -> None:
    patch = adding(LOOKER)
    patch["json"]["spec"]["nodeName"] = "elsewhere"
    status, made = await asked(client, "PATCH", PATH, **patch)
    assert status == 200
    assert made["spec"]["ephemeralContainers"] == [LOOKER]
    assert made["spec"].get("nodeName") != "elsewhere"
    _, found = await asked(client, "GET", PATH)
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_another_comes_beside_it_by_a_put(client: Client) -> None:
    _, made = await asked(client, "PATCH", PATH, **adding(LOOKER))
    made["spec"]["ephemeralContainers"].append({"name": "second", "image": "busybox"})
    status, made = await asked(client, "PUT", PATH, json=made)
    assert status == 200
    assert [c["name"] for c in made["spec"]["ephemeralContainers"]] == ["looker", "second"]


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (LOOKER | {"image": "other"}, 'existing ephemeral containers "looker" may not be changed'),
        ({"name": "x", "image": "y", "ports": [{"containerPort": 1}]}, "ports: Forbidden: cannot"),
        ({"name": "x", "image": "y", "targetContainerName": "none"}, 'Not found: "none"'),
        ({"name": "app", "image": "y"}, 'Duplicate value: "app"'),
        ({"name": "x"}, "image: Required value"),
    ],
)
async def test_what_cannot_be_is_refused_in_kubernetes_words(
    client: Client, container: dict[str, Any], words: str
) -> None:
    await asked(client, "PATCH", PATH, **adding(LOOKER))
    status, body = await asked(client, "PATCH", PATH, **adding(container))
    assert (status, body["reason"]) == (422, "Invalid")
    assert words in body["message"]


async def test_none_goes_again(client: Client) -> None:
    _, made = await asked(client, "PATCH", PATH, **adding(LOOKER))
    del made["spec"]["ephemeralContainers"]
    status, body = await asked(client, "PUT", PATH, json=made)
    assert status == 422
    assert 'existing ephemeral containers "looker" may not be removed' in body["message"]


async def test_none_comes_with_a_new_pod_a_template_or_by_the_pod_itself(client: Client) -> None:
    new = pod("other")
    new["spec"]["ephemeralContainers"] = [{"name": "x", "image": "y"}]
    status, body = await asked(client, "POST", PODS, json=new)
    assert (status, "cannot be set on create" in body["message"]) == (422, True)
    status, body = await asked(client, "PATCH", f"{PODS}/web", **adding(LOOKER))
    assert (status, "pod updates may not change" in body["message"]) == (422, True)
    many = deployment("web")
    many["spec"]["template"]["spec"]["ephemeralContainers"] = [{"name": "x", "image": "y"}]
    path = "/apis/apps/v1/namespaces/default/deployments"
    status, body = await asked(client, "POST", path, json=many)
    assert (status, "not allowed in pod template" in body["message"]) == (422, True)


async def test_an_enforced_level_holds_for_them_too() -> None:
    safe = namespace("default")
    safe["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "baseline"}
    store = store_with(safe, pod("web"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        bad = LOOKER | {"securityContext": {"privileged": True}}
        status, body = await asked(client, "PATCH", PATH, **adding(bad))
        assert (status, "violates PodSecurity" in body["message"]) == (403, True)


async def test_discovery_names_the_subresource(client: Client) -> None:
    _, body = await asked(client, "GET", "/api/v1")
    found = next(r for r in body["resources"] if r["name"] == "pods/ephemeralcontainers")
    assert found["verbs"] == ["get", "patch", "update"]
