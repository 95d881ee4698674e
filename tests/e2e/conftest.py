"""One mesh for all end-to-end tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lateen.node.launch import supported

from tests.e2e.harness import Mesh

FOLDER = Path(__file__).parent / "mesh"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, and say why it cannot run where it cannot."""
    why = supported()
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def mesh() -> Iterator[Mesh]:
    """The shared mesh of tests/e2e/mesh."""
    running = Mesh(FOLDER)
    try:
        running.up()
        yield running
    finally:
        running.end()
