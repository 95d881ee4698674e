"""What the console may look at: objects without their secrets, their events, the lines that made a piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from lateen.api.decode import decode_raw
from lateen.api.objects import FieldPlaces
from lateen.apiserver.lookingroutes import looking_routes
from lateen.apiserver.placing import with_places
from lateen.base.origin import ObjectKey
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import Client, client_of
from tests.apiserver.world import deps_for, pod, store_with, virtual_service

pytestmark = pytest.mark.anyio
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "door",
        "namespace": "default",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "aHVudGVyMg=="},
    },
    "data": {"password": "aHVudGVyMg=="},
}
EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "web-1.a", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web-1"},
    "reason": "Unhealthy",
    "message": "it does not answer",
    "type": "Warning",
    "count": 3,
    "lastTimestamp": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def store_of_all() -> MemoryStore:
    store = store_with(pod("web-1"), SECRET, EVENT)
    obj, _ = decode_raw(virtual_service("web", ("web", 100)), places=None)
    assert obj is not None
    places = {"": (1, 1), "spec.http[0]": (7, 5)}
    store.put(obj.raw, places=FieldPlaces(file="vs.yaml", places=places))
    return store


@asynccontextmanager
async def looking() -> AsyncIterator[Client]:
    store = store_of_all()

    def holders(key: ObjectKey) -> dict[str, Any]:
        return {"proxies": [{"namespace": "default", "pod": key.name, "acknowledged": True}]}

    app = web.Application()
    app.router.add_routes(looking_routes(store, replace(deps_for(store), holders=holders), "/x"))
    async with client_of(app) as client:
        yield client


async def answer_of(client: Client, path: str) -> Any:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_there_is_a_row_for_each_object_that_people_care_about() -> None:
    async with looking() as client:
        rows = (await answer_of(client, "/x/objects"))["objects"]
    found = {(row["kind"], row["name"]): row for row in rows}
    assert ("Secret", "door") in found
    assert not any(kind == "Event" for kind, _ in found)
    assert found["VirtualService", "web"]["place"] == "vs.yaml:1"


async def test_nothing_of_a_secret_is_shown_but_the_names_of_its_keys() -> None:
    async with looking() as client, client.get("/x/objects/-/Secret/default/door") as answer:
        text = await answer.text()
        tree = (await answer.json())["object"]
    assert "aHVudGVyMg" not in text
    assert tree["data"] == {"password": "[redacted]"}


async def test_an_object_comes_with_its_lines_and_the_proxies_that_run_it() -> None:
    path = "/x/objects/networking.istio.io/VirtualService/default/web"
    async with looking() as client:
        whole = await answer_of(client, path)
    assert whole["places"] == {"file": "vs.yaml", "lines": {"": 1, "spec.http[0]": 7}}
    assert whole["proxies"] == [{"namespace": "default", "pod": "web", "acknowledged": True}]
    assert "managedFields" not in whole["object"]["metadata"]


async def test_events_are_found_by_what_they_are_about() -> None:
    async with looking() as client:
        path = "/x/object-events?namespace=default"
        assert [e["count"] for e in (await answer_of(client, f"{path}&name=web"))["events"]] == [3]
        for words in ("name=other", "kind=Node", "namespace=none"):
            address = f"/x/object-events?namespace=default&{words}"
            if words.startswith("namespace"):
                address = f"/x/object-events?{words}"
            assert (await answer_of(client, address))["events"] == []


def test_each_piece_of_configuration_says_in_which_line_it_was_made() -> None:
    store = store_of_all()
    tree = {
        "routes": [
            {"lateen": {"origin": "VirtualService default/web spec.http[0].route[0]"}},
            {"lateen": {"origin": "Service default/none"}},
            {"lateen": {"origin": "lateen built in"}},
        ]
    }
    made = with_places(tree, store)
    assert [route["lateen"]["place"] for route in made["routes"]] == ["vs.yaml:7", "", ""]
