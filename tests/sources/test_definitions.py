"""Definitions and objects of their kinds in the same files, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lateen.api.kinds import register, registry
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.check.admission import admit
from lateen.cluster.applying import Applied, apply_files
from lateen.sources.files import read_paths
from lateen.store.interface import Store
from lateen.store.memory import MemoryStore
from lateen.store.sqlite import SqliteStore
from tests.apiserver.definitions import crontab, definition

KEY = ObjectKey(group="example.com", kind="CronTab", namespace="default", name="nightly")


@pytest.fixture(autouse=True)
def _nothing_stays_defined() -> Iterator[None]:
    yield
    register(())


def write(folder: Path, name: str, *trees: object) -> None:
    (folder / name).write_text(yaml.safe_dump_all(trees))


def applied(store: Store, folder: Path) -> Applied:
    admission = admit(read_paths([str(folder)]).decoded)
    return apply_files(store, admission.objects, FakeClock(), keep=admission.refused)


@pytest.mark.parametrize("names", [("a.yaml", "b.yaml"), ("b.yaml", "a.yaml")])
def test_in_any_order(tmp_path: Path, names: tuple[str, str]) -> None:
    write(tmp_path, names[0], definition())
    write(tmp_path, names[1], crontab())
    loaded = read_paths([str(tmp_path)])
    assert loaded.problems == ()
    store = MemoryStore()
    applied(store, tmp_path)
    found = store.get(KEY)
    assert found is not None
    assert found.raw["spec"]["replicas"] == 1
    assert applied(store, tmp_path).changed == ()


def test_a_fault_is_told_with_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", crontab(replicas=99))
    write(tmp_path, "b.yaml", definition())
    (problem,) = read_paths([str(tmp_path)]).problems
    assert "should be less than or equal to 10" in problem.message
    place = problem.origin.place
    assert place is not None
    assert (Path(place.file).name, place.line) == ("a.yaml", 7)


def test_a_broken_rule_is_told_too(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", crontab(minReplicas=5))
    write(tmp_path, "b.yaml", definition())
    admission = admit(read_paths([str(tmp_path)]).decoded)
    assert ["too few replicas" in p.message for p in admission.problems] == [True]
    assert KEY in admission.refused


def test_without_its_definition_an_object_is_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", crontab())
    (problem,) = read_paths([str(tmp_path)]).problems
    assert problem.code == "LAT0001"


def test_when_the_definition_goes_its_objects_go(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", definition())
    write(tmp_path, "b.yaml", crontab())
    store = MemoryStore()
    applied(store, tmp_path)
    (tmp_path / "a.yaml").unlink()
    applied(store, tmp_path)
    assert store.list(group="example.com") == ()
    assert registry().of("example.com", "CronTab") is None


def test_a_store_knows_its_definitions_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore.open(path)
    for tree in (definition(), crontab()):
        store.put(tree)
    store.close()
    register(())
    again = SqliteStore.open(path)
    found = again.get(KEY)
    assert found is not None
    assert registry().of("example.com", "CronTab") is not None
    again.delete(KEY)
    again.delete(again.list(kind="CustomResourceDefinition")[0].key)
    again.close()
    register(())
    SqliteStore.open(path).close()
