"""DaemonSets: one pod on every node that should have one."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.api.sets import DaemonSetStatus
from lateen.cluster.daemonsets import daemonset_of
from lateen.cluster.nodes import NODE
from lateen.cluster.pods import is_ready, is_terminating, pod_of
from tests.cluster.simulated import Cluster


def daemonset(image: str = "agent:1", *, more: str = "", spec: str = "") -> str:
    return f"""
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: agent}}}}
  {more}
  template:
    metadata: {{labels: {{app: agent}}}}
    spec: {{containers: [{{name: app, image: "{image}"}}] {spec}}}
"""


def status(cluster: Cluster) -> DaemonSetStatus:
    return daemonset_of(cluster.get("DaemonSet", "agent")).status


def add_node(cluster: Cluster, name: str, **spec: Any) -> None:
    raw = cluster.get("Node", NODE, namespace="").raw
    metadata = {"name": name, "labels": raw["metadata"]["labels"]}
    cluster.store.put({**raw, "metadata": metadata, "spec": spec})
    cluster.settle()


def images(cluster: Cluster) -> list[str]:
    return sorted(
        pod_of(p).spec.containers[0].image for p in cluster.pods() if not is_terminating(p)
    )


def test_each_node_has_one_pod(cluster: Cluster) -> None:
    cluster.apply(daemonset())
    cluster.run()
    (pod,) = cluster.pods()
    assert pod_of(pod).spec.node_name == NODE
    add_node(cluster, "second")
    cluster.run()
    assert sorted(pod_of(p).spec.node_name for p in cluster.pods()) == [NODE, "second"]
    now = status(cluster)
    assert (now.desired_number_scheduled, now.number_ready, now.number_available) == (2, 2, 2)
    assert now.updated_number_scheduled == 2


def test_a_cordoned_node_keeps_it_and_a_tainted_one_gets_none(cluster: Cluster) -> None:
    cluster.apply(daemonset())
    add_node(cluster, "cordoned", unschedulable=True)
    add_node(cluster, "tainted", taints=[{"key": "gpu", "effect": "NoSchedule"}])
    cluster.run()
    assert sorted(pod_of(p).spec.node_name for p in cluster.pods()) == ["cordoned", NODE]


def test_a_node_selector_may_leave_it_without_a_node(cluster: Cluster) -> None:
    cluster.apply(daemonset(spec=", nodeSelector: {disk: ssd}"))
    assert cluster.pods() == ()
    assert status(cluster).desired_number_scheduled == 0
    cluster.apply(daemonset())
    cluster.run()
    cluster.apply(daemonset(spec=", nodeSelector: {disk: ssd}"))
    assert status(cluster).number_misscheduled == 1
    cluster.run()
    assert cluster.pods() == ()


def test_an_update_takes_away_no_more_pods_at_a_time_than_allowed(cluster: Cluster) -> None:
    cluster.apply(daemonset())
    add_node(cluster, "second")
    add_node(cluster, "third")
    cluster.run()
    cluster.apply(daemonset("agent:2"))
    while cluster.node_step():
        away = [p for p in cluster.pods() if is_terminating(p) or not is_ready(p)]
        assert len(away) <= 1
    assert images(cluster) == ["agent:2"] * 3


def test_with_a_surge_the_old_pod_ends_when_the_new_one_is_available(cluster: Cluster) -> None:
    surge = "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"
    cluster.apply(daemonset(more=surge))
    cluster.run()
    cluster.apply(daemonset("agent:2", more=surge))
    assert images(cluster) == ["agent:1", "agent:2"]
    cluster.node_step(ready=False)
    assert images(cluster) == ["agent:1", "agent:2"]
    cluster.run()
    assert images(cluster) == ["agent:2"]


def test_on_delete_waits_until_somebody_deletes_the_pod(cluster: Cluster) -> None:
    lazy = "updateStrategy: {type: OnDelete}"
    cluster.apply(daemonset(more=lazy))
    cluster.run()
    cluster.apply(daemonset("agent:2", more=lazy))
    cluster.run()
    assert images(cluster) == ["agent:1"]
    cluster.delete("Pod", cluster.pods()[0].key.name)
    cluster.run()
    assert images(cluster) == ["agent:2"]


@pytest.mark.anyio
async def test_it_counts_only_after_min_ready_seconds(cluster: Cluster) -> None:
    cluster.apply(daemonset(more="minReadySeconds: 20"))
    cluster.run()
    assert (status(cluster).number_ready, status(cluster).number_available) == (1, 0)
    assert cluster.due() == 20
    await cluster.clock.advance(20)
    cluster.settle()
    assert status(cluster).number_available == 1


def test_its_templates_are_remembered(cluster: Cluster) -> None:
    for image in ("agent:1", "agent:2"):
        cluster.apply(daemonset(image))
        cluster.run()
    revisions = cluster.store.list(group="apps", kind="ControllerRevision", namespace="shop")
    assert sorted(r.raw["revision"] for r in revisions) == [1, 2]
