"""Pods find the API: Service `kubernetes`, and in each namespace the certificate to know it by."""

from __future__ import annotations

from lateen.cluster.controlling import Controllers
from tests.cluster.simulated import MACHINE, Cluster, namespace_key, read

SHOP = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}"
OTHERS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def settle(cluster: Cluster, authority: str = "PEM") -> None:
    controllers = Controllers(
        store=cluster.store, clock=cluster.clock, machine=MACHINE, authority=authority
    )
    controllers.settle()


def test_the_service_leads_to_the_sandboxs_own_door(cluster: Cluster) -> None:
    settle(cluster)
    spec = cluster.get("Service", "kubernetes", "default").raw["spec"]
    assert spec["clusterIP"] == "198.19.0.1"
    assert [(p["name"], p["port"], p["targetPort"]) for p in spec["ports"]] == [
        ("https", 443, 6443)
    ]
    piece = cluster.get("EndpointSlice", "kubernetes", "default").raw
    assert piece["endpoints"][0]["addresses"] == ["198.18.0.1"]
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == "kubernetes"


def test_its_address_is_given_to_no_other(cluster: Cluster) -> None:
    cluster.apply(OTHERS)
    settle(cluster)
    other = cluster.get("Service", "web", "default").raw["spec"]["clusterIP"]
    assert other not in ("", "198.19.0.1")


def test_what_somebody_deletes_or_changes_comes_back(cluster: Cluster) -> None:
    settle(cluster)
    wanted = cluster.get("Service", "kubernetes", "default").raw["spec"]
    (changed,) = read(
        OTHERS.replace("web", "kubernetes").replace("80", "81"),
    )
    cluster.store.put(changed.raw)
    cluster.delete("EndpointSlice", "kubernetes", "default")
    settle(cluster)
    assert cluster.get("Service", "kubernetes", "default").raw["spec"] == wanted
    assert cluster.find("EndpointSlice", "kubernetes", "default") is not None


def test_each_namespace_has_the_certificate_and_follows_its_renewal(cluster: Cluster) -> None:
    cluster.apply(SHOP)
    settle(cluster)
    settle(cluster, "NEWER")
    for namespace in ("default", "istio-system", "shop"):
        found = cluster.get("ConfigMap", "kube-root-ca.crt", namespace)
        assert found.raw["data"] == {"ca.crt": "NEWER"}


def test_it_does_not_keep_a_namespace_from_leaving(cluster: Cluster) -> None:
    cluster.apply(SHOP)
    settle(cluster)
    cluster.delete("Namespace", "shop", "")
    settle(cluster)
    assert cluster.store.get(namespace_key("shop")) is None
    assert cluster.store.list(namespace="shop") == ()


def test_without_an_api_there_is_nothing_to_find(cluster: Cluster) -> None:
    cluster.settle()
    assert cluster.find("Service", "kubernetes", "default") is None
