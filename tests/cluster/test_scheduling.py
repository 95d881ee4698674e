"""Scheduling: what fits runs, what does not says why, in the scheduler's words."""

from __future__ import annotations

import pytest

from lateen.cluster.nodes import NODE, node_of
from lateen.cluster.pods import pod_of
from tests.cluster.simulated import Cluster


def pod(name: str = "one", spec: str = "", resources: str = "{}", labels: str = "{}") -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {labels}}}
spec: {{containers: [{{name: app, image: "app:1", resources: {resources}}}] {spec}}}
"""


def said(cluster: Cluster, name: str = "one") -> str:
    """Why the pod is not placed; `` if it is. What preemption could do is told apart."""
    status = pod_of(cluster.get("Pod", name)).status
    words = [c.message for c in status.conditions if c.type == "PodScheduled" and c.message]
    assert bool(words) == (not status.pod_ip)
    return words[0].partition(" preemption: ")[0] if words else ""


def edit_node(cluster: Cluster, **spec: object) -> None:
    raw = cluster.get("Node", NODE, namespace="").raw
    cluster.store.put({**raw, "spec": {**raw["spec"], **spec}})
    cluster.settle()


def test_the_machine_is_a_node(cluster: Cluster) -> None:
    cluster.apply(pod())
    node = node_of(cluster.get("Node", NODE, namespace=""))
    assert node.status.capacity["cpu"] == "4"
    assert node.status.allocatable["memory"] == f"{8 * 1024**2}Ki"
    assert node.metadata.labels["kubernetes.io/hostname"] == NODE
    assert {c.type: c.status for c in node.status.conditions}["Ready"] == "True"
    assert pod_of(cluster.get("Pod", "one")).spec.node_name == NODE
    words = "Successfully assigned shop/one to lateen"
    assert cluster.told("Pod", "one") == [("Scheduled", words)]


def test_what_is_asked_for_is_summed(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        cluster.apply(
            *(pod(n, resources="{requests: {cpu: 1500m}}") for n in "abc"[: "abc".index(name) + 1])
        )
    assert (said(cluster, "a"), said(cluster, "b")) == ("", "")
    assert said(cluster, "c") == "0/1 nodes are available: 1 Insufficient cpu."
    assert pod_of(cluster.get("Pod", "c")).status.phase == "Pending"
    nobody = "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    words = f"0/1 nodes are available: 1 Insufficient cpu. preemption: {nobody}"
    assert cluster.told("Pod", "c") == [("FailedScheduling", words)]
    cluster.delete("Pod", "a")
    assert said(cluster, "c") == "", "room was made"


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ("{requests: {memory: 9Gi}}", "0/1 nodes are available: 1 Insufficient memory."),
        (
            "{limits: {cpu: 5, memory: 10Gi}}",
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
        ),
        ("{requests: {cpu: 4}}", ""),
    ],
)
def test_a_pod_larger_than_the_machine_stays_pending(
    cluster: Cluster, resources: str, words: str
) -> None:
    cluster.apply(pod(resources=resources))
    assert said(cluster) == words


SELECTED = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."


def affinity(expressions: str) -> str:
    terms = f"{{nodeSelectorTerms: [{{matchExpressions: [{expressions}]}}]}}"
    required = f"{{requiredDuringSchedulingIgnoredDuringExecution: {terms}}}"
    return f", affinity: {{nodeAffinity: {required}}}"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (", nodeSelector: {kubernetes.io/os: linux}", ""),
        (", nodeSelector: {disk: ssd}", SELECTED),
        (affinity("{key: kubernetes.io/os, operator: In, values: [linux, plan9]}"), ""),
        (affinity("{key: kubernetes.io/os, operator: NotIn, values: [linux]}"), SELECTED),
        (affinity("{key: gpu, operator: Exists}"), SELECTED),
        (affinity("{key: gpu, operator: DoesNotExist}"), ""),
        (affinity("{key: rank, operator: Gt, values: ['5']}"), SELECTED),
        (", nodeName: lateen, nodeSelector: {disk: ssd}", ""),
    ],
)
def test_the_node_must_be_the_one_asked_for(cluster: Cluster, spec: str, words: str) -> None:
    cluster.apply(pod(spec=spec))
    assert said(cluster) == words


def test_labels_given_to_the_node_stay_and_count(cluster: Cluster) -> None:
    cluster.apply(pod(spec=", nodeSelector: {disk: ssd}"))
    raw = cluster.get("Node", NODE, namespace="").raw
    labels = {**raw["metadata"]["labels"], "disk": "ssd"}
    cluster.store.put({**raw, "metadata": {**raw["metadata"], "labels": labels}})
    cluster.settle()
    assert said(cluster) == ""


def test_a_cordoned_node_takes_nothing_new(cluster: Cluster) -> None:
    cluster.apply(pod("old"))
    edit_node(cluster, unschedulable=True)
    cluster.apply(pod("old"), pod("new"))
    assert said(cluster, "old") == ""
    assert said(cluster, "new") == "0/1 nodes are available: 1 node(s) were unschedulable."
    edit_node(cluster, unschedulable=False)
    assert said(cluster, "new") == ""


def test_a_taint_keeps_away_what_does_not_tolerate_it(cluster: Cluster) -> None:
    cluster.apply()
    edit_node(cluster, taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}])
    tolerant = ", tolerations: [{key: dedicated, operator: Equal, value: db}]"
    cluster.apply(pod(), pod("db", tolerant), pod("all", ", tolerations: [{operator: Exists}]"))
    words = "0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: db}."
    assert said(cluster) == words
    assert (said(cluster, "db"), said(cluster, "all")) == ("", "")


def test_pods_that_want_to_be_apart_cannot_share_the_node(cluster: Cluster) -> None:
    term = "{labelSelector: {matchLabels: {app: db}}, topologyKey: kubernetes.io/hostname}"
    apart = f", affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}"
    cluster.apply(pod("a", apart, labels="{app: db}"), pod("b", apart, labels="{app: db}"))
    words = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."
    assert (said(cluster, "a"), said(cluster, "b")) == ("", words)
    cluster.apply(pod("a", apart, labels="{app: db}"), pod("c", labels="{app: db}"))
    words = "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules."
    assert said(cluster, "c") == words


def test_pods_that_want_company_wait_for_it_unless_they_are_their_own(cluster: Cluster) -> None:
    term = "{labelSelector: {matchLabels: {app: cache}}, topologyKey: kubernetes.io/hostname}"
    beside = (
        f", affinity: {{podAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}"
    )
    cluster.apply(pod("web", beside))
    words = "0/1 nodes are available: 1 node(s) didn't match pod affinity rules."
    assert said(cluster, "web") == words
    cluster.apply(pod("web", beside), pod("cache", beside, labels="{app: cache}"))
    assert (said(cluster, "web"), said(cluster, "cache")) == ("", "")


def test_the_more_important_pod_is_placed_first(cluster: Cluster) -> None:
    half = "{requests: {cpu: 3}}"
    high = (
        "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 9}"
    )
    named = ", priorityClassName: high"
    cluster.apply(high, pod("a", resources=half), pod("z", named, half))
    assert (said(cluster, "z"), bool(said(cluster, "a"))) == ("", True)


def test_the_largest_init_container_counts_if_it_is_more(cluster: Cluster) -> None:
    init = ', initContainers: [{name: first, image: "app:1", resources: {requests: {cpu: 6}}}]'
    cluster.apply(pod(spec=init))
    assert said(cluster) == "0/1 nodes are available: 1 Insufficient cpu."
