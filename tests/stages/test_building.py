"""What a pod learns of the build of its image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lateen.base.errors import BuildFailed
from lateen.base.problem import Level
from lateen.build.built import Built
from lateen.build.source import ImageSource
from lateen.stages import building
from lateen.stages.building import Building


def test_a_fault_of_ours_ends_the_build_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object, **__: object) -> Built:
        raise PermissionError(13, "Permission denied", "/closed")

    (tmp_path / "requirements.txt").touch()

    async def shown() -> Built | str | None:
        changed = asyncio.Event()
        made = Building(cache=tmp_path, changed=changed.set)
        made.look_in({"shop/web": ImageSource(build=tmp_path)}, ())
        assert made.result("shop/web") is None
        await changed.wait()
        return made.result("shop/web")

    monkeypatch.setattr(building, "build", failing)
    assert "Permission denied: '/closed'" in str(asyncio.run(shown()))


def a_build(digest: str) -> Built:
    return Built(
        image="shop/web",
        entrypoint=("app",),
        cmd=(),
        cwd="/",
        env=(),
        mounts=(),
        ports=(),
        user="",
        warnings=(),
        digest=digest,
    )


class Script:
    """Builds come out as told, one after the other."""

    def __init__(self, *results: Built | BuildFailed) -> None:
        self._results = list(results)

    async def __call__(self, *_: object, **__: object) -> Built:
        await asyncio.sleep(0)
        result = self._results.pop(0)
        if isinstance(result, BuildFailed):
            raise result
        return result


class Mesh:
    """Builds whose folder `web` changes when told to, and what became of each."""

    def __init__(self, folder: Path) -> None:
        self.web = folder / "web"
        self.web.mkdir()
        (self.web / "requirements.txt").touch()
        self._changes: asyncio.Queue[frozenset[Path]] = asyncio.Queue()
        self._done: asyncio.Queue[None] = asyncio.Queue()
        self.rebuilt: list[str] = []
        self.building = Building(
            cache=folder / "cache",
            changed=lambda: self._done.put_nowait(None),
            rebuilt=self.rebuilt.append,
        )
        self.building.look_in({"shop/web": ImageSource(build=self.web)}, ())

    async def changed_paths(
        self, folders: object, *, stop: object
    ) -> AsyncIterator[frozenset[Path]]:
        """In place of the kernel's watches."""
        assert folders == {self.web}
        while True:
            yield await self._changes.get()

    async def first(self) -> None:
        self.building.result("shop/web")
        await self._done.get()

    async def change(self, path: Path) -> None:
        self._changes.put_nowait(frozenset([path]))
        await self._done.get()


def run_mesh(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: Script,
    scene: Callable[[Mesh], Awaitable[None]],
) -> None:
    async def run() -> None:
        mesh = Mesh(folder)
        monkeypatch.setattr(building, "build", script)
        monkeypatch.setattr(building, "source_changes", mesh.changed_paths)
        async with asyncio.timeout(10):
            await mesh.first()
            watching = asyncio.create_task(mesh.building.rebuilding())
            await scene(mesh)
        watching.cancel()

    asyncio.run(run())


def test_a_changed_source_is_built_anew_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(mesh: Mesh) -> None:
        await mesh.change(mesh.web / "app.py")
        assert mesh.building.result("shop/web") == a_build("two")
        assert mesh.rebuilt == ["shop/web"]

    run_mesh(tmp_path, monkeypatch, Script(a_build("one"), a_build("two")), scene)


def test_a_change_that_gives_the_same_image_rolls_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(mesh: Mesh) -> None:
        await mesh.change(mesh.web / "notes.txt")
        assert mesh.rebuilt == []

    run_mesh(tmp_path, monkeypatch, Script(a_build("one"), a_build("one")), scene)


def test_what_was_built_before_goes_on_while_the_source_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(mesh: Mesh) -> None:
        await mesh.change(mesh.web / "app.py")
        assert mesh.building.result("shop/web") == a_build("one")
        (problem,) = mesh.building.problems()
        assert "shop/web: cannot be built anew, the older build goes on: no" in problem.message
        assert mesh.building.outputs() == {"shop/web": "ImportError"}
        await mesh.change(mesh.web / "app.py")
        assert mesh.building.problems() == ()
        assert mesh.building.outputs() == {}
        assert mesh.rebuilt == ["shop/web"]

    script = Script(a_build("one"), BuildFailed("no such module", "ImportError"), a_build("two"))
    run_mesh(tmp_path, monkeypatch, script, scene)


def test_a_build_that_failed_is_tried_again_when_its_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(mesh: Mesh) -> None:
        assert mesh.building.result("shop/web") == "no such module"
        await mesh.change(mesh.web / "Dockerfile")
        assert mesh.building.result("shop/web") == a_build("one")

    run_mesh(tmp_path, monkeypatch, Script(BuildFailed("no such module"), a_build("one")), scene)


def test_what_a_build_leaves_out_of_its_dockerfile_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned = replace(a_build("one"), warnings=("web/Dockerfile:3: not carried out: x",))

    async def scene(mesh: Mesh) -> None:
        (problem,) = mesh.building.problems()
        assert problem.level is Level.WARNING
        assert problem.message == "image shop/web: web/Dockerfile:3: not carried out: x"

    run_mesh(tmp_path, monkeypatch, Script(warned), scene)
