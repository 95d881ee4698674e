"""Lists in pieces, and which revision they show."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.apiserver.listing import Snapshots
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import config_map, deps_for, store_with

pytestmark = pytest.mark.anyio
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def app_of(store: MemoryStore) -> Any:
    return make_app(store, deps_for(store), token=TOKEN)


def names(found: Any) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]


async def test_pieces_show_the_list_as_it_was_at_the_first() -> None:
    store = store_with(*(config_map(name, a="1") for name in "bdf"))
    async with client_of(app_of(store)) as client:
        _, first = await asked(client, "GET", f"{MAPS}?limit=1")
        assert first["metadata"]["remainingItemCount"] == 2
        store.put(config_map("a"))
        store.put(config_map("c"))
        store.put(config_map("d", a="2"))
        store.delete(store.list(kind="ConfigMap")[-1].key)
        token = first["metadata"]["continue"]
        _, second = await asked(client, "GET", f"{MAPS}?limit=1&continue={token}")
        assert (names(second), second["items"][0]["data"]) == (["d"], {"a": "1"})
        token = second["metadata"]["continue"]
        _, third = await asked(client, "GET", f"{MAPS}?limit=1&continue={token}")
        assert names(third) == ["f"]
        assert "continue" not in third["metadata"]
        revisions = {x["metadata"]["resourceVersion"] for x in (first, second, third)}
        assert revisions == {"4"}


async def test_a_forgotten_snapshot_is_410_with_a_way_on() -> None:
    store = store_with(*(config_map(name) for name in "ab"))
    async with client_of(app_of(store)) as client:
        _, first = await asked(client, "GET", f"{MAPS}?limit=1")
        store.put(config_map("c"))
    async with client_of(app_of(store)) as client:  # another life remembers no list
        token = first["metadata"]["continue"]
        status, answer = await asked(client, "GET", f"{MAPS}?limit=1&continue={token}")
        assert (status, answer["reason"]) == (410, "Expired")
        assert "too old to display a consistent list" in answer["message"]
        going_on = answer["metadata"]["continue"]
        _, rest = await asked(client, "GET", f"{MAPS}?continue={going_on}")
        assert names(rest) == ["b", "c"]


def test_only_the_newest_snapshots_are_kept() -> None:
    snapshots = Snapshots(most=2)
    for revision in (1, 2, 3):
        snapshots.keep(revision, ("", "Pod", ""), ())
    assert snapshots.find(1, ("", "Pod", "")) is None
    assert snapshots.find(3, ("", "Pod", "")) == ()


async def test_a_list_is_at_least_as_new_as_was_asked_for() -> None:
    store = store_with(config_map("a"))
    async with client_of(app_of(store)) as client:
        for query in (
            "resourceVersion=0",
            "resourceVersion=1",
            "resourceVersion=1&resourceVersionMatch=NotOlderThan",
            "resourceVersion=2&resourceVersionMatch=Exact",
        ):
            assert names((await asked(client, "GET", f"{MAPS}?{query}"))[1]) == ["a"]
        status, answer = await asked(client, "GET", f"{MAPS}?resourceVersion=99")
        assert (status, answer["reason"]) == (504, "Timeout")
        assert answer["message"] == "Too large resource version: 99, current: 2"
        cause = answer["details"]["causes"][0]["reason"]
        assert cause == "ResourceVersionTooLarge"
        assert (await asked(client, "GET", f"{MAPS}/a?resourceVersion=99"))[0] == 504


async def test_an_exact_revision_that_is_gone_is_410() -> None:
    store = store_with(config_map("a"))
    async with client_of(app_of(store)) as client:
        query = "resourceVersion=1&resourceVersionMatch=Exact"
        status, answer = await asked(client, "GET", f"{MAPS}?{query}")
    assert (status, answer["message"]) == (
        410,
        "The resourceVersion for the provided list is too old.",
    )


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ("resourceVersionMatch=Exact", 422, "forbidden unless resourceVersion is provided"),
        ("resourceVersion=1&resourceVersionMatch=Newer", 422, "Unsupported value"),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422, '"exact" is forbidden'),
        ("continue=x&resourceVersionMatch=Exact", 422, "forbidden when continue is provided"),
        ("continue=x&resourceVersion=1", 400, "not allowed when using continue"),
        ("continue=bm9uZQ==", 400, "continue key is not valid"),
        ("sendInitialEvents=true", 422, "forbidden for list"),
        ("watch=1&sendInitialEvents=true", 422, "requires setting resourceVersionMatch"),
        ("watch=1&resourceVersionMatch=NotOlderThan", 422, "forbidden for watch unless"),
        ("resourceVersion=soon", 400, "wanted a whole number"),
    ],
)
async def test_options_that_do_not_go_together_are_refused(
    query: str, code: int, said: str
) -> None:
    async with client_of(app_of(store_with())) as client:
        status, answer = await asked(client, "GET", f"{MAPS}?{query}")
    assert status == code
    assert said in answer["message"]


async def metadata_list(client: Client, accept: str) -> tuple[int, Any]:
    return await asked(client, "GET", MAPS, headers={"Accept": accept})


async def test_metadata_alone_can_be_listed() -> None:
    async with client_of(app_of(store_with(config_map("a", x="1")))) as client:
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        _, found = await metadata_list(client, accept)
        assert found["kind"] == "PartialObjectMetadataList"
        assert found["items"][0]["kind"] == "PartialObjectMetadata"
        assert "data" not in found["items"][0]


async def test_protobuf_is_refused_so_that_clients_take_json() -> None:
    wire = "application/vnd.kubernetes.protobuf"
    async with client_of(app_of(store_with())) as client:
        assert (await metadata_list(client, wire))[0] == 406
        assert (await metadata_list(client, f"{wire},application/json"))[0] == 200
        status, answer = await asked(
            client, "POST", MAPS, data=b"k8s\x00", headers={"Content-Type": wire}
        )
    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")
