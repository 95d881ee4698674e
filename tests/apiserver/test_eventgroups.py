"""An Event is one object under two groups, each with names of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import deps_for, store_with

pytestmark = pytest.mark.anyio
Tree = dict[str, Any]
OLD = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
TOLD: Tree = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "told", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
    "reason": "Started",
    "message": "Started container app",
    "source": {"component": "kubelet", "host": "lateen"},
    "firstTimestamp": "2026-01-01T00:00:00Z",
    "lastTimestamp": "2026-01-01T00:05:00Z",
    "count": 3,
    "type": "Normal",
    "reportingComponent": "kubelet",
    "reportingInstance": "lateen",
}
RECORDED: Tree = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "recorded", "namespace": "default"},
    "regarding": {"kind": "Pod", "name": "db", "namespace": "default"},
    "reason": "Synced",
    "note": "all is well",
    "type": "Normal",
    "action": "Sync",
    "eventTime": "2026-01-01T00:00:00.250000Z",
    "reportingController": "example.com/operator",
    "reportingInstance": "operator-0",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store() -> MemoryStore:
    return store_with(TOLD)


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[Client]:
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as made:
        yield made


async def test_what_the_core_group_keeps_the_newer_one_shows(client: Client) -> None:
    status, body = await asked(client, "GET", NEW)
    (event,) = body["items"]
    assert (status, body["kind"]) == (200, "EventList")
    assert event["apiVersion"] == "events.k8s.io/v1"
    assert (event["regarding"]["name"], event["note"]) == ("web", "Started container app")
    assert event["reportingController"] == "kubelet"
    assert event["deprecatedCount"] == 3
    assert event["deprecatedSource"] == {"component": "kubelet", "host": "lateen"}
    assert event["deprecatedLastTimestamp"] == "2026-01-01T00:05:00Z"
    assert not {"involvedObject", "message", "count", "source"} & set(event)


async def test_what_the_newer_one_is_given_the_core_group_shows(client: Client) -> None:
    status, made = await asked(client, "POST", NEW, json=RECORDED)
    assert status == 201
    assert {k: made[k] for k in RECORDED if k != "metadata"} == {
        k: v for k, v in RECORDED.items() if k != "metadata"
    }
    _, core = await asked(client, "GET", f"{OLD}/recorded")
    assert (core["apiVersion"], core["involvedObject"]["name"]) == ("v1", "db")
    assert (core["message"], core["reportingComponent"]) == ("all is well", "example.com/operator")
    _, body = await asked(client, "GET", OLD)
    assert len(body["items"]) == 2


async def test_a_series_is_counted_by_a_patch_and_seen_in_both(client: Client) -> None:
    await asked(client, "POST", NEW, json=RECORDED)
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:10:00.000000Z"}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    body = {"series": series, "note": "again"}
    status, made = await asked(client, "PATCH", f"{NEW}/recorded", json=body, headers=headers)
    assert (status, made["series"], made["note"]) == (200, series, "again")
    _, core = await asked(client, "GET", f"{OLD}/recorded")
    assert (core["series"], core["message"]) == (series, "again")
    assert (await asked(client, "DELETE", f"{NEW}/recorded"))[0] == 200
    assert (await asked(client, "GET", f"{OLD}/recorded"))[0] == 404


@pytest.mark.parametrize(
    ("path", "field"),
    [(OLD, "involvedObject.name"), (NEW, "regarding.name")],
)
async def test_each_is_selected_by_its_own_names(client: Client, path: str, field: str) -> None:
    await asked(client, "POST", NEW, json=RECORDED)
    _, body = await asked(client, "GET", f"{path}?fieldSelector={field}=db,type=Normal")
    assert [e["metadata"]["name"] for e in body["items"]] == ["recorded"]


async def test_a_watch_of_either_hears_of_both(client: Client) -> None:
    _, listed = await asked(client, "GET", NEW)
    since = listed["metadata"]["resourceVersion"]
    for path, told in ((NEW, "regarding"), (OLD, "involvedObject")):
        async with client.get(f"{path}?watch=1&resourceVersion={since}") as answer:
            await asked(client, "POST", NEW, json=RECORDED)
            event = json.loads(await answer.content.readline())
            assert (event["type"], event["object"][told]["name"]) == ("ADDED", "db")


async def test_the_table_is_the_same(client: Client) -> None:
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    tables = [(await asked(client, "GET", path, headers=headers))[1] for path in (OLD, NEW)]
    rows = [table["rows"][0]["cells"][1:] for table in tables]
    assert rows[0] == rows[1]
    assert rows[0][:3] == ["Normal", "Started", "pod/web"]


@pytest.mark.parametrize("field", ["eventTime", "action", "reason", "reportingController"])
async def test_more_is_asked_of_a_new_one(client: Client, field: str) -> None:
    lacking = {key: value for key, value in RECORDED.items() if key != field}
    status, body = await asked(client, "POST", NEW, json=lacking)
    assert (status, f"{field}: Required value" in body["message"]) == (422, True)


async def test_discovery_and_openapi_know_the_group(client: Client) -> None:
    _, body = await asked(client, "GET", "/apis/events.k8s.io/v1")
    assert [r["name"] for r in body["resources"]] == ["events"]
    _, schema = await asked(client, "GET", "/openapi/v3/apis/events.k8s.io/v1")
    assert "regarding" in json.dumps(schema)
