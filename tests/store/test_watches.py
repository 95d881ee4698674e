"""Watches and transactions: who hears of what, when."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from lateen.base.errors import Expired
from lateen.store.core import ObjectStore
from lateen.store.watching import LogWatch
from tests.store.trees import config_map


class ChangedMyMind(Exception):
    """A caller gives up its transaction."""


async def heard(watch: LogWatch, count: int) -> list[str]:
    """The next events, as `ADDED name@revision`."""
    events = [await asyncio.wait_for(anext(watch), timeout=5) for _ in range(count)]
    return [f"{e.type} {e.obj.key.name}@{e.revision}" for e in events]


async def silent(watch: LogWatch) -> bool:
    """Whether the watch has nothing to say now."""
    waiting = asyncio.ensure_future(anext(watch))
    for _ in range(3):
        await asyncio.sleep(0)
    quiet = not waiting.done()
    waiting.cancel()
    return quiet


@pytest.mark.anyio
async def test_a_watch_hears_every_change_in_order(store: ObjectStore) -> None:
    store.put(config_map("before"))
    async with store.watch() as watch:
        key = store.put(config_map("a")).key
        store.put(config_map("a", x="1"))
        store.delete(key)
        assert await heard(watch, 3) == ["ADDED a@2", "MODIFIED a@3", "DELETED a@4"]
        assert await silent(watch)


@pytest.mark.anyio
async def test_a_waiting_reader_is_woken(store: ObjectStore) -> None:
    async with store.watch() as watch:
        waiting = asyncio.ensure_future(heard(watch, 1))
        await asyncio.sleep(0)
        store.put(config_map("a"))
        assert await waiting == ["ADDED a@1"]


@pytest.mark.anyio
async def test_a_watch_can_begin_in_the_past(store: ObjectStore) -> None:
    for name in "abc":
        store.put(config_map(name))
    async with store.watch(since=1) as watch:
        assert await heard(watch, 2) == ["ADDED b@2", "ADDED c@3"]


@pytest.mark.anyio
async def test_an_equal_write_wakes_nobody(store: ObjectStore) -> None:
    store.put(config_map("a"))
    async with store.watch() as watch:
        store.put(config_map("a"))
        assert await silent(watch)


@pytest.mark.anyio
async def test_a_watch_that_asks_for_too_much_is_expired(store: ObjectStore) -> None:
    for number in range(20):
        store.put(config_map("a", n=str(number)))
    with pytest.raises(Expired):
        store.watch(since=1)
    with pytest.raises(Expired):
        store.watch(since=99)
    async with store.watch(since=store.revision - 8) as watch:
        assert (await heard(watch, 8))[0] == "MODIFIED a@13"


@pytest.mark.anyio
async def test_a_slow_watcher_is_ended_and_others_go_on(store: ObjectStore) -> None:
    async with store.watch() as slow, store.watch() as quick:
        for number in range(20):
            store.put(config_map("a", n=str(number)))
            await heard(quick, 1)
        with pytest.raises(Expired):
            await anext(slow)


@pytest.mark.anyio
async def test_a_closed_watch_ends(store: ObjectStore) -> None:
    watch = store.watch()
    reading = asyncio.ensure_future(_all(watch))
    await asyncio.sleep(0)
    watch.close()
    assert await reading == 0


async def _all(watch: LogWatch) -> int:
    return len([event async for event in watch])


@pytest.mark.anyio
async def test_watchers_see_a_transaction_only_after_its_end(store: ObjectStore) -> None:
    async with store.watch() as watch:
        with store.transaction():
            store.put(config_map("a"))
            store.put(config_map("b"))
            assert len(store.list()) == 2
            assert await silent(watch)
        assert await heard(watch, 2) == ["ADDED a@1", "ADDED b@2"]


@pytest.mark.anyio
async def test_a_failed_transaction_never_was(store: ObjectStore) -> None:
    kept = store.put(config_map("kept", x="1"))
    store.write_note("n", b"1")
    async with store.watch() as watch:
        with contextlib.suppress(ChangedMyMind), store.transaction():
            store.put(config_map("kept", x="2"))
            store.put(config_map("new"))
            store.delete(kept.key)
            store.write_note("n", b"2")
            raise ChangedMyMind
        assert store.list() == (kept,)
        assert store.read_note("n") == b"1"
        assert store.revision == 1
        assert await silent(watch)


def test_a_failed_inner_transaction_takes_only_its_own_writes_along(store: ObjectStore) -> None:
    with store.transaction():
        store.put(config_map("outer"))
        with contextlib.suppress(ChangedMyMind), store.transaction():
            store.put(config_map("inner"))
            raise ChangedMyMind
        store.put(config_map("after"))
    assert [o.key.name for o in store.list()] == ["after", "outer"]
    assert store.revision == 2


@pytest.mark.anyio
async def test_what_is_new_can_be_read_in_pieces(store: ObjectStore) -> None:
    async with store.watch() as watch:
        assert list(watch.read(10)) == []
        for number in range(5):
            store.put(config_map(f"m{number}"))
        assert await watch.wait()
        assert [e.obj.key.name for e in watch.read(3)] == ["m0", "m1", "m2"]
        assert [e.obj.key.name for e in watch.read(3)] == ["m3", "m4"]
    assert not await watch.wait()
