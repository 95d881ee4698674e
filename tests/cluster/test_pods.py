"""Pods: their place and address, what the node says of them, and how they go."""

from __future__ import annotations

import pytest

from lateen.api.meta import Condition
from lateen.api.pod import ContainerStatus, PodStatus
from lateen.cluster.addresses import PODS, free_addresses
from lateen.cluster.pods import is_ready, is_terminating, pod_of
from lateen.cluster.podstatus import BUILD_FAILED, merge_report, waiting
from tests.cluster.simulated import Cluster, deployment, status_of

POD = """
apiVersion: v1
kind: Pod
metadata: {name: lone, namespace: shop}
spec:
  terminationGracePeriodSeconds: 7
  containers: [{name: app, image: "app:1"}]
"""


def test_a_new_pod_gets_a_node_an_address_and_a_service_account(cluster: Cluster) -> None:
    cluster.apply(POD)
    pod = pod_of(cluster.get("Pod", "lone"))
    assert pod.spec.node_name == "lateen"
    assert pod.spec.service_account_name == "default"
    assert pod.status.pod_ip == "198.18.0.16"
    assert [ip.ip for ip in pod.status.pod_ips] == ["198.18.0.16"]
    assert (pod.status.host_ip, pod.status.phase) == ("198.18.0.1", "Pending")
    assert pod.status.qos_class == "BestEffort"
    assert [(c.type, c.status) for c in pod.status.conditions] == [("PodScheduled", "True")]


def test_addresses_are_unique_and_stay(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=20))
    before = {p.key.name: pod_of(p).status.pod_ip for p in cluster.pods()}
    assert len(set(before.values())) == 20
    cluster.run()
    assert {p.key.name: pod_of(p).status.pod_ip for p in cluster.pods()} == before


def test_a_freed_address_is_the_last_to_be_given_out_again() -> None:
    top = [f"198.18.255.{n}" for n in (253, 254)]
    assert next(free_addresses(PODS, ["198.18.0.17", "no address"])) == "198.18.0.18"
    assert next(free_addresses(PODS, top)) == "198.18.0.16"


def test_a_terminating_pod_keeps_its_address(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    cluster.run()
    old = cluster.pods()[0]
    cluster.delete("Pod", old.key.name)
    addresses = [pod_of(p).status.pod_ip for p in cluster.pods()]
    assert len(addresses) == len(set(addresses)) == 2


def test_a_pod_that_has_ended_takes_in_only_its_helpers_ends(cluster: Cluster) -> None:
    cluster.apply(POD)

    def told(phase: str, proxy_ready: bool) -> None:
        proxy = ContainerStatus(name="istio-proxy", ready=proxy_ready)
        report = PodStatus(phase=phase, container_statuses=(proxy,))
        pod = cluster.get("Pod", "lone")
        cluster.store.put_status(pod.key, merge_report(pod, report, cluster.clock.now()))

    told("Succeeded", True)
    told("Succeeded", False)
    told("Running", True)
    status = pod_of(cluster.get("Pod", "lone")).status
    assert (status.phase, status.container_statuses[0].ready) == ("Succeeded", False)


def test_a_report_makes_the_pod_ready_and_keeps_its_address(cluster: Cluster) -> None:
    cluster.apply(POD)
    pod = cluster.get("Pod", "lone")
    tree = merge_report(pod, status_of(pod), cluster.clock.now())
    cluster.store.put_status(pod.key, tree)
    after = cluster.get("Pod", "lone")
    assert is_ready(after)
    assert pod_of(after).status.pod_ip == pod_of(pod).status.pod_ip
    assert pod_of(after).status.start_time == "2026-01-01T00:00:00Z"
    assert {c.type for c in pod_of(after).status.conditions} == {
        "PodScheduled",
        "Initialized",
        "Ready",
        "ContainersReady",
    }


@pytest.mark.anyio
async def test_the_same_report_again_changes_nothing_however_late(cluster: Cluster) -> None:
    cluster.apply(POD)
    for _ in range(2):
        pod = cluster.get("Pod", "lone")
        cluster.store.put_status(pod.key, merge_report(pod, status_of(pod), cluster.clock.now()))
        revision = cluster.store.revision
        await cluster.clock.advance(100)
    assert cluster.store.revision == revision
    ready = next(
        c for c in pod_of(cluster.get("Pod", "lone")).status.conditions if c.type == "Ready"
    )
    assert ready.last_transition_time == "2026-01-01T00:00:00Z"


def test_the_nodes_own_conditions_win(cluster: Cluster) -> None:
    cluster.apply(POD)
    pod = cluster.get("Pod", "lone")
    report = PodStatus(
        phase="Running",
        conditions=(Condition(type="Ready", status="False", reason="Draining"),),
        container_statuses=(ContainerStatus(name="app", ready=True),),
    )
    tree = merge_report(pod, report, cluster.clock.now())
    reasons = {c["type"]: c.get("reason", "") for c in tree["conditions"]}
    assert reasons["Ready"] == "Draining"


def test_a_build_that_failed_is_the_containers_reason(cluster: Cluster) -> None:
    cluster.apply(POD)
    pod = cluster.get("Pod", "lone")
    tree = waiting(pod, BUILD_FAILED, "needs a JDK 17, none found", cluster.clock.now())
    cluster.store.put_status(pod.key, tree)
    status = pod_of(cluster.get("Pod", "lone")).status
    state = status.container_statuses[0].state.waiting
    assert state is not None
    assert (state.reason, state.message) == ("BuildFailed", "needs a JDK 17, none found")
    assert status.phase == "Pending"
    assert status.start_time is None


def test_a_running_pod_goes_only_when_the_node_says_so(cluster: Cluster) -> None:
    cluster.apply(POD)
    cluster.run()
    cluster.delete("Pod", "lone")
    pod = cluster.get("Pod", "lone")
    assert pod.meta.deletion_timestamp == "2026-01-01T00:00:07Z"
    assert pod.meta.deletion_grace_period_seconds == 7
    cluster.run()
    assert cluster.find("Pod", "lone") is None


def test_a_pod_that_was_never_started_goes_at_once(cluster: Cluster) -> None:
    cluster.apply(POD)
    pod = cluster.get("Pod", "lone")
    cluster.store.put_status(pod.key, waiting(pod, BUILD_FAILED, "no", cluster.clock.now()))
    cluster.delete("Pod", "lone")
    assert cluster.find("Pod", "lone") is None


def test_a_pod_the_node_lost_stays_if_nobody_deleted_it(cluster: Cluster) -> None:
    from lateen.cluster.deletion import pod_gone

    cluster.apply(POD)
    cluster.run()
    pod = cluster.get("Pod", "lone")
    assert pod_gone(cluster.store, pod.meta.uid, cluster.clock) == pod
    assert cluster.get("Pod", "lone") == pod
    assert pod_gone(cluster.store, "nobody", cluster.clock) is None


def test_grace_can_only_be_shortened(cluster: Cluster) -> None:
    from lateen.cluster.deletion import delete_object

    cluster.apply(POD)
    cluster.run()
    key = cluster.get("Pod", "lone").key
    for given, kept in ((5, 5), (60, 5), (None, 5), (0, 0)):
        pod = delete_object(cluster.store, key, cluster.clock, grace=given)
        assert is_terminating(pod)
        assert pod.meta.deletion_grace_period_seconds == kept
