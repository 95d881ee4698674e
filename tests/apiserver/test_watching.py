"""Watches: every change once, through selectors, resumable, with bookmarks and 410."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.apiserver.selectors import parse_selection
from lateen.apiserver.targets import parse_target
from lateen.apiserver.watching import View
from lateen.store.interface import Event, EventType
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import config_map, deps_for, pod, store_with

pytestmark = pytest.mark.anyio
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def watched(client: Client, path: str, count: int, **headers: str) -> list[dict[str, Any]]:
    """The first events of a watch."""
    async with client.get(path, headers=headers) as answer:
        assert answer.status == 200
        return [json.loads(await answer.content.readline()) for _ in range(count)]


def names(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(e["type"], e["object"]["metadata"].get("name", "")) for e in events]


async def test_a_watch_from_a_revision_misses_nothing() -> None:
    store = store_with(config_map("old"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        _, listed = await asked(client, "GET", MAPS)
        since = listed["metadata"]["resourceVersion"]
        await asked(client, "POST", MAPS, json=config_map("new"))
        await asked(client, "PUT", f"{MAPS}/old", json=config_map("old", a="1"))
        await asked(client, "DELETE", f"{MAPS}/new")
        events = await watched(client, f"{MAPS}?watch=true&resourceVersion={since}", 3)
    assert names(events) == [("ADDED", "new"), ("MODIFIED", "old"), ("DELETED", "new")]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == [int(since) + n for n in (1, 2, 3)]


async def test_a_watch_without_a_revision_begins_with_what_is_there() -> None:
    store = store_with(config_map("a"), config_map("b"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        events = await watched(client, f"{MAPS}?watch=1", 2)
        query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        query += "&allowWatchBookmarks=true"
        streamed = await watched(client, f"{MAPS}?{query}", 3)
    assert names(events) == [("ADDED", "a"), ("ADDED", "b")]
    assert streamed[2]["type"] == "BOOKMARK"
    mark = streamed[2]["object"]["metadata"]
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_revision_long_gone_is_410() -> None:
    store = MemoryStore(history=2)
    for n in range(6):
        store.put(config_map(f"m{n}"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        (event,) = await watched(client, f"{MAPS}?watch=1&resourceVersion=1", 1)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_a_watch_can_be_a_table() -> None:
    store = store_with(pod("web-1"))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        (event,) = await watched(client, "/api/v1/pods?watch=1", 1, Accept=accept)
    assert event["object"]["kind"] == "Table"
    assert event["object"]["rows"][0]["cells"][:3] == ["web-1", "2/2", "Running"]


async def test_a_watch_ends_after_its_time() -> None:
    store = store_with()
    async with (
        client_of(make_app(store, deps_for(store), token=TOKEN)) as client,
        client.get(f"{MAPS}?watch=1&resourceVersion=1&timeoutSeconds=1") as answer,
    ):
        assert await answer.read() == b""


async def test_an_object_that_leaves_the_selection_is_deleted_for_its_watcher() -> None:
    store = store_with(pod("a", app="x"), pod("b", app="y"))
    target = parse_target("/api/v1/pods")
    assert target is not None
    view = View(target=target, selection=parse_selection(target.kind, "app=x", ""))
    changes = store.watch()

    async def seen(tree: dict[str, Any]) -> str | None:
        store.put(tree)
        return view.event(await anext(changes))

    assert await seen(pod("a", app="y")) == "DELETED"
    assert await seen(pod("a", app="z")) is None
    assert await seen(pod("a", app="x")) == "ADDED"
    assert await seen(pod("a", app="x", more="1")) == "MODIFIED"
    assert await seen(pod("b", app="z")) is None
    assert await seen(config_map("c")) is None


async def test_what_was_before_an_earlier_life_counts_as_shown() -> None:
    target = parse_target("/api/v1/pods")
    assert target is not None
    view = View(target=target, selection=parse_selection(target.kind, "app=x", ""))
    obj = store_with(pod("a", app="y")).list(kind="Pod")[0]
    event = Event(type=EventType.MODIFIED, obj=obj, revision=9)
    assert view.event(event) == "DELETED"


async def test_a_watch_tells_at_its_end_where_to_go_on() -> None:
    store = store_with(config_map("a"))
    query = "watch=1&resourceVersion=1&timeoutSeconds=1&allowWatchBookmarks=true"
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        added, mark = await watched(client, f"{MAPS}?{query}", 2)
    assert (added["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    assert mark["object"]["metadata"]["resourceVersion"] == "2"


async def test_a_watcher_that_falls_too_far_behind_is_told_in_the_stream() -> None:
    store = MemoryStore(history=2)
    store.put(config_map("m"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        query = "watch=1&resourceVersion=1"
        async with client.get(f"{MAPS}?{query}") as answer:
            for n in range(9):
                store.put(config_map("m", a=str(n)))
            event = json.loads(await answer.content.readline())
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_one_object_can_be_watched_by_its_name() -> None:
    store = store_with(config_map("a"), config_map("b"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        events = await watched(client, f"{MAPS}/b?watch=1", 1)
    assert names(events) == [("ADDED", "b")]


async def test_metadata_alone_can_be_watched() -> None:
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    store = store_with(config_map("a", x="1"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        (event,) = await watched(client, f"{MAPS}?watch=1", 1, Accept=accept)
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]
