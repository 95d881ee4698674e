"""Which ports of the host lead to which gateway pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.stages.shop import SHOP, Round, shop

from lateen.app.doors import addresses, refused_problems
from lateen.base.clock import FakeClock
from lateen.ir.border import BorderPlan
from lateen.stages.bordering import Bordering
from lateen.stages.exposing import expose
from lateen.stages.openings import openings
from lateen.stages.resolving import slot_of
from lateen.store.memory import MemoryStore

TWO_GATEWAYS = """
apiVersion: v1
kind: Service
metadata: {name: front, namespace: edge, creationTimestamp: "2026-01-02T00:00:00Z"}
spec:
  type: LoadBalancer
  selector: {istio: ingressgateway}
  ports:
    - {name: http, port: 80, targetPort: 8080}
    - {name: https, port: 443, targetPort: 8443}
    - {name: db, port: 5432}
---
apiVersion: v1
kind: Service
metadata: {name: way-out, namespace: edge, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  type: TYPE
  selector: {istio: egressgateway}
  ports: [{name: tls, port: 443}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}
    - {port: {number: 443, name: tls, protocol: TLS}, hosts: [edge/raw.example.com], tls: {mode: PASSTHROUGH}}
    - {port: {number: 5432, name: db, protocol: TCP}, hosts: ["raw.example.com"]}
    - {port: {number: 9999, name: hidden, protocol: HTTP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: way-out, namespace: edge}
spec:
  selector: {istio: egressgateway}
  servers:
    - {port: {number: 443, name: tls, protocol: TLS}, hosts: [bank.example.com], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ways, namespace: edge}
spec:
  hosts: [raw.example.com, bank.example.com]
  gateways: [front, way-out]
  tls:
    - match: [{port: 443, sniHosts: [raw.example.com]}]
      route: [{destination: {host: front, port: {number: 5432}}}]
    - match: [{port: 443, sniHosts: [bank.example.com]}]
      route: [{destination: {host: front, port: {number: 5432}}}]
  tcp:
    - match: [{port: 5432}]
      route: [{destination: {host: front, port: {number: 5432}}}]
---
pods:
  edge:
    in-0: {ip: 198.18.0.31, image: auto, labels: {istio: ingressgateway}}
    in-1: {ip: 198.18.0.32, image: auto, labels: {istio: ingressgateway}}
    out-0: {ip: 198.18.0.33, image: auto, labels: {istio: egressgateway}}
"""


def border(folder: Path, text: str, ports: dict[int, int]) -> tuple[BorderPlan, list[str]]:
    """The border's plan, and the addresses a user is told."""
    planned = Round().step(text)
    plan = Bordering(run_dir=folder, own_addresses=()).step(planned, ports)
    return plan, [f"{a['url']} {','.join(a['hosts'])}" for a in addresses(planned, {}, ports)]


def sockets(folder: Path, port: int, *pods: str) -> tuple[str, ...]:
    return tuple(sorted(str(folder / "p" / slot_of(pod) / f"in-{port}.sock") for pod in pods))


def test_a_port_of_a_load_balancer_leads_to_its_own_pods_by_their_ports(tmp_path: Path) -> None:
    plan, told = border(tmp_path, TWO_GATEWAYS.replace("TYPE", "ClusterIP"), {80: 18080})
    assert {door.port: door.sockets for door in plan.doors} == {
        18080: sockets(tmp_path, 8080, "in-0", "in-1"),
        443: sockets(tmp_path, 8443, "in-0", "in-1"),
        5432: sockets(tmp_path, 5432, "in-0", "in-1"),
    }, "neither what no Service has, nor a gateway for the mesh's own clients"
    assert told == [
        "tls://127.0.0.1:443 raw.example.com",
        "tcp://127.0.0.1:5432 raw.example.com",
        "http://127.0.0.1:18080 shop.example.com",
    ]


def test_a_port_of_two_load_balancers_is_the_older_ones(tmp_path: Path) -> None:
    plan, told = border(tmp_path, TWO_GATEWAYS.replace("TYPE", "LoadBalancer"), {})
    (door,) = (door for door in plan.doors if door.port == 443)
    assert door.sockets == sockets(tmp_path, 443, "out-0")
    assert told[1] == "tls://127.0.0.1:443 bank.example.com"


def test_every_pod_has_a_way_out_with_a_proxy_or_without(tmp_path: Path) -> None:
    planned = Round().step()
    plan = Bordering(run_dir=tmp_path, own_addresses=("192.0.2.1",)).step(planned, {})
    allowed = {exit.slot: exit.allowed for exit in plan.exits}
    assert allowed == {
        slot_of("web-0"): (("bank.example.com", 443),),
        slot_of("plain-0"): (),
        slot_of("edge-0"): (),
    }
    assert plan.own_addresses == ("192.0.2.1",)


SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 30080}, {name: db, port: 5432, nodePort: 30432}]
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: tcp, port: 7000, targetPort: 8080, nodePort: 30700}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
spec:
  type: NodePort
  selector: {app: nobody}
  ports: [{name: tcp, port: 7001, nodePort: 30701}]
