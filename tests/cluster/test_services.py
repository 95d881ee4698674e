"""Services: their addresses, and the pods listed behind them."""

from __future__ import annotations

from typing import Any

from lateen.api.service import EndpointSlice
from lateen.cluster.pods import pod_of
from lateen.cluster.services import service_of
from tests.cluster.simulated import Cluster, deployment


def service(name: str = "web", more: str = "", target: str = "http") -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{app: web}}
  ports: [{{name: http, port: 80, targetPort: {target}}}]
  {more}
"""


def endpoints(cluster: Cluster) -> list[dict[str, Any]]:
    return [e for s in cluster.slices() for e in s.raw["endpoints"]]


def test_an_address_is_given_and_stays(cluster: Cluster) -> None:
    cluster.apply(service("a"), service("b"))
    first = [service_of(cluster.get("Service", n)).spec.cluster_ip for n in "ab"]
    assert first == ["198.19.0.16", "198.19.0.17"]
    cluster.apply(service("a", target="9090"), service("b"))
    spec = service_of(cluster.get("Service", "a")).spec
    assert (spec.cluster_ip, spec.cluster_ips) == ("198.19.0.16", ("198.19.0.16",))


def test_headless_stays_headless_and_an_external_name_gets_nothing(cluster: Cluster) -> None:
    external = service("far", "type: ExternalName\n  externalName: example.com")
    cluster.apply(service("bare", "clusterIP: None"), external)
    assert service_of(cluster.get("Service", "bare")).spec.cluster_ips == ("None",)
    assert service_of(cluster.get("Service", "far")).spec.cluster_ip == ""
    assert [s.meta.labels["kubernetes.io/service-name"] for s in cluster.slices()] == ["bare"]


def test_ready_pods_are_endpoints_in_order(cluster: Cluster) -> None:
    cluster.apply(service(), deployment("web", replicas=3))
    assert [e["conditions"]["ready"] for e in endpoints(cluster)] == [False] * 3
    cluster.run()
    (found,) = cluster.slices()
    assert isinstance(found.typed, EndpointSlice)
    assert [p.port for p in found.typed.ports] == [8080]
    assert [e.addresses[0] for e in found.typed.endpoints] == sorted(
        pod_of(p).status.pod_ip for p in cluster.pods()
    )
    assert all(e.conditions.ready and e.conditions.serving for e in found.typed.endpoints)
    target = found.typed.endpoints[0].target_ref
    assert target is not None
    assert target.uid in {p.meta.uid for p in cluster.pods()}
    assert found.meta.labels["kubernetes.io/service-name"] == "web"
    assert found.meta.owner_references[0].name == "web"
    assert len(found.key.name) == len("web-xxxxx")


def test_a_slice_keeps_its_name_whatever_its_pods_do(cluster: Cluster) -> None:
    cluster.apply(service())
    (empty,) = cluster.slices()
    cluster.apply(service(), deployment("web", replicas=2))
    cluster.run()
    (full,) = cluster.slices()
    assert full.meta.uid == empty.meta.uid


def test_a_pod_on_its_way_out_serves_but_is_not_ready(cluster: Cluster) -> None:
    cluster.apply(service(), deployment("web"))
    cluster.run()
    leaving = cluster.pods()[0]
    cluster.delete("Pod", leaving.key.name)
    of = {e["targetRef"]["uid"]: e["conditions"] for e in endpoints(cluster)}
    assert of[leaving.meta.uid] == {"ready": False, "serving": True, "terminating": True}
    cluster.run()
    assert leaving.meta.uid not in {e["targetRef"]["uid"] for e in endpoints(cluster)}


def test_unready_pods_can_be_published(cluster: Cluster) -> None:
    cluster.apply(service(more="publishNotReadyAddresses: true"), deployment("web"))
    assert [e["conditions"]["ready"] for e in endpoints(cluster)] == [True]


def test_a_named_port_may_be_another_number_in_another_pod(cluster: Cluster) -> None:
    second = (
        deployment("other").replace("8080", "9090").replace("{app: other}", "{app: web, v: two}")
    )
    cluster.apply(service(), deployment("web"), second)
    cluster.run()
    ports = {s.raw["ports"][0]["port"]: len(s.raw["endpoints"]) for s in cluster.slices()}
    assert ports == {8080: 1, 9090: 1}
    cluster.apply(service(), deployment("web"))
    cluster.run()
    assert [s.raw["ports"][0]["port"] for s in cluster.slices()] == [8080]


def test_endpoints_somebody_wrote_are_left_alone(cluster: Cluster) -> None:
    written = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: database-1
  namespace: shop
  labels: {kubernetes.io/service-name: database}
addressType: IPv4
endpoints: [{addresses: ["10.0.0.7"]}]
ports: [{port: 5432}]
"""
    bare = service("database").replace("  selector: {app: web}\n", "")
    cluster.apply(bare, written)
    assert [s.key.name for s in cluster.slices()] == ["database-1"]
    assert endpoints(cluster) == [{"addresses": ["10.0.0.7"]}]


