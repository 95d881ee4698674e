"""A change of a manifest wakes the reader; other changes do not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from watchfiles import Change

from lateen.sources.watching import ManifestFilter, watching


@pytest.mark.parametrize(
    ("change", "path", "matters"),
    [
        (Change.modified, "a.yaml", True),
        (Change.added, "deep/er/b.yml", True),
        (Change.deleted, "c.json", True),
        (Change.modified, "lateen.yaml", True),
        (Change.modified, "kustomization.yaml", True),
        (Change.deleted, "deep", True),
        (Change.modified, "README.md", False),
        (Change.modified, ".a.yaml.swp", False),
        (Change.modified, "node_modules/a.yaml", False),
        (Change.modified, ".git/a.yaml", False),
        (Change.modified, "../outside.yaml", False),
    ],
)
def test_what_matters(tmp_path: Path, change: Change, path: str, matters: bool) -> None:
    only = ManifestFilter([tmp_path])
    assert only(change, str((tmp_path / path).resolve())) is matters


def test_a_single_file_is_watched_through_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    only = ManifestFilter([tmp_path / "a.txt"])
    assert only.watched == (tmp_path,)
    assert not only.has_folders
    assert only(Change.added, str(tmp_path / "a.txt"))
    assert not only(Change.added, str(tmp_path / "b.yaml"))


async def _writes(path: Path) -> None:
    """Write anew until cancelled: the first write may come before the watch has begun."""
    number = 0
    while True:
        path.write_text(f"# {number}\n")
        number += 1
        await asyncio.sleep(0.05)


def test_a_change_is_yielded_and_stop_ends_it(tmp_path: Path) -> None:
    async def first() -> frozenset[str]:
        stop = asyncio.Event()
        writing = asyncio.create_task(_writes(tmp_path / "a.yaml"))
        (tmp_path / "b.txt").write_text("")
        seen: frozenset[str] = frozenset()
        async for changed in watching([str(tmp_path)], stop=stop):
            seen = changed
            stop.set()
        writing.cancel()
        return seen

    assert asyncio.run(asyncio.wait_for(first(), 10)) == {str(tmp_path / "a.yaml")}


def test_nothing_to_watch_ends_at_once() -> None:
    async def count() -> int:
        return len([changed async for changed in watching(["-"])])

    assert asyncio.run(count()) == 0
