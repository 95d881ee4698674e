"""The loop: it follows every change, rests when nothing is wanted, and stays quick when much is there."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from lateen.base.clock import FakeClock
from lateen.cluster.applying import apply_files
from lateen.cluster.controlling import Controllers
from lateen.cluster.deletion import delete_object
from lateen.cluster.pods import pod_of
from lateen.cluster.podstatus import merge_report
from lateen.cluster.waking import controlling
from lateen.store.memory import MemoryStore
from tests.cluster.simulated import MACHINE, Cluster, deployment, read, status_of


def fresh_of(cluster: Cluster) -> Controllers:
    return Controllers(store=cluster.store, clock=cluster.clock, machine=MACHINE)


@asynccontextmanager
async def controlled(store: MemoryStore, clock: FakeClock) -> AsyncIterator[None]:
    task = asyncio.create_task(controlling(store, clock))
    await turns()
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_the_loop_follows_changes() -> None:
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    async with controlled(store, clock):
        apply_files(store, read(deployment("web", replicas=2)), clock)
        await turns()
        pods = store.list(kind="Pod")
        assert len(pods) == 2
        assert all(pod_of(p).status.pod_ip for p in pods)
        delete_object(store, store.list(kind="Deployment")[0].key, clock)
        await turns()
        assert store.list(kind="Pod") == ()


@pytest.mark.anyio
async def test_the_loop_looks_again_when_only_time_has_passed() -> None:
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    async with controlled(store, clock):
        apply_files(store, read(deployment("web", more="minReadySeconds: 30")), clock)
        await turns()
        (pod,) = store.list(kind="Pod")
        store.put_status(pod.key, merge_report(pod, status_of(pod), clock.now()))
        await turns()
        (web,) = store.list(kind="Deployment")
        assert web.raw["status"].get("availableReplicas", 0) == 0
        await clock.advance(31)
        await turns()
        (web,) = store.list(kind="Deployment")
        assert web.raw["status"]["availableReplicas"] == 1


@pytest.mark.anyio
async def test_the_loop_catches_up_after_more_changes_than_the_feed_holds() -> None:
    clock = FakeClock()
    store = MemoryStore(clock=clock, history=4)
    async with controlled(store, clock):
        apply_files(store, read(*(deployment(f"web-{n}") for n in range(20))), clock)
        await turns()
        assert len(store.list(kind="Pod")) == 20


def calls_for_one_pods_change(workloads: int) -> int:
    """How many functions are called when one pod of so many workloads has become ready."""
    cluster = Cluster()
    services = (
        "apiVersion: v1\nkind: Service\n"
        f"metadata: {{name: s{n}, namespace: shop}}\n"
        f"spec: {{selector: {{app: w{n}}}, ports: [{{port: 80}}]}}"
        for n in range(workloads)
    )
    cluster.apply(*services, *(deployment(f"w{n}") for n in range(workloads)))
    pod = cluster.pods()[0]
    cluster.store.put_status(pod.key, merge_report(pod, status_of(pod), cluster.clock.now()))
    profile = cProfile.Profile()
    profile.runcall(cluster.controllers.settle)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def test_one_pods_change_costs_no_more_than_a_glance_at_every_other_workload() -> None:
    few, many = calls_for_one_pods_change(10), calls_for_one_pods_change(110)
    assert (many - few) / 100 < 1000, "no other workload is reconciled, which takes thousands"


def test_a_settled_world_wants_nothing_even_of_fresh_controllers(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2), deployment("api"))
    cluster.run()
    assert cluster.due() is None
    revision = cluster.store.revision
    assert fresh_of(cluster).settle() is None
    assert cluster.store.revision == revision