---
pods:
  shop:
    web-0: {ip: 198.18.0.41, labels: {app: web}}
---
"""


def test_services_of_pods_have_their_ports_and_the_nodes(tmp_path: Path) -> None:
    front = TWO_GATEWAYS.replace("TYPE", "NodePort").replace(
        "port: 443}", "port: 443, nodePort: 30443}"
    )
    plan, told = border(tmp_path, SERVICES + front, {80: 18080})
    doors = {door.port: door for door in plan.doors}
    assert {port for port, door in doors.items() if not door.gateway} == {30080, 30432, 30700}
    # A gateway goes before an older Service; a port of the node leads to it as well.
    assert doors[18080].sockets == sockets(tmp_path, 8080, "in-0", "in-1")
    assert doors[30443].sockets == sockets(tmp_path, 443, "out-0")
    assert doors[30080].sockets == (str(tmp_path / "n" / "c61300010050.sock"),)
    assert "http://127.0.0.1:30080 web.shop.svc.cluster.local" in told
    assert "tcp://127.0.0.1:30700 api.shop.svc.cluster.local" in told
    assert not any("nobody" in line for line in told), "nothing to lead to"


def test_each_load_balancer_tells_where_it_is_found(tmp_path: Path) -> None:
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    for obj in shop(SERVICES + TWO_GATEWAYS.replace("TYPE", "ClusterIP")):
        store.put(obj.raw)
    planned = Round().step(SERVICES + TWO_GATEWAYS.replace("TYPE", "ClusterIP"))

    def told(name: str, closed: tuple[int, ...] = ()) -> Any:
        expose(store, openings(planned), ports={80: 18080}, closed=closed)
        (found,) = (o for o in store.list(kind="Service") if o.key.name == name)
        return found.raw.get("status", {}).get("loadBalancer")

    front = [{"port": port, "protocol": "TCP"} for port in (18080, 443, 5432)]
    (ingress,) = told("front")["ingress"]
    assert (ingress["ip"], sorted(p["port"] for p in ingress["ports"])) == (
        "127.0.0.1",
        [443, 5432, 18080],
    )
    assert all(port in front for port in ingress["ports"])
    assert told("web") in ({}, None), "all of its ports are another's: pending"
    assert told("api") is None
    (ingress,) = told("front", (443,))["ingress"]
    assert {"port": 443, "protocol": "TCP", "error": "PortInUse"} in ingress["ports"]
    assert told("front", (443, 5432, 18080)) == {}


def test_what_strict_pods_refuse_is_told() -> None:
    found = refused_problems(Round().step(SERVICES + TWO_GATEWAYS.replace("TYPE", "ClusterIP")))
    assert {str(p.origin.key) for p in found} == {"Service shop/web", "Service shop/api"}
    declined = 'annotations: {sidecar.istio.io/inject: "false"}'
    plain = SERVICES.replace("ip: 198.18.0.41", f"ip: 198.18.0.41, {declined}")
    assert refused_problems(Round().step(plain + TWO_GATEWAYS.replace("TYPE", "ClusterIP"))) == ()


def test_an_ingress_tells_the_ports_of_the_ingress_gateway(tmp_path: Path) -> None:
    text = """
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: istio}
spec: {controller: istio.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ours, namespace: shop}
spec: {ingressClassName: istio, rules: [{host: a.example.com}], tls: [{hosts: [a.example.com]}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: others, namespace: shop}
spec: {ingressClassName: nginx, rules: [{host: a.example.com}]}
---
"""
    store = MemoryStore(clock=FakeClock())
    text += TWO_GATEWAYS.replace("TYPE", "ClusterIP")
    for obj in shop(text):
        store.put(obj.raw)
    expose(store, openings(Round().step(text)), ports={80: 18080}, closed=())
    told = {o.key.name: o.raw.get("status", {}) for o in store.list(kind="Ingress")}
    (ingress,) = told["ours"]["loadBalancer"]["ingress"]
    assert (ingress["ip"], [p["port"] for p in ingress["ports"]]) == ("127.0.0.1", [18080, 443])
    assert not told["others"].get("loadBalancer")


def test_a_pod_without_a_proxy_is_held_to_no_registry(tmp_path: Path) -> None:
    mode = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}
---
"""
    plan, _ = border(tmp_path, mode + SHOP, {})
    registries = {exit.slot: exit.registry for exit in plan.exits}
    assert registries == {slot_of("web-0"): (), slot_of("plain-0"): None, slot_of("edge-0"): ()}
