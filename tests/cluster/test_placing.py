"""Three nodes in two zones: where pods go, where not, and who has to make room."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from lateen.base.locality import Locality
from lateen.cluster.nodes import node_of
from lateen.cluster.performing import put
from lateen.cluster.pods import is_terminating, pod_of
from tests.cluster.simulated import MACHINE, Cluster, deployment, read
from tests.cluster.test_scheduling import pod, said

A, B = Locality(region="eu", zone="a"), Locality(region="eu", zone="b")
ONE, TWO, THREE = "lateen", "lateen-2", "lateen-3"


@pytest.fixture
def cluster() -> Cluster:
    """Each node has 2 of 6 cores; the first and the third are in zone a."""
    made = Cluster(machine=replace(MACHINE, cores=6, nodes=(A, B, A)))
    made.settle()
    return made


def edit_node(cluster: Cluster, name: str, **spec: Any) -> None:
    raw = cluster.get("Node", name, namespace="").raw
    cluster.store.put({**raw, "spec": {**raw["spec"], **spec}})
    cluster.settle()


def where(cluster: Cluster, prefix: str = "") -> dict[str, str]:
    """The node of each pod that is not on its way out."""
    return {
        p.key.name: pod_of(p).spec.node_name
        for p in cluster.pods()
        if p.key.name.startswith(prefix) and not is_terminating(p)
    }


def zones(cluster: Cluster) -> Counter[str]:
    return Counter("b" if node == TWO else "a" for node in where(cluster).values() if node)


def spread_pods(names: str, wish: str, more: str = "") -> list[str]:
    zone = (
        f", topologySpreadConstraints: [{{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, "
        f"whenUnsatisfiable: {wish}, labelSelector: {{matchLabels: {{app: web}}}}{more}}}]"
    )
    return [pod(name, zone, labels="{app: web}") for name in names]


def test_zones_are_kept_even(cluster: Cluster) -> None:
    cluster.apply(*spread_pods("abcd", "DoNotSchedule"))
    assert zones(cluster) == {"a": 2, "b": 2}
    edit_node(cluster, TWO, unschedulable=True)
    cluster.apply(*spread_pods("abcdef", "DoNotSchedule"))
    assert zones(cluster) == {"a": 3, "b": 2}, "one more in a, and not two"
    waiting = next(n for n in "abcdef" if said(cluster, n))
    assert said(cluster, waiting) == (
        "0/3 nodes are available: 1 node(s) were unschedulable, "
        "2 node(s) didn't match pod topology spread constraints."
    )


def test_a_wish_for_even_zones_keeps_nobody_away(cluster: Cluster) -> None:
    edit_node(cluster, TWO, unschedulable=True)
    cluster.apply(*spread_pods("abcd", "ScheduleAnyway"))
    assert zones(cluster) == {"a": 4}
    edit_node(cluster, TWO, unschedulable=False)
    cluster.apply(*spread_pods("abcdef", "ScheduleAnyway"))
    assert zones(cluster) == {"a": 4, "b": 2}


def test_so_many_zones_may_be_asked_for(cluster: Cluster) -> None:
    cluster.apply(*spread_pods("abc", "DoNotSchedule", ", minDomains: 3"))
    assert zones(cluster) == {"a": 1, "b": 1}, "with a third zone missing one each is all"


def test_a_node_without_the_label_is_no_place(cluster: Cluster) -> None:
    rack = (
        ", topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: "
        "DoNotSchedule, labelSelector: {matchLabels: {app: web}}}]"
    )
    cluster.apply(pod("a", rack))
    words = "node(s) didn't match pod topology spread constraints (missing required label)"
    assert said(cluster, "a") == f"0/3 nodes are available: 3 {words}."


def test_replicas_go_apart_without_being_asked(cluster: Cluster) -> None:
    cluster.apply(pod("big", resources="{requests: {cpu: 1}}"), deployment("web", replicas=3))
    assert sorted(where(cluster, "web").values()) == [ONE, TWO, THREE]


def preferred(key: str, value: str, weight: int) -> str:
    return (
        f"{{weight: {weight}, preference: {{matchExpressions: "
        f"[{{key: {key}, operator: In, values: [{value}]}}]}}}}"
    )


def test_the_best_liked_node_is_taken_while_it_has_room(cluster: Cluster) -> None:
    zone = "topology.kubernetes.io/zone"
    terms = f"[{preferred(zone, 'b', 80)}, {preferred('kubernetes.io/hostname', THREE, 20)}]"
    likes = f", affinity: {{nodeAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: {terms}}}}}"
    most = "{requests: {cpu: 1500m}}"
    cluster.apply(pod("a", likes, most), pod("b", likes, most), pod("c", likes, most))
    assert where(cluster) == {"a": TWO, "b": THREE, "c": ONE}


def test_a_node_that_is_better_left_alone_is_the_last(cluster: Cluster) -> None:
    for node in (ONE, TWO):
        edit_node(cluster, node, taints=[{"key": "old", "effect": "PreferNoSchedule"}])
    most = "{requests: {cpu: 1500m}}"
    cluster.apply(*(pod(name, resources=most) for name in "abc"))
    assert where(cluster)["a"] == THREE
    assert sorted(where(cluster).values()) == [ONE, TWO, THREE]


def company(kind: str, app: str, key: str = "topology.kubernetes.io/zone") -> str:
    term = f"{{topologyKey: {key}, labelSelector: {{matchLabels: {{app: {app}}}}}}}"
    liked = f"{{weight: 100, podAffinityTerm: {term}}}"
    return f", affinity: {{{kind}: {{preferredDuringSchedulingIgnoredDuringExecution: [{liked}]}}}}"


def test_company_is_sought_and_shunned(cluster: Cluster) -> None:
    cluster.apply(pod("db", ", nodeName: lateen-2", labels="{app: db}"))
    cluster.apply(
        pod("db", ", nodeName: lateen-2", labels="{app: db}"),
        pod("near", company("podAffinity", "db")),
        pod("far", company("podAntiAffinity", "db")),
    )
    places = where(cluster)
    assert places["near"] == TWO
    assert places["far"] != TWO


def test_terms_speak_of_the_namespaces_they_select(cluster: Cluster) -> None:
    term = (
        "{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: db}}, "
        "namespaceSelector: {matchLabels: {team: data}}}"
    )
    beside = (
        f", affinity: {{podAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}"
    )
    space = "{apiVersion: v1, kind: Namespace, metadata: {name: data, labels: {team: TEAM}}}"
    other = pod("db", ", nodeName: lateen-3", labels="{app: db}").replace("shop", "data")
    cluster.apply(space.replace("TEAM", "other"), other, pod("web", beside))
    assert said(cluster, "web") == (
        "0/3 nodes are available: 3 node(s) didn't match pod affinity rules."
    )
    cluster.apply(space.replace("TEAM", "data"), other, pod("web", beside))
    edit_node(cluster, ONE, unschedulable=False)
    assert where(cluster)["web"] == THREE


def test_label_keys_hold_apart_only_pods_of_the_same_revision(cluster: Cluster) -> None:
    term = (
        "{topologyKey: kubernetes.io/os, labelSelector: {matchLabels: {app: web}}, "
        "matchLabelKeys: [rev]}"
    )
    apart = f", affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}"
    cluster.apply(
        pod("a", apart, labels="{app: web, rev: '1'}"),
        pod("b", apart, labels="{app: web, rev: '2'}"),
        pod("c", apart, labels="{app: web, rev: '2'}"),
    )
    assert (said(cluster, "a"), said(cluster, "b"), bool(said(cluster, "c"))) == ("", "", True)


def test_every_reason_is_counted(cluster: Cluster) -> None:
    edit_node(cluster, ONE, taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}])
    edit_node(cluster, TWO, taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}])
    cluster.apply(pod(resources="{requests: {cpu: 3, memory: 9Gi, example.com/gpu: 1}}"))
    conditions = pod_of(cluster.get("Pod", "one")).status.conditions
    assert conditions[0].message == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, "
        "1 Insufficient memory, 2 node(s) had untolerated taint {dedicated: db}. preemption: "
        "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )


def test_what_a_node_is_said_to_have_beyond_the_machine_counts(cluster: Cluster) -> None:
    raw = cluster.get("Node", TWO, namespace="").raw
    amounts = {**raw["status"]["allocatable"], "example.com/gpu": "1"}
    cluster.store.put_status(
        cluster.get("Node", TWO, "").key, {**raw["status"], "allocatable": amounts}
    )
    gpu = "{limits: {example.com/gpu: 1}}"
    cluster.apply(pod("a", resources=gpu), pod("b", resources=gpu))
    assert where(cluster)["a"] == TWO
    assert "Insufficient example.com/gpu" in said(cluster, "b")


def test_a_gated_pod_waits(cluster: Cluster) -> None:
    cluster.apply(pod("a", ", schedulingGates: [{name: example.com/quota}]"))
    assert said(cluster, "a") == "Scheduling is blocked due to non-empty scheduling gates"
    assert pod_of(cluster.get("Pod", "a")).status.conditions[0].reason == "SchedulingGated"
    cluster.edit_spec("Pod", "a", schedulingGates=[])
    assert said(cluster, "a") == ""


def test_a_node_nobody_knows_takes_no_pod(cluster: Cluster) -> None:
    cluster.apply(pod("a", ", nodeName: elsewhere"))
    assert pod_of(cluster.get("Pod", "a")).status.pod_ip == ""


def test_a_cordoned_node_has_the_taint_while_it_is_cordoned(cluster: Cluster) -> None:
    edit_node(cluster, TWO, unschedulable=True, taints=[{"key": "own", "effect": "NoSchedule"}])
    taints = node_of(cluster.get("Node", TWO, namespace="")).spec.taints
    assert [t.key for t in taints] == ["own", "node.kubernetes.io/unschedulable"]
    edit_node(cluster, TWO, unschedulable=False)
    taints = node_of(cluster.get("Node", TWO, namespace="")).spec.taints
    assert [t.key for t in taints] == ["own"]


TIGHT = "{requests: {cpu: 2}}"
CLASSES = """
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: p30}, value: 30}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: p20}, value: 20}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: p10}, value: 10}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: p5}, value: 5}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: patient}, value: 1000,
 preemptionPolicy: Never}
