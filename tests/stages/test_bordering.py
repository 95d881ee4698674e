"""Which ports of the host lead to which gateway pods."""

from __future__ import annotations

from pathlib import Path

from tests.stages.shop import Round

from lateen.app.doors import addresses
from lateen.ir.border import BorderPlan
from lateen.stages.bordering import Bordering
from lateen.stages.resolving import slot_of

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
    plan, told = border(tmp_path, TWO_GATEWAYS.replace("TYPE", "NodePort"), {})
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
