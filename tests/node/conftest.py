"""One sandbox per kind of user for all tests of this folder: they share it, each with pods of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lateen.node import launch
from tests.node.sandboxed import Sandbox, users


@pytest.fixture(scope="session", params=users(), ids=lambda user: user.name)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if why := launch.supported():
        pytest.skip(why)
    running = Sandbox(request.param)
    yield running
    running.close()
