"""StatefulSets: numbered pods, in order, each with what is its own."""

from __future__ import annotations

import pytest

from lateen.api.sets import StatefulSetStatus
from lateen.cluster.pods import is_ready, is_terminating, pod_of
from lateen.cluster.revisions import REVISION_LABEL
from lateen.cluster.statefulpods import POD_NAME, statefulset_of
from tests.cluster.simulated import Cluster

CLAIMS = """volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"""


def statefulset(replicas: int = 3, *, image: str = "db:1", more: str = "") -> str:
    return f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, namespace: shop}}
spec:
  serviceName: db
  replicas: {replicas}
  selector: {{matchLabels: {{app: db}}}}
  {more}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: app, image: "{image}", ports: [{{containerPort: 5432}}]}}]}}
"""


def status(cluster: Cluster) -> StatefulSetStatus:
    return statefulset_of(cluster.get("StatefulSet", "db")).status


def names(cluster: Cluster) -> list[str]:
    return [p.key.name for p in cluster.pods() if not is_terminating(p)]


def images(cluster: Cluster) -> dict[str, str]:
    return {p.key.name: pod_of(p).spec.containers[0].image for p in cluster.pods()}


def test_pods_are_made_in_order_each_when_the_one_before_is_ready(cluster: Cluster) -> None:
    cluster.apply(statefulset())
    for count in (1, 2, 3):
        assert names(cluster) == [f"db-{n}" for n in range(count)]
        cluster.node_step()
    pod = pod_of(cluster.get("Pod", "db-1"))
    assert (pod.spec.hostname, pod.spec.subdomain) == ("db-1", "db")
    assert pod.metadata.labels[POD_NAME] == "db-1"
    assert pod.metadata.labels[REVISION_LABEL] == status(cluster).current_revision
    done = status(cluster)
    assert (done.replicas, done.ready_replicas, done.current_replicas) == (3, 3, 3)
    assert ("SuccessfulCreate", "create Pod db-0 in StatefulSet db successful") in cluster.told(
        "StatefulSet", "db"
    )


def test_a_pod_that_does_not_get_ready_stops_the_next(cluster: Cluster) -> None:
    cluster.apply(statefulset())
    cluster.node_step(ready=False)
    assert names(cluster) == ["db-0"]


def test_parallel_waits_for_nobody(cluster: Cluster) -> None:
    cluster.apply(statefulset(more="podManagementPolicy: Parallel"))
    assert names(cluster) == ["db-0", "db-1", "db-2"]
    cluster.edit_spec("StatefulSet", "db", replicas=0)
    assert names(cluster) == []


def test_scaled_down_the_highest_number_ends_first(cluster: Cluster) -> None:
    cluster.apply(statefulset())
    cluster.run()
    cluster.edit_spec("StatefulSet", "db", replicas=1)
    assert names(cluster) == ["db-0", "db-1"], "one at a time"
    cluster.node_step()
    assert names(cluster) == ["db-0"]
    cluster.run()
    assert status(cluster).replicas == 1


def test_a_pod_that_is_gone_comes_back_under_its_name(cluster: Cluster) -> None:
    cluster.apply(statefulset())
    cluster.run()
    before = cluster.get("Pod", "db-1")
    cluster.delete("Pod", "db-1")
    cluster.run()
    assert names(cluster) == ["db-0", "db-1", "db-2"]
    assert cluster.get("Pod", "db-1").meta.uid != before.meta.uid


def test_an_update_goes_from_the_highest_number_down_one_by_one(cluster: Cluster) -> None:
    cluster.apply(statefulset())
    cluster.run()
    first = status(cluster).current_revision
    cluster.apply(statefulset(image="db:2"))
    while cluster.node_step():
        away = [p for p in cluster.pods() if is_terminating(p) or not is_ready(p)]
        assert len(away) <= 1
        new = [name for name, image in sorted(images(cluster).items()) if image == "db:2"]
        assert new == ["db-0", "db-1", "db-2"][3 - len(new) :]
    assert set(images(cluster).values()) == {"db:2"}
    done = status(cluster)
    assert done.current_revision == done.update_revision != first
    assert done.updated_replicas == 3


def test_a_partition_keeps_the_lower_numbers_even_when_they_are_made_anew(cluster: Cluster) -> None:
    cluster.apply(statefulset())
    cluster.run()
    part = "updateStrategy: {rollingUpdate: {partition: 2}}"
    cluster.apply(statefulset(image="db:2", more=part))
    cluster.run()
    assert images(cluster) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    cluster.delete("Pod", "db-0")
    cluster.run()
    assert images(cluster)["db-0"] == "db:1"
    assert status(cluster).updated_replicas == 1
    cluster.apply(statefulset(image="db:2"))
    cluster.run()
    assert set(images(cluster).values()) == {"db:2"}


def test_on_delete_waits_until_somebody_deletes_the_pod(cluster: Cluster) -> None:
    cluster.apply(statefulset(2))
    cluster.run()
    cluster.apply(statefulset(2, image="db:2", more="updateStrategy: {type: OnDelete}"))
    cluster.run()
    assert set(images(cluster).values()) == {"db:1"}
    cluster.delete("Pod", "db-1")
    cluster.run()
    assert images(cluster) == {"db-0": "db:1", "db-1": "db:2"}


def test_going_back_takes_the_old_revision_with_a_new_number(cluster: Cluster) -> None:
    for image in ("db:1", "db:2", "db:1"):
        cluster.apply(statefulset(1, image=image))
        cluster.run()
    revisions = cluster.store.list(group="apps", kind="ControllerRevision", namespace="shop")
    assert sorted(r.raw["revision"] for r in revisions) == [2, 3]
    newest = max(revisions, key=lambda r: int(r.raw["revision"]))
    assert newest.raw["data"]["spec"]["template"]["$patch"] == "replace"
    assert newest.key.name == status(cluster).update_revision


def test_history_is_kept_up_to_its_limit(cluster: Cluster) -> None:
    for number in range(5):
        more = "revisionHistoryLimit: 1"
        cluster.apply(statefulset(1, image=f"db:{number}", more=more))
        cluster.run()
    revisions = cluster.store.list(group="apps", kind="ControllerRevision", namespace="shop")
    assert sorted(r.raw["revision"] for r in revisions) == [4, 5]


def test_each_number_has_a_claim_of_its_own_that_stays(cluster: Cluster) -> None:
    cluster.apply(statefulset(2, more=CLAIMS))
    cluster.run()
    volumes = pod_of(cluster.get("Pod", "db-1")).spec.volumes
    assert volumes[0].persistent_volume_claim
    assert volumes[0].persistent_volume_claim.claim_name == "data-db-1"
    claim = cluster.get("PersistentVolumeClaim", "data-db-1")
    assert claim.meta.labels == {"app": "db"}
    cluster.edit_spec("StatefulSet", "db", replicas=1)
    cluster.run()
    cluster.edit_spec("StatefulSet", "db", replicas=2)
    cluster.run()
    assert cluster.get("PersistentVolumeClaim", "data-db-1").meta.uid == claim.meta.uid
    cluster.delete("StatefulSet", "db")
    cluster.run()
    assert cluster.pods() == ()
    assert cluster.get("PersistentVolumeClaim", "data-db-1").meta.uid == claim.meta.uid


def test_claims_go_with_their_pods_where_that_is_asked_for(cluster: Cluster) -> None:
    policy = "persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}"
    cluster.apply(statefulset(2, more=f"{CLAIMS}\n  {policy}"))
    cluster.run()
    cluster.edit_spec("StatefulSet", "db", replicas=1)
    assert is_terminating(cluster.get("PersistentVolumeClaim", "data-db-1")), "still used"
    cluster.run()
    assert cluster.find("PersistentVolumeClaim", "data-db-1") is None
    assert cluster.find("PersistentVolumeClaim", "data-db-0") is not None
    cluster.delete("StatefulSet", "db")
    cluster.run()
    assert cluster.find("PersistentVolumeClaim", "data-db-0") is None
    assert cluster.store.list(group="", kind="PersistentVolume") == ()


@pytest.mark.anyio
async def test_the_next_waits_until_the_one_before_was_ready_long_enough(cluster: Cluster) -> None:
    cluster.apply(statefulset(2, more="minReadySeconds: 30"))
    cluster.run()
    assert names(cluster) == ["db-0"]
    assert cluster.due() == 30
    await cluster.clock.advance(30)
    cluster.settle()
    assert names(cluster) == ["db-0", "db-1"]


def test_numbers_may_start_elsewhere(cluster: Cluster) -> None:
    cluster.apply(statefulset(2, more="ordinals: {start: 5}"))
    cluster.run()
    assert names(cluster) == ["db-5", "db-6"]


@pytest.mark.parametrize("most", ["2", "40%"])
def test_several_may_be_updated_at_a_time(cluster: Cluster, most: str) -> None:
    more = (
        "podManagementPolicy: Parallel\n  updateStrategy: {type: RollingUpdate, "
        f"rollingUpdate: {{maxUnavailable: {most}, partition: 1}}}}"
    )
    cluster.apply(statefulset(5, more=more))
    cluster.run()
    cluster.apply(statefulset(5, image="db:2", more=more))
    assert sorted(names(cluster)) == ["db-0", "db-1", "db-2"], "the two highest go together"
    cluster.node_step()
    assert len(names(cluster)) == 5, "nothing further before they are back"
    cluster.run()
    assert images(cluster) == {
        "db-0": "db:1",
        **{f"db-{n}": "db:2" for n in range(1, 5)},
    }
