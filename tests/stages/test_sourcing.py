"""What is sound in the files reaches the store; what is not leaves the store as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lateen.base.clock import FakeClock
from lateen.base.problem import Level
from lateen.build.source import ImageSource
from lateen.stages.sourcing import Request, Sourcing
from lateen.store.memory import MemoryStore

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec:
  ports: [{port: 80}]
"""


@pytest.fixture(autouse=True)
def folder_is_put_back() -> Iterator[None]:
    """Reading changes the working directory, which is the whole process's."""
    before = Path.cwd()
    yield
    os.chdir(before)


class Files:
    """A folder of YAML, and the store it is read into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore(clock=FakeClock())
        self.images: dict[str, ImageSource] = {}
        self.searched: tuple[Path, ...] = ()
        self.sourcing = Sourcing(store=self.store, clock=FakeClock(), look_in=self.look_in)

    def look_in(self, images: dict[str, ImageSource], folders: tuple[Path, ...]) -> None:
        self.images, self.searched = images, folders

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def read(self, *, stdin: str = "") -> None:
        paths = ("-",) if stdin else (str(self.folder),)
        self.sourcing.read(Request(paths=paths, stdin=stdin, folder=str(self.folder)))

    def services(self) -> dict[str, int]:
        """The port of each service in the store."""
        return {
            obj.key.name: obj.raw["spec"]["ports"][0]["port"]
            for obj in self.store.list(kind="Service", namespace="shop")
        }

    def errors(self) -> list[str]:
        return [str(p) for p in self.sourcing.problems if p.level is Level.ERROR]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def service(name: str) -> str:
    return SERVICE.replace("NAME", name)


def test_the_store_follows_the_files(files: Files) -> None:
    assert not files.sourcing.applied
    files.write("a.yaml", service("a") + "---" + service("b"))
    files.read()
    assert files.sourcing.applied
    assert files.services() == {"a": 80, "b": 80}
    files.write("a.yaml", service("a").replace("80", "81"))
    files.read()
    assert files.services() == {"a": 81}


def test_a_bad_edit_is_named_and_the_object_stays_as_it_was(files: Files) -> None:
    files.write("a.yaml", service("a"))
    files.write("b.yaml", service("b"))
    files.read()
    files.write("a.yaml", service("a").replace("port: 80", "port: 80000"))
    files.write("b.yaml", service("b").replace("80", "81"))
    files.read()
    assert files.services() == {"a": 80, "b": 81}
    assert {error[:9] for error in files.errors()} == {"a.yaml:6:"}, (
        "paths are relative to where the command was given"
    )
    assert [str(key) for key in files.sourcing.refused] == ["Service shop/a"]
    files.write("a.yaml", service("a"))
    files.read()
    assert files.errors() == []
    assert files.sourcing.refused == ()


def test_a_file_that_is_no_yaml_takes_nothing_away(files: Files) -> None:
    files.write("a.yaml", service("a"))
    files.read()
    files.write("a.yaml", "a: [1,\n")
    files.read()
    assert files.services() == {"a": 80}
    assert len(files.errors()) == 1
    (files.folder / "a.yaml").unlink()
    files.read()
    assert files.services() == {}


def test_what_came_another_way_is_left_alone(files: Files) -> None:
    files.store.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "mine", "namespace": "shop"},
            "spec": {"ports": [{"port": 9}]},
        },
        source="api",
    )
    files.write("a.yaml", service("a"))
    files.read()
    files.write("a.yaml", "")
    files.read()
    assert files.services() == {"mine": 9}


def test_stdin_is_read_as_a_file(files: Files) -> None:
    files.read(stdin=service("piped"))
    assert files.services() == {"piped": 80}


def test_the_project_says_where_images_come_from(files: Files) -> None:
    (files.folder / "web").mkdir()
    files.write("lateen.yaml", "images: {shop/web: {build: web}}\n")
    files.write("a.yaml", service("a"))
    files.read()
    assert files.images["shop/web"].build == files.folder / "web"
    assert files.folder in files.searched


def test_a_working_directory_that_is_gone_only_makes_messages_longer(files: Files) -> None:
    files.write("a.yaml", service("a"))
    request = Request(paths=(str(files.folder),), folder=str(files.folder / "gone"))
    files.sourcing.read(request)
    assert files.services() == {"a": 80}
