"""Several nodes: a share of the machine and a place each, which pods and endpoints then have."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lateen.base.locality import Locality, locality_of, parse_locality
from lateen.cluster.controlling import Controllers
from lateen.cluster.nodes import ABOUT, node_of
from lateen.cluster.pods import pod_of
from lateen.world.build import world_of
from tests.cluster.simulated import MACHINE, Cluster, deployment
from tests.cluster.test_services import service

A, B = Locality(region="eu", zone="a"), Locality(region="eu", zone="b")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(machine=replace(MACHINE, nodes=(A, B, A)))


def node_names(cluster: Cluster) -> list[str]:
    return [n.key.name for n in cluster.store.list(group="", kind="Node")]


def test_each_node_has_a_name_a_place_and_a_share(cluster: Cluster) -> None:
    cluster.settle()
    assert node_names(cluster) == ["lateen", "lateen-2", "lateen-3"]
    nodes = [node_of(n) for n in cluster.store.list(group="", kind="Node")]
    assert [locality_of(n.metadata.labels) for n in nodes] == [A, B, A]
    assert {n.metadata.labels["kubernetes.io/hostname"] for n in nodes} == set(node_names(cluster))
    assert nodes[0].status.capacity == {"cpu": "1333m", "memory": "2796202Ki", "pods": "83"}
    assert nodes[2].status.allocatable == nodes[0].status.capacity
    assert "1/3 of one machine" in nodes[1].metadata.annotations[ABOUT]
    assert ["node-role.kubernetes.io/control-plane" in n.metadata.labels for n in nodes] == [
        True,
        False,
        False,
    ]


def test_fewer_nodes_after_a_restart_leave_none_behind_but_the_users_own(cluster: Cluster) -> None:
    cluster.settle()
    cluster.store.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"}})
    Controllers(store=cluster.store, clock=cluster.clock, machine=MACHINE).settle()
    assert node_names(cluster) == ["lateen", "mine"]
    first = node_of(cluster.store.list(group="", kind="Node")[0])
    assert first.status.capacity["cpu"] == "4"


def test_pods_are_spread_and_endpoints_say_where_they_are(cluster: Cluster) -> None:
    cluster.apply(service(), deployment("web", replicas=3))
    cluster.run()
    pods = {pod_of(p).status.pod_ip: pod_of(p).spec.node_name for p in cluster.pods()}
    assert sorted(pods.values()) == ["lateen", "lateen-2", "lateen-3"]
    (found,) = cluster.slices()
    said = {e["addresses"][0]: (e["nodeName"], e["zone"]) for e in found.raw["endpoints"]}
    zones = {"lateen": "a", "lateen-2": "b", "lateen-3": "a"}
    assert said == {ip: (node, zones[node]) for ip, node in pods.items()}


def test_the_world_knows_where_a_pod_is_and_a_label_of_the_pod_says_it_better(
    cluster: Cluster,
) -> None:
    text = deployment("web", replicas=2)
    moved = text.replace("labels: {app: web}}", "labels: {app: web, istio-locality: us.c.rack1}}")
    cluster.apply(text)
    places = {w.locality for w in world_of(cluster.store.list()).workloads.values()}
    assert places == {A, B}
    cluster.apply(moved)
    cluster.run()
    places = {w.locality for w in world_of(cluster.store.list()).workloads.values()}
    assert places == {Locality(region="us", zone="c", subzone="rack1")}


@pytest.mark.parametrize("text", ["", "eu", "eu/a", "eu/a/rack1"])
def test_a_place_is_read_as_it_is_written(text: str) -> None:
    assert str(parse_locality(text)) == text
    assert bool(parse_locality(text)) == bool(text)
