"""Quotas hold for the pods controllers make, and what is used is kept."""

from __future__ import annotations

from typing import Any

from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.cluster.controlling import Controllers
from lateen.store.memory import MemoryStore
from tests.apiserver.world import deployment, namespace

Tree = dict[str, Any]
QUOTA = ObjectKey(group="", kind="ResourceQuota", namespace="default", name="team")


def quota(**hard: str) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team", "namespace": "default"},
        "spec": {"hard": hard},
    }


def settled(*trees: Tree) -> tuple[MemoryStore, Controllers]:
    store = MemoryStore()
    for tree in (namespace("default"), *trees):
        store.put(tree)
    controllers = Controllers(store=store, clock=FakeClock())
    controllers.settle()
    return store, controllers


def test_only_as_many_pods_as_the_quota_allows_and_more_when_it_grows() -> None:
    store, controllers = settled(deployment("web", replicas=3), quota(pods="2"))
    assert len(store.list(kind="Pod")) == 2
    found = store.get(QUOTA)
    assert found is not None
    assert found.raw["status"] == {"hard": {"pods": "2"}, "used": {"pods": "2"}}
    said = [e.raw for e in store.list(kind="Event") if e.raw["reason"] == "FailedCreate"]
    assert len(said) == 1
    assert "exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2" in str(said[0])
    store.put(quota(pods="3"))
    controllers.settle()
    assert len(store.list(kind="Pod")) == 3


def test_pods_of_controllers_get_the_namespaces_defaults() -> None:
    limits = {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]}
    bounds = quota() | {"kind": "LimitRange", "spec": limits}
    store, _ = settled(deployment("web"), bounds)
    (pod,) = store.list(kind="Pod")
    assert pod.raw["spec"]["containers"][0]["resources"] == {
        "limits": {"memory": "64Mi"},
        "requests": {"memory": "64Mi"},
    }


def test_a_level_that_is_enforced_holds_for_them_too() -> None:
    closed = namespace("default")
    closed["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    store, _ = settled(closed, deployment("web"))
    assert store.list(kind="Pod") == ()
    assert any("violates PodSecurity" in e.raw["message"] for e in store.list(kind="Event"))
