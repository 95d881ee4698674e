"""Whatever is sent, the API answers: no 5xx, no traceback, no hang."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from lateen.apiserver.app import make_app
from tests.apiserver.hostile import SLOWEST, attacked, hostile, judged
from tests.apiserver.serve import TOKEN, client_of
from tests.apiserver.world import deps_for

pytestmark = pytest.mark.anyio
COUNT = 1_500


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_hostile_requests_are_refused_or_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    rng = random.Random(3)  # noqa: S311 - repeatable, not secret
    store = attacked()
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        for number in range(COUNT):
            asked = hostile(rng)
            headers = {"Content-Type": asked.content_type} if asked.content_type else {}
            async with (
                asyncio.timeout(SLOWEST),
                client.request(
                    asked.method, asked.path, data=asked.body or None, headers=headers
                ) as answer,
            ):
                wrong = judged(answer.status, answer.content_type, await answer.read())
            assert not wrong, f"{number}: {wrong}: {asked}"
    assert not caplog.records
