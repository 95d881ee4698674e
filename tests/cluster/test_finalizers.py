"""Finalizers: an object that somebody still has to tidy up after stays, marked, until they have."""

from __future__ import annotations

from lateen.cluster.deletion import delete_object
from lateen.cluster.pods import is_done, is_terminating
from tests.cluster.simulated import Cluster

MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop, finalizers: [example.com/tidy]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: lone, namespace: shop, finalizers: [example.com/tidy]}
spec: {containers: [{name: app, image: "app:1"}]}
"""


def release(cluster: Cluster, kind: str, name: str) -> None:
    raw = cluster.get(kind, name).raw
    metadata = {k: v for k, v in raw["metadata"].items() if k != "finalizers"}
    cluster.store.put({**raw, "metadata": metadata})
    cluster.settle()


def test_it_is_marked_and_goes_with_its_last_finalizer(cluster: Cluster) -> None:
    cluster.apply(MAP)
    cluster.delete("ConfigMap", "settings")
    marked = cluster.get("ConfigMap", "settings")
    assert is_terminating(marked)
    again = delete_object(cluster.store, marked.key, cluster.clock)
    assert again.revision == marked.revision
    release(cluster, "ConfigMap", "settings")
    assert cluster.find("ConfigMap", "settings") is None


def test_taking_the_finalizer_from_what_shall_stay_deletes_nothing(cluster: Cluster) -> None:
    cluster.apply(MAP)
    release(cluster, "ConfigMap", "settings")
    assert cluster.find("ConfigMap", "settings") is not None


def test_a_pod_ends_first_and_then_waits_for_its_finalizers(cluster: Cluster) -> None:
    cluster.apply(POD)
    cluster.run()
    cluster.delete("Pod", "lone")
    cluster.node_step()
    ended = cluster.get("Pod", "lone")
    assert is_terminating(ended)
    assert is_done(ended)
    release(cluster, "Pod", "lone")
    assert cluster.find("Pod", "lone") is None


def test_a_pod_without_its_finalizer_still_waits_for_the_node(cluster: Cluster) -> None:
    cluster.apply(POD)
    cluster.run()
    cluster.delete("Pod", "lone")
    release(cluster, "Pod", "lone")
    assert is_terminating(cluster.get("Pod", "lone"))
    cluster.node_step()
    assert cluster.find("Pod", "lone") is None


def test_a_pod_that_never_ran_counts_as_failed_while_it_is_held(cluster: Cluster) -> None:
    cluster.apply(POD)
    cluster.delete("Pod", "lone")
    assert is_done(cluster.get("Pod", "lone"))
