"""Orphans find an owner, and who no longer looks like it leaves its owner."""

from __future__ import annotations

from typing import Any

from lateen.api.objects import Obj
from lateen.cluster.pods import is_terminating
from tests.cluster.simulated import Cluster, deployment
from tests.cluster.test_scheduling import pod
from tests.cluster.test_statefulsets import statefulset

REPLICASET = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "app:1"}]}
"""


def owner(obj: Obj) -> str:
    return next((o.name for o in obj.meta.owner_references if o.controller), "")


def relabelled(cluster: Cluster, obj: Obj, **labels: Any) -> None:
    """Labels of an object are changed by hand."""
    raw = cluster.get(obj.key.kind, obj.key.name).raw
    made = {**raw["metadata"]["labels"], **labels}
    kept = {key: value for key, value in made.items() if value is not None}
    cluster.store.put({**raw, "metadata": {**raw["metadata"], "labels": kept}})
    cluster.settle()


def orphaned(cluster: Cluster, kind: str, name: str, child: str) -> None:
    """The owner goes, and what it owned stays (`--cascade=orphan`)."""
    for obj in cluster.store.list(kind=child, namespace="shop"):
        if owner(obj) == name:
            meta = {k: v for k, v in obj.raw["metadata"].items() if k != "ownerReferences"}
            cluster.store.put({**obj.raw, "metadata": meta})
    cluster.delete(kind, name)


def live(cluster: Cluster) -> list[str]:
    return [p.key.name for p in cluster.pods() if not is_terminating(p)]


def test_a_replica_set_takes_the_pods_it_finds_and_makes_only_the_rest(cluster: Cluster) -> None:
    cluster.apply(pod("mine", labels="{app: web}"), pod("other", labels="{app: db}"))
    cluster.apply(pod("mine", labels="{app: web}"), pod("other", labels="{app: db}"), REPLICASET)
    assert owner(cluster.get("Pod", "mine")) == "web"
    assert owner(cluster.get("Pod", "other")) == ""
    assert sum(name.startswith("web-") for name in live(cluster)) == 1


def test_a_pod_taken_aside_is_replaced_and_comes_back_as_one_too_many(cluster: Cluster) -> None:
    cluster.apply(REPLICASET)
    cluster.run()
    aside = cluster.pods()[0]
    relabelled(cluster, aside, app="look-into")
    assert owner(cluster.get("Pod", aside.key.name)) == ""
    cluster.run()
    assert len(live(cluster)) == 3, "it goes on beside its successor"
    relabelled(cluster, aside, app="web")
    cluster.run()
    assert len(live(cluster)) == 2


def test_a_deployment_made_anew_goes_on_with_what_it_had(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    before = {p.meta.uid for p in cluster.pods()}
    orphaned(cluster, "Deployment", "web", "ReplicaSet")
    assert {p.meta.uid for p in cluster.pods()} == before
    cluster.apply()
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    assert [owner(r) for r in cluster.replicasets()] == ["web"]
    assert {p.meta.uid for p in cluster.pods()} == before, "no pod was made or ended"


def test_a_stateful_set_made_anew_keeps_its_pods_and_takes_no_others(cluster: Cluster) -> None:
    cluster.apply(statefulset(2))
    cluster.run()
    before = {p.meta.uid for p in cluster.pods()}
    orphaned(cluster, "StatefulSet", "db", "Pod")
    stranger = pod("lone", labels="{app: db}")
    cluster.apply(stranger)
    cluster.apply(stranger, statefulset(2))
    cluster.run()
    assert owner(cluster.get("Pod", "lone")) == "", "its name has no number"
    kept = {p.meta.uid for p in cluster.pods() if owner(p) == "db"}
    assert kept == before


def test_a_name_somebody_has_is_not_taken(cluster: Cluster) -> None:
    cluster.apply(pod("db-0", labels="{app: other}"))
    cluster.apply(pod("db-0", labels="{app: other}"), statefulset(1))
    assert cluster.get("Pod", "db-0").meta.labels == {"app": "other"}
    assert cluster.told("StatefulSet", "db") == [
        ("FailedCreate", 'Error creating: pods "db-0" already exists')
    ]
    cluster.delete("Pod", "db-0")
    assert owner(cluster.get("Pod", "db-0")) == "db", "it comes once the name is free"


def test_an_owner_on_its_way_out_adopts_nobody(cluster: Cluster) -> None:
    held = REPLICASET.replace("name: web,", "name: web, finalizers: [example.com/hold],")
    cluster.apply(held.replace("replicas: 2", "replicas: 0"))
    cluster.delete("ReplicaSet", "web")
    cluster.apply(pod("mine", labels="{app: web}"))
    assert owner(cluster.get("Pod", "mine")) == ""
