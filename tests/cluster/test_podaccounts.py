"""A new pod has a volume with its account's token in it, as Kubernetes' admission gives it."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.base.origin import ObjectKey
from lateen.check.accounts import with_account
from lateen.cluster.controlling import Controllers
from tests.cluster.simulated import MACHINE, Cluster, deployment

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
SHOP = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}"


def account(*, automount: str = "true") -> str:
    return f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: web, namespace: shop}}
automountServiceAccountToken: {automount}
"""


LONE = """
apiVersion: v1
kind: Pod
metadata: {name: lone, namespace: shop}
spec: {serviceAccountName: web, containers: [{name: app, image: "app:1"}]}
"""


def with_api(cluster: Cluster) -> Cluster:
    """The cluster once its namespaces have the certificate of an API."""
    cluster.apply(SHOP)
    Controllers(store=cluster.store, clock=cluster.clock, machine=MACHINE, authority="PEM").settle()
    return cluster


def spec_of(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = dict(cluster.store.list(kind="Pod")[0].raw["spec"])
    return found


def test_pods_of_controllers_have_it(cluster: Cluster) -> None:
    with_api(cluster).apply(SHOP, deployment("web"))
    spec = spec_of(cluster)
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert len(volume["name"]) == len("kube-api-access-") + 5
    sources = [next(iter(source)) for source in volume["projected"]["sources"]]
    assert sources == ["serviceAccountToken", "configMap", "downwardAPI"]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount == {"name": volume["name"], "mountPath": MOUNT, "readOnly": True}


def test_a_file_that_says_the_same_again_leaves_the_pod_alone(cluster: Cluster) -> None:
    files = (SHOP, account(), LONE)
    with_api(cluster).apply(*files)
    before = cluster.get("Pod", "lone")
    again = cluster.apply(*files)
    assert cluster.get("Pod", "lone").meta.uid == before.meta.uid
    assert before.key in again.unchanged


@pytest.mark.parametrize(
    ("spec", "automount", "given"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"automountServiceAccountToken": True}, False, True),
        ({"automountServiceAccountToken": False}, True, False),
        ({"serviceAccountName": "unknown"}, True, False),
    ],
)
def test_the_pod_declines_or_else_its_account(
    cluster: Cluster, spec: dict[str, Any], automount: bool, given: bool
) -> None:
    with_api(cluster).apply(SHOP, account(automount=str(automount).lower()))
    made = admitted(cluster, {"serviceAccountName": "web", "containers": [{"name": "app"}]} | spec)
    assert bool(made.get("volumes")) == given


def test_what_is_mounted_there_already_stays(cluster: Cluster) -> None:
    with_api(cluster)
    own = {"name": "app", "volumeMounts": [{"name": "own", "mountPath": MOUNT}]}
    spec = {"volumes": [{"name": "own", "emptyDir": {}}], "containers": [own]}
    assert admitted(cluster, spec) == spec
    beside = {**spec, "containers": [own, {"name": "other"}]}
    assert [v["name"][:4] for v in admitted(cluster, beside)["volumes"]] == ["own", "kube"]


def test_without_an_api_there_is_nothing_to_give(cluster: Cluster) -> None:
    cluster.apply(SHOP, account())
    assert "volumes" not in admitted(cluster, {"containers": [{"name": "app"}]})


def admitted(cluster: Cluster, spec: dict[str, Any]) -> dict[str, Any]:
    key = ObjectKey(group="", kind="Pod", namespace="shop", name="new")
    made: dict[str, Any] = with_account({"spec": spec}, key, cluster.store.get)["spec"]
    return made
