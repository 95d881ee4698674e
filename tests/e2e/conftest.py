"""One mesh for all end-to-end tests that leave it as it was, and one of an ordinary user's.

Walls, identities and encryption are shown twice when root runs the tests: in a sandbox that root
made, and in one of a user with nothing but user namespaces. Without root there is only the latter.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lateen.node.launch import supported
from tests.e2e import outside
from tests.e2e.harness import Mesh
from tests.e2e.others import STRANGER, ForAll, for_all, python_for_all

FOLDER = Path(__file__).parent / "mesh"
USERS = {
    **dict.fromkeys(
        ("test_walls", "test_security", "test_wire", "test_api_from_pods"), ("root", "rootless")
    ),
    "test_rootless": ("rootless",),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, and say why it cannot run where it cannot."""
    why = supported()
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Say for whom the shared mesh runs."""
    if "mesh" in metafunc.fixturenames:
        users = USERS.get(metafunc.module.__name__.rpartition(".")[2], ("root",))
        mine = ("rootless",) if os.getuid() else users
        metafunc.parametrize("mesh", mine, indirect=True, scope="session")


@pytest.fixture(scope="session")
def everyone() -> Iterator[ForAll]:
    """Lateen and the mesh's files where other users than root can read them."""
    if os.getuid():
        pytest.skip("only root can run lateen as another user")
    python = python_for_all()
    if python is None:
        pytest.skip("no Python 3.11 or newer that an ordinary user can run")
    with for_all(python, FOLDER) as made:
        yield made


@pytest.fixture(scope="session")
def mesh(request: pytest.FixtureRequest) -> Iterator[Mesh]:
    """The shared mesh of tests/e2e/mesh, of this user's or of an ordinary one's."""
    if request.param == "rootless" and os.getuid() == 0:
        everyone: ForAll = request.getfixturevalue("everyone")
        running = Mesh(everyone.mesh, uid=STRANGER, lateen=everyone.lateen)
    else:
        running = Mesh(FOLDER)
    try:
        running.up()
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh of tests/e2e/runtime, whose apps speak many protocols, and a server outside it."""
    folder = tmp_path_factory.mktemp("runtime") / "mesh"
    shutil.copytree(FOLDER.parent / "runtime", folder)
    with outside.serving() as (tcp, web):
        (folder / "outside.yaml").write_text(outside.ENTRY.format(tcp=tcp, web=web))
        running = Mesh(folder)
        try:
            running.up()
            yield running
        finally:
            running.end()
