"""A mesh that cannot start says why and ends, in the foreground as well as detached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import FOLDER
from tests.e2e.harness import Mesh
from tests.e2e.test_resilience import leftovers


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Mesh]:
    """A mesh with a store that no control plane can open."""
    shutil.copy(FOLDER / "k8s/00-namespace.yaml", tmp_path)
    mesh = Mesh(tmp_path)
    mesh.state.mkdir(mode=0o700, parents=True)
    (mesh.state / "store.db").write_bytes(b"not a database, but long enough to be one" * 100)
    try:
        yield mesh
    finally:
        mesh.end()


@pytest.mark.parametrize("options", [("-d",), ()], ids=["detached", "foreground"])
def test_a_control_plane_that_cannot_start_is_given_up(
    options: tuple[str, ...], broken: Mesh
) -> None:
    ports = ("--port", f"80={broken.http}", "--port", f"443={broken.https}")
    ended = broken.lateen("up", str(broken.folder), *options, *ports, check=False)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("lateen: the control plane ended with status 1"), ended.stderr
    assert f"its log is {broken.state}/logs/control.log" in last
    assert "not a database" in last, "the cause stands last in the log"
    assert leftovers(broken) == []
