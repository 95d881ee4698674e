"""One simulated cluster per test."""

from __future__ import annotations

import pytest

from tests.cluster.simulated import Cluster


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()
