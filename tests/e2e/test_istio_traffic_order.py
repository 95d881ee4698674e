"""Routes change under load, and no request is lost: what a route leads to is warm before it, and goes after.

A real Envoy, a real ADS stream, up to 400 requests a second. Each change adds a cluster with its endpoints, leads
the route to it, and takes the one before away, all in one snapshot; the order on the wire is ours to keep.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.xds.rig import (
    NODE,
    Rig,
    State,
    answering,
    cluster,
    free_port,
    listener,
    routes,
    running,
    state,
)

pytestmark = pytest.mark.e2e

CHANGES = 1000
BURST = 10  # changes that follow each other without waiting for the proxy
CLIENTS, PAUSE = 8, 0.02  # together up to 400 requests a second


def edition(number: int, port: int, upstream: int) -> State:
    """The shop's route leads to the newest edition of its cluster, and no other is there."""
    name = f"web-{number}"
    return state(
        clusters={name: cluster(name)},
        endpoints={name: upstream},
        listeners={"front": listener("front", port, "80")},
        routes={"80": routes("80", to=name)},
    )


async def _asking(port: int, answers: Counter[str], done: asyncio.Event) -> None:
    async with aiohttp.ClientSession() as session:
        while not done.is_set():
            try:
                async with session.get(f"http://127.0.0.1:{port}/") as answer:
                    answers[f"{answer.status} {await answer.text()}"] += 1
            except aiohttp.ClientError as error:
                answers[repr(error)] += 1
            await asyncio.sleep(PAUSE)


async def _changing(rig: Rig, port: int, upstreams: tuple[int, int]) -> None:
    for number in range(1, CHANGES + 1):
        rig.ads.put(NODE, edition(number, port, upstreams[number % 2]))
        if number <= CHANGES // 2 or number % BURST == 0:
            await rig.programmed()


def test_no_request_is_lost_while_clusters_come_and_go() -> None:
    async def scenario() -> Counter[str]:
        port, answers, done = free_port(), Counter[str](), asyncio.Event()
        async with (
            answering("one") as one,
            answering("two") as two,
            running(edition(0, port, one)) as rig,
        ):
            await rig.programmed()
            asking = [asyncio.create_task(_asking(port, answers, done)) for _ in range(CLIENTS)]
            await _changing(rig, port, (one, two))
            done.set()
            await asyncio.gather(*asking)
            assert rig.refused() == []
        return answers

    answers = asyncio.run(scenario())
    print(f"{CHANGES} changes, {answers.total()} requests: {dict(answers)}")
    assert set(answers) == {"200 one", "200 two"}, answers
