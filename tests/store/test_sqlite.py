"""What only a file can promise: to be there afterwards, privately, with one writer."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lateen.api.objects import FieldPlaces
from lateen.base.errors import EnvironmentFault, Expired
from lateen.store.sqlite import SqliteStore
from tests.store.test_watches import heard
from tests.store.trees import config_map, service

WRITER = """
import sys
from pathlib import Path
from lateen.store.sqlite import SqliteStore

store = SqliteStore.open(Path(sys.argv[1]))
number = 0
while True:
    with store.transaction():
        for twin in ("left", "right"):
            tree = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"n": str(number)}}
            name = f"{twin}-{number}"
            store.put(tree | {"metadata": {"name": name, "namespace": "shop"}})
        store.write_note("last", str(number).encode())
    print(number, store.revision, flush=True)
    number += 1
"""


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore.open(path)
    places = FieldPlaces(file="web.yaml", places={"spec": (4, 1)})
    store.put(service("web", 80), places=places, source="files")
    store.put(config_map("gone"))
    store.delete(store.put(config_map("gone")).key)
    store.write_note("last", b"good")
    objects, revision = store.list(), store.revision
    store.close()

    again = SqliteStore.open(path)
    assert again.list() == objects
    assert again.revision == revision == 3
    assert again.source_of(objects[0].key) == "files"
    assert again.read_note("last") == b"good"
    assert again.put(service("web", 81)).revision == 4
    again.close()


@pytest.mark.anyio
async def test_a_watch_can_begin_before_the_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore.open(path, history=4)
    for number in range(10):
        store.put(config_map("a", n=str(number)))
    store.close()

    again = SqliteStore.open(path, history=4)
    again.put(config_map("b"))
    async with again.watch(since=7) as watch:
        assert (await heard(watch, 4))[-1] == "ADDED b@11"
    with pytest.raises(Expired):
        again.watch(since=3)
    again.close()


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o644)
    store = SqliteStore.open(path)
    store.put(config_map("a"))
    modes = {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()}
    store.close()
    assert modes["store.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_there_is_one_writer(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "store.db")
    with pytest.raises(EnvironmentFault, match="in use"):
        SqliteStore.open(tmp_path / "store.db")
    store.close()
    SqliteStore.open(tmp_path / "store.db").close()


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"precious words, not a database" * 100)
    before = path.read_bytes()
    with pytest.raises(EnvironmentFault, match="no store"):
        SqliteStore.open(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore.open(path).close()
    db = sqlite3.connect(path)
    db.execute("UPDATE schema SET version = 99")
    db.commit()
    db.close()
    with pytest.raises(EnvironmentFault, match="schema 99"):
        SqliteStore.open(path)


def test_kill_9_takes_no_acknowledged_write_and_no_half_transaction(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline() for _ in range(40)]
        writer.kill()
        acknowledged += writer.stdout.readlines()
    number, revision = map(int, [a for a in acknowledged if a.endswith("\n")][-1].split())

    store = SqliteStore.open(path)
    names = {o.key.name for o in store.list()}
    last = int(store.read_note("last") or b"-1")
    assert number <= last <= number + 1
    assert names == {f"{twin}-{n}" for twin in ("left", "right") for n in range(last + 1)}
    assert store.revision >= revision
    store.close()
