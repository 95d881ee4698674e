"""Foreground deletion: the owner is the last to go."""

from __future__ import annotations

from lateen.cluster.foreground import FOREGROUND
from lateen.cluster.pods import is_terminating
from tests.cluster.simulated import Cluster

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "app:1"}]}
"""


def test_the_owner_goes_after_all_that_it_owns(cluster: Cluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.run()
    owner = cluster.get("Deployment", "web")
    cluster.store.put(
        {**owner.raw, "metadata": {**owner.raw["metadata"], "finalizers": [FOREGROUND]}}
    )
    cluster.delete("Deployment", "web")
    (pod,) = cluster.store.list(group="", kind="Pod", namespace="shop")
    (replicas,) = cluster.store.list(group="apps", kind="ReplicaSet")
    assert is_terminating(pod)
    assert is_terminating(replicas)
    assert cluster.find("Deployment", "web") is not None
    cluster.node_step()
    cluster.settle()
    assert not cluster.store.list(group="apps")
    assert not cluster.store.list(group="", kind="Pod", namespace="shop")


def test_an_owner_of_nothing_goes_at_once(cluster: Cluster) -> None:
    cluster.apply(f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: lone, namespace: shop, finalizers: [{FOREGROUND}]}}
""")
    cluster.delete("ConfigMap", "lone")
    assert cluster.find("ConfigMap", "lone") is None
