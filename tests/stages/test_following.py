"""Sources are read at their changes, and only then; other paths are watched from when they are given."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lateen.stages.following import Following


class Mesh:
    """Counts how often its sources were read."""

    def __init__(self, *paths: str) -> None:
        self.paths = list(paths)
        self.reads = 0
        self.was_read = asyncio.Event()
        self.following = Following(paths=lambda: self.paths, read=self._read)

    def _read(self) -> None:
        self.reads += 1
        self.was_read.set()

    async def read_after_writing(self, file: Path) -> None:
        """Write until it is noticed: the watch begins at some moment."""
        self.was_read.clear()
        count = 0
        while not self.was_read.is_set():
            file.write_text(f"# {count}\n")
            count += 1
            await asyncio.wait([asyncio.ensure_future(self.was_read.wait())], timeout=0.5)


def test_standard_input_alone_is_read_once_and_leaves_the_loop_free() -> None:
    async def scene() -> int:
        mesh = Mesh("-")
        task = asyncio.create_task(mesh.following.following())
        async with asyncio.timeout(5):
            await mesh.was_read.wait()
            for _ in range(20):
                await asyncio.sleep(0)
        task.cancel()
        return mesh.reads

    assert asyncio.run(scene()) == 1


def test_what_changes_before_the_watch_stands_is_read_once_it_does(tmp_path: Path) -> None:
    async def scene() -> int:
        mesh = Mesh(str(tmp_path))
        task = asyncio.create_task(mesh.following.following())
        async with asyncio.timeout(20):
            for _ in range(2):
                await mesh.was_read.wait()
                mesh.was_read.clear()
        await asyncio.sleep(1.5)
        task.cancel()
        return mesh.reads

    assert asyncio.run(scene()) == 2, "nothing changes: the first time, and when the watch stands"


def test_paths_given_later_are_watched_without_a_change_in_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()

    async def scene() -> None:
        mesh = Mesh(str(first))
        task = asyncio.create_task(mesh.following.following())
        async with asyncio.timeout(20):
            await mesh.read_after_writing(first / "a.yaml")
            mesh.paths = [str(second)]
            mesh.following.look_elsewhere()
            await mesh.read_after_writing(second / "a.yaml")
        task.cancel()

    asyncio.run(scene())
