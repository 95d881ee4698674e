"""Claims and volumes: a folder for each claim, and nothing lost while it is used."""

from __future__ import annotations

from lateen.api.storage import ClaimStatus
from lateen.cluster.claims import claim_of, volume_of
from lateen.cluster.pods import is_terminating
from tests.cluster.simulated import VOLUMES, Cluster


def claim(name: str = "data", more: str = "", size: str = "1Gi") -> str:
    return f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}, namespace: shop}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: {size}}}}} {more}}}
"""


def volume(name: str, size: str, more: str = "") -> str:
    return f"""
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec: {{capacity: {{storage: {size}}}, accessModes: [ReadWriteOnce, ReadOnlyMany],
  hostPath: {{path: /srv/{name}}}, storageClassName: manual {more}}}
"""


POD = """
apiVersion: v1
kind: Pod
metadata: {name: user, namespace: shop}
spec:
  containers: [{name: app, image: "app:1"}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
"""


def status(cluster: Cluster, name: str = "data") -> ClaimStatus:
    return claim_of(cluster.get("PersistentVolumeClaim", name)).status


def test_a_claim_gets_a_folder_at_once(cluster: Cluster) -> None:
    cluster.apply(claim())
    bound = claim_of(cluster.get("PersistentVolumeClaim", "data"))
    assert bound.status.phase == "Bound"
    assert bound.status.capacity == {"storage": "1Gi"}
    assert bound.spec.storage_class_name == "local-path"
    assert bound.spec.volume_name == f"pvc-{bound.metadata.uid}"
    made = volume_of(cluster.get("PersistentVolume", bound.spec.volume_name, namespace=""))
    assert made.spec.local
    assert made.spec.local.path == f"{VOLUMES}/{bound.spec.volume_name}"
    assert made.status.phase == "Bound"


def test_a_class_of_the_users_works_whatever_its_provisioner(cluster: Cluster) -> None:
    fast = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: ebs.csi.aws.com
reclaimPolicy: Retain
"""
    cluster.apply(fast, claim(more=", storageClassName: fast"))
    assert status(cluster).phase == "Bound"
    cluster.delete("PersistentVolumeClaim", "data")
    (kept,) = cluster.store.list(group="", kind="PersistentVolume")
    assert volume_of(kept).status.phase == "Released"


def test_an_unknown_class_leaves_the_claim_pending_and_says_so(cluster: Cluster) -> None:
    cluster.apply(claim(more=", storageClassName: gold"))
    assert status(cluster).phase == "Pending"
    words = 'storageclass.storage.k8s.io "gold" not found'
    assert cluster.told("PersistentVolumeClaim", "data") == [("ProvisioningFailed", words)]
    later = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: gold}\n"
    cluster.apply(claim(more=", storageClassName: gold"), later + "provisioner: x")
    assert status(cluster).phase == "Bound"


def test_a_volume_that_is_there_is_taken_the_smallest_that_fits(cluster: Cluster) -> None:
    cluster.apply(
        volume("small", "500Mi"),
        volume("large", "10Gi"),
        volume("middle", "2Gi"),
        claim(more=", storageClassName: manual"),
    )
    bound = claim_of(cluster.get("PersistentVolumeClaim", "data"))
    assert bound.spec.volume_name == "middle"
    assert bound.status.capacity == {"storage": "2Gi"}
    free = {v.key.name: volume_of(v).status.phase for v in cluster.volumes()}
    assert free == {"small": "Available", "large": "Available", "middle": "Bound"}


def test_two_claims_never_share_a_volume(cluster: Cluster) -> None:
    wish = ", storageClassName: manual"
    cluster.apply(volume("only", "5Gi"), claim("one", wish), claim("two", wish))
    assert sorted((status(cluster, "one").phase, status(cluster, "two").phase)) == [
        "Bound",
        "Pending",
    ]


def test_a_volume_kept_for_a_claim_goes_to_no_other(cluster: Cluster) -> None:
    kept = ", claimRef: {namespace: shop, name: data}"
    wish = ", storageClassName: manual"
    cluster.apply(volume("kept", "5Gi", kept), claim("another", wish))
    assert status(cluster, "another").phase == "Pending"
    cluster.apply(volume("kept", "5Gi", kept), claim("another", wish), claim("data", wish))
    assert status(cluster).phase == "Bound"


def test_a_claim_in_use_stays_until_its_last_pod_has_gone(cluster: Cluster) -> None:
    cluster.apply(claim(), POD)
    cluster.run()
    cluster.delete("PersistentVolumeClaim", "data")
    assert is_terminating(cluster.get("PersistentVolumeClaim", "data"))
    cluster.delete("Pod", "user")
    cluster.run()
    assert cluster.find("PersistentVolumeClaim", "data") is None
    assert cluster.volumes() == ()


def test_a_claim_may_grow(cluster: Cluster) -> None:
    cluster.apply(claim())
    cluster.apply(claim(size="3Gi"))
    assert status(cluster).capacity == {"storage": "3Gi"}


def test_a_claim_without_its_volume_is_lost(cluster: Cluster) -> None:
    wish = ", storageClassName: manual"
    cluster.apply(volume("only", "5Gi"), claim(more=wish))
    cluster.apply(claim(more=wish))
    assert status(cluster).phase == "Lost"
