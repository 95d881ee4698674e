"""A store of each make, with the same clock and uids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lateen.base.clock import FakeClock
from lateen.store.core import ObjectStore
from lateen.store.memory import MemoryStore
from lateen.store.sqlite import SqliteStore
from tests.store.trees import counted_uids


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[ObjectStore]:
    made: ObjectStore
    if request.param == "memory":
        made = MemoryStore(clock=clock, make_uid=counted_uids(), history=8)
    else:
        path = tmp_path / "store.db"
        made = SqliteStore.open(path, clock=clock, make_uid=counted_uids(), history=8)
    yield made
    made.close()
