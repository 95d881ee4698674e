"""Namespaces: some are always there, some are made when needed, and they take their content along."""

from __future__ import annotations

import pytest

from lateen.base.errors import StoreError
from lateen.base.problem import Level
from tests.cluster.simulated import Cluster, deployment, namespace_key

SHOP = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}"
WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def names(cluster: Cluster) -> list[str]:
    return [n.key.name for n in cluster.store.list(kind="Namespace")]


def test_two_are_always_there_each_with_an_account(cluster: Cluster) -> None:
    cluster.settle()
    assert names(cluster) == ["default", "istio-system"]
    for name in names(cluster):
        assert cluster.find("ServiceAccount", "default", name) is not None
        namespace = cluster.get("Namespace", name, "")
        assert namespace.meta.labels == {"kubernetes.io/metadata.name": name}
        assert namespace.raw["status"] == {"phase": "Active"}


def test_one_that_nobody_declared_is_made_and_said(cluster: Cluster) -> None:
    applied = cluster.apply(deployment("web"))
    assert "shop" in names(cluster)
    assert cluster.find("ServiceAccount", "default") is not None
    (problem,) = applied.problems
    assert (problem.code, problem.level) == ("LAT0012", Level.INFO)
    assert "namespace shop is not declared" in str(problem)
    assert cluster.apply(deployment("web")).problems == ()


def test_a_declared_one_is_not_remarked_on(cluster: Cluster) -> None:
    assert cluster.apply(deployment("web"), SHOP).problems == ()
    assert cluster.get("Namespace", "shop", "").meta.labels == {
        "kubernetes.io/metadata.name": "shop"
    }


def test_an_account_that_was_deleted_comes_back(cluster: Cluster) -> None:
    cluster.apply(SHOP)
    cluster.delete("ServiceAccount", "default")
    assert cluster.find("ServiceAccount", "default") is not None


def test_one_that_is_deleted_waits_for_its_pods_and_takes_all_along(cluster: Cluster) -> None:
    cluster.apply(SHOP, WEB, deployment("web", replicas=2))
    cluster.run()
    cluster.delete("Namespace", "shop", "")
    assert cluster.get("Namespace", "shop", "").raw["status"] == {"phase": "Terminating"}
    assert {o.key.kind for o in cluster.store.list(namespace="shop")} == {"Pod"}
    cluster.run()
    assert cluster.store.get(namespace_key("shop")) is None
    assert cluster.store.list(namespace="shop") == ()


def test_an_empty_one_goes_at_once(cluster: Cluster) -> None:
    cluster.apply(SHOP)
    cluster.apply()
    assert cluster.store.get(namespace_key("shop")) is None


@pytest.mark.parametrize("name", ["default", "istio-system"])
def test_the_two_cannot_be_deleted(cluster: Cluster, name: str) -> None:
    cluster.settle()
    with pytest.raises(StoreError, match="always there"):
        cluster.delete("Namespace", name, "")


def test_the_two_stay_when_a_file_no_longer_declares_them(cluster: Cluster) -> None:
    cluster.apply(SHOP.replace("shop", "default"))
    cluster.apply()
    assert "default" in names(cluster)