def test_slices_go_with_their_service_or_its_selector(cluster: Cluster) -> None:
    cluster.apply(service("a"), service("b"))
    assert len(cluster.slices()) == 2
    cluster.apply(service("a").replace("  selector: {app: web}\n", ""))
    assert cluster.slices() == ()


def test_a_change_of_ports_changes_the_same_slice(cluster: Cluster) -> None:
    cluster.apply(service(target="80"), deployment("web"))
    (before,) = cluster.slices()
    cluster.apply(service(target="81"), deployment("web"))
    (after,) = cluster.slices()
    assert (after.meta.uid, after.raw["ports"][0]["port"]) == (before.meta.uid, 81)


def ports_of(cluster: Cluster, name: str) -> list[int]:
    return [port.node_port for port in service_of(cluster.get("Service", name)).spec.ports]


def test_ports_of_the_node_are_given_kept_and_given_back(cluster: Cluster) -> None:
    two = "ports: [{name: http, port: 80}, {name: fixed, port: 81, nodePort: 30081}]"
    written = service("a", "type: NodePort").replace(
        "ports: [{name: http, port: 80, targetPort: http}]", two
    )
    cluster.apply(written, service("b", "type: LoadBalancer"), service("c"))
    given, fixed = ports_of(cluster, "a")
    assert fixed == 30081
    assert 30000 <= given <= 32767
    assert len({given, fixed, *ports_of(cluster, "b")}) == 3
    assert ports_of(cluster, "c") == [0]
    cluster.apply(written.replace("port: 81", "port: 82"), service("b"), service("c"))
    assert ports_of(cluster, "a") == [given, fixed]
    assert ports_of(cluster, "b") == [0], "type ClusterIP has none"
    none = "type: LoadBalancer\n  allocateLoadBalancerNodePorts: false"
    cluster.apply(written, service("b", none), service("c"))
    assert ports_of(cluster, "b") == [0]


def test_the_pods_are_listed_as_endpoints_too(cluster: Cluster) -> None:
    cluster.apply(service(), deployment("web", replicas=2))
    subset = cluster.get("Endpoints", "web").raw["subsets"][0]
    assert len(subset["notReadyAddresses"]) == 2
    assert "addresses" not in subset
    cluster.run()
    written = cluster.get("Endpoints", "web")
    (subset,) = written.raw["subsets"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert [a["ip"] for a in subset["addresses"]] == sorted(
        pod_of(p).status.pod_ip for p in cluster.pods()
    )
    assert {a["targetRef"]["kind"] for a in subset["addresses"]} == {"Pod"}
    assert written.meta.labels["endpoints.kubernetes.io/managed-by"] == "endpoint-controller"
    cluster.apply(deployment("web", replicas=2))
    assert cluster.find("Endpoints", "web") is None, "it goes with its Service"
