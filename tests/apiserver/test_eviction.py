"""Evicting a pod: as Kubernetes lets it go, or says 429 in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.base.origin import ObjectKey
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import Calls, deps_for, pod, store_with

pytestmark = pytest.mark.anyio
PODS = "/api/v1/namespaces/default/pods"
WEB = ObjectKey(group="", kind="Pod", namespace="default", name="web")
Tree = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def running(*, ready: bool = True, phase: str = "Running") -> Tree:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return pod("web", app="web") | {"status": {"phase": phase, "conditions": [condition]}}


def budget(name: str = "web", allowed: int = 0, policy: str = "", healthy: int = 2) -> Tree:
    """A budget that wants 2 healthy pods."""
    spec: Tree = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    if policy:
        spec["unhealthyPodEvictionPolicy"] = policy
    status = {
        "observedGeneration": 1,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": 2,
        "expectedPods": 2,
    }
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
        "status": status,
    }


async def evicted(store: MemoryStore, body: Tree | None = None) -> tuple[int, Any, Calls]:
    calls = Calls()
    eviction: Tree = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "web", "namespace": "default"},
    }
    async with client_of(make_app(store, deps_for(store, calls), token=TOKEN)) as client:
        code, said = await asked(
            client, "POST", f"{PODS}/web/eviction", json=eviction | (body or {})
        )
    return code, said, calls


async def test_a_pod_without_a_budget_goes_with_the_grace_asked_for() -> None:
    store = store_with(running())
    code, said, calls = await evicted(store, {"deleteOptions": {"gracePeriodSeconds": 3}})
    assert (code, said["status"]) == (201, "Success")
    assert calls.deleted == [(WEB, 3, "Background")]


async def test_a_budget_keeps_it_in_kubernetes_words() -> None:
    store = store_with(running(), budget())
    code, said, calls = await evicted(store)
    assert (code, said["reason"]) == (429, "TooManyRequests")
    assert said["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    words = "The disruption budget web needs 2 healthy pods and has 2 currently"
    assert said["details"]["causes"] == [{"reason": "DisruptionBudget", "message": words}]
    assert calls.deleted == []


async def test_what_a_budget_allows_is_used_up() -> None:
    store = store_with(running(), budget(allowed=1, healthy=3))
    code, _, calls = await evicted(store)
    assert (code, len(calls.deleted)) == (201, 1)
    (left,) = store.list(kind="PodDisruptionBudget")
    assert left.raw["status"]["disruptionsAllowed"] == 0


async def test_a_dry_run_changes_nothing() -> None:
    store = store_with(running(), budget(allowed=1, healthy=3))
    before = store.revision
    code, _, calls = await evicted(store, {"deleteOptions": {"dryRun": ["All"]}})
    assert (code, calls.deleted, store.revision) == (201, [], before)


@pytest.mark.parametrize(
    ("policy", "healthy", "goes"),
    [("", 2, True), ("", 1, False), ("IfHealthyBudget", 1, False), ("AlwaysAllow", 1, True)],
)
async def test_an_unready_pod_goes_if_its_budget_can_do_without(
    policy: str, healthy: int, goes: bool
) -> None:
    store = store_with(running(ready=False), budget(policy=policy, healthy=healthy))
    code, _, _ = await evicted(store)
    assert code == (201 if goes else 429)


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_who_does_not_run_needs_no_budget(phase: str) -> None:
    code, _, _ = await evicted(store_with(running(phase=phase), budget()))
    assert code == 201


async def test_a_budget_not_reckoned_yet_is_to_be_asked_again() -> None:
    tree = budget(allowed=1)
    tree["status"]["observedGeneration"] = 0
    code, said, _ = await evicted(store_with(running(), tree))
    assert (code, said["details"]["retryAfterSeconds"]) == (429, 10)


async def test_faults_are_kubernetes_own() -> None:
    store = store_with(running(), budget("a", allowed=1), budget("b", allowed=1))
    code, said, _ = await evicted(store)
    assert (code, "more than one PodDisruptionBudget" in said["message"]) == (500, True)
    code, said, _ = await evicted(store, {"metadata": {"name": "other"}})
    assert (code, said["message"]) == (400, "name in URL does not match name in Eviction object")
    code, _, _ = await evicted(store_with())
    assert code == 404


async def test_discovery_says_that_drain_can_evict() -> None:
    async with client_of(make_app(store := store_with(), deps_for(store), token=TOKEN)) as client:
        _, said = await asked(client, "GET", "/api/v1")
    (entry,) = (r for r in said["resources"] if r["name"] == "pods/eviction")
    assert (entry["kind"], entry["group"], entry["version"]) == ("Eviction", "policy", "v1")