"""


def full(cluster: Cluster, *more: str) -> None:
    """Every node is taken by a pod of some priority; then others come."""
    pods = [
        pod(
            name,
            f", nodeName: {node}, priorityClassName: p{value}",
            TIGHT,
            labels=f"{{app: {name}}}",
        )
        for name, node, value in (("a", ONE, 30), ("b", TWO, 10), ("c", THREE, 20))
    ]
    cluster.apply(CLASSES, *pods)
    cluster.run()
    cluster.apply(CLASSES, *pods, *more)


def test_the_least_important_pod_ends_for_a_more_important_one(cluster: Cluster) -> None:
    high = pod("z", ", priorityClassName: high", TIGHT)
    lesser = pod("low", ", priorityClassName: p5", TIGHT)
    full(cluster, high, lesser)
    victim = cluster.get("Pod", "b")
    assert is_terminating(victim)
    assert [t for t in cluster.told("Pod", "b") if t[0] == "Preempted"] == [
        ("Preempted", f"Preempted by pod {cluster.get('Pod', 'z').meta.uid} on node lateen-2")
    ]
    target = next(c for c in pod_of(victim).status.conditions if c.type == "DisruptionTarget")
    assert target.reason == "PreemptionByScheduler"
    waiting = pod_of(cluster.get("Pod", "z"))
    assert waiting.status.nominated_node_name == TWO
    assert "not eligible due to a terminating pod" in waiting.status.conditions[0].message
    cluster.run()
    placed = pod_of(cluster.get("Pod", "z"))
    assert (placed.spec.node_name, placed.spec.priority) == (TWO, 1000)
    assert placed.status.nominated_node_name == ""
    assert where(cluster) == {"a": ONE, "c": THREE, "low": "", "z": TWO}, "kept room is not taken"


def test_who_is_not_to_preempt_waits(cluster: Cluster) -> None:
    full(cluster, pod("z", ", priorityClassName: patient", TIGHT))
    words = pod_of(cluster.get("Pod", "z")).status.conditions[0].message
    assert words == (
        "0/3 nodes are available: 3 Insufficient cpu. preemption: not eligible due to "
        "preemptionPolicy=Never."
    )
    assert len(where(cluster)) == 4


def test_equals_do_not_end_each_other(cluster: Cluster) -> None:
    full(cluster, pod("z", ", priorityClassName: p10", TIGHT))
    assert where(cluster) == {"a": ONE, "b": TWO, "c": THREE, "z": ""}


def test_a_budget_turns_the_choice_to_another_node(cluster: Cluster) -> None:
    budget = """
    {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, namespace: shop},
     spec: {minAvailable: 1, selector: {matchLabels: {app: b}}}}
    """
    full(cluster, budget)
    full(cluster, budget, pod("z", ", priorityClassName: high", TIGHT))
    assert set(where(cluster)) == {"a", "b", "z"}


def test_as_few_as_needed_end(cluster: Cluster) -> None:
    edit_node(cluster, ONE, unschedulable=True)
    edit_node(cluster, THREE, unschedulable=True)
    small = [
        pod(f"s{i}", f", nodeName: {TWO}, priorityClassName: p{i}", "{requests: {cpu: 500m}}")
        for i in (5, 10, 20, 30)
    ]
    cluster.apply(CLASSES, *small)
    cluster.run()
    cluster.apply(CLASSES, *small, pod("z", ", priorityClassName: high", "{requests: {cpu: 1}}"))
    assert sorted(where(cluster)) == ["s20", "s30", "z"]


def tainted(cluster: Cluster, name: str) -> None:
    edit_node(cluster, name, taints=[{"key": "gone", "effect": "NoExecute"}])


@pytest.mark.anyio
async def test_a_no_execute_taint_ends_pods_at_once_or_in_time(cluster: Cluster) -> None:
    def tolerant(seconds: str) -> str:
        return f", nodeName: {TWO}, tolerations: [{{key: gone, operator: Exists{seconds}}}]"

    pods = (
        pod("now", f", nodeName: {TWO}"),
        pod("soon", tolerant(", tolerationSeconds: 60")),
        pod("stays", tolerant("")),
        pod("other", f", nodeName: {ONE}"),
    )
    cluster.apply(*pods)
    cluster.run()
    tainted(cluster, TWO)
    assert set(where(cluster)) == {"soon", "stays", "other"}
    assert ("TaintManagerEviction", "Marking for deletion Pod shop/now") in cluster.told(
        "Pod", "now"
    )
    due = cluster.due()
    assert due is not None
    assert due <= 60
    await cluster.clock.advance(61)
    cluster.settle()
    assert set(where(cluster)) == {"stays", "other"}


def test_a_daemon_goes_on_where_it_would_not_come_and_ends_where_it_may_not_be(
    cluster: Cluster,
) -> None:
    cluster.apply("""
    apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: agent, namespace: shop}
    spec:
      selector: {matchLabels: {app: agent}}
      template:
        metadata: {labels: {app: agent}}
        spec: {containers: [{name: app, image: "app:1"}]}
    """)
    cluster.run()
    assert sorted(where(cluster).values()) == [ONE, TWO, THREE], "one on every node"
    edit_node(cluster, ONE, unschedulable=True)
    edit_node(cluster, TWO, taints=[{"key": "dedicated", "effect": "NoSchedule"}])
    tainted(cluster, THREE)
    cluster.run()
    assert sorted(where(cluster).values()) == [ONE, TWO]
    status = cluster.get("DaemonSet", "agent").raw["status"]
    assert (status["desiredNumberScheduled"], status["numberMisscheduled"]) == (1, 1)


def test_daemons_follow_a_node_that_changes(cluster: Cluster) -> None:
    cluster.apply("""
    apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: agent, namespace: shop}
    spec:
      selector: {matchLabels: {app: agent}}
      template:
        metadata: {labels: {app: agent}}
        spec:
          nodeSelector: {disk: ssd}
          containers: [{name: app, image: "app:1"}]
    """)
    assert where(cluster) == {}
    raw = cluster.get("Node", TWO, namespace="").raw
    labels = {**raw["metadata"]["labels"], "disk": "ssd"}
    made = cluster.store.put({**raw, "metadata": {**raw["metadata"], "labels": labels}})
    cluster.controllers.settle(put(made))
    assert list(where(cluster).values()) == [TWO]


def test_pods_wait_for_their_class_to_be_there(cluster: Cluster) -> None:
    named = deployment("web").replace("containers:", "priorityClassName: high\n      containers:")
    cluster.apply(named)
    assert where(cluster) == {}
    (told,) = (m for r, m in cluster.told("ReplicaSet", cluster.replicasets()[0].key.name))
    assert told.endswith("is forbidden: no PriorityClass with name high was found")
    (high, *_) = read(CLASSES)
    cluster.controllers.settle(put(cluster.store.put(high.raw)))
    (made,) = cluster.pods()
    assert pod_of(made).spec.priority == 1000
