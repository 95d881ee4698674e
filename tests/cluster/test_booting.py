"""A new sandbox: nothing that ran before runs, and what had ended stays told."""

from __future__ import annotations

from lateen.cluster.booting import forget_boot
from lateen.cluster.pods import pod_of
from tests.cluster.simulated import Cluster, deployment, job

ALONE = """
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: shop}
spec: {containers: [{name: app, image: "app:1"}]}
"""


def test_controlled_pods_are_made_anew(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    cluster.run()
    (before,) = cluster.pods()
    forget_boot(cluster.store)
    cluster.settle()
    (after,) = cluster.pods()
    assert after.meta.uid != before.meta.uid


def test_a_pod_alone_is_started_again(cluster: Cluster) -> None:
    cluster.apply(ALONE)
    cluster.run()
    before = cluster.get("Pod", "alone")
    forget_boot(cluster.store)
    cluster.settle()
    after = cluster.get("Pod", "alone")
    assert after.meta.uid == before.meta.uid
    assert pod_of(after).status.phase == "Pending"
    assert pod_of(after).status.container_statuses == ()
    assert pod_of(after).status.pod_ip


def test_what_a_job_has_done_is_not_done_again(cluster: Cluster) -> None:
    cluster.apply(job("work", "completions: 2"))
    cluster.end_pod()
    (ended,) = [p for p in cluster.pods() if pod_of(p).status.phase == "Succeeded"]
    forget_boot(cluster.store)
    cluster.settle()
    assert cluster.get("Pod", ended.key.name).meta.uid == ended.meta.uid
    cluster.end_pod()
    assert cluster.get("Job", "work").raw["status"]["succeeded"] == 2


def test_a_job_interrupted_by_the_end_of_the_mesh_has_not_failed(cluster: Cluster) -> None:
    cluster.apply(job("work", "backoffLimit: 0"))
    cluster.run()
    cluster.delete("Pod", cluster.pods()[0].key.name)
    forget_boot(cluster.store)
    cluster.settle()
    assert cluster.get("Job", "work").raw["status"].get("failed", 0) == 0
    assert len(cluster.pods()) == 1
