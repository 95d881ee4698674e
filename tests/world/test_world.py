"""The world knows who is who: injection, identity, workload, protocol, endpoints."""

from __future__ import annotations

import pytest

from lateen.world.model import Injection, Protocol, Shape, Workload
from lateen.world.protocols import protocol_named, protocol_of
from tests.translate.cases import world_in


def _pod(fields: str, namespace_labels: str = "{}") -> Workload:
    world = world_in(f"""
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {namespace_labels}}}
---
pods:
  shop:
    web-7d9f8-abcde: {{{fields}}}
""")
    return world.workloads["shop", "web-7d9f8-abcde"]


IP = "ip: 198.18.0.1"


@pytest.mark.parametrize(
    ("fields", "namespace", "injection"),
    [
        (IP, "{}", Injection.SIDECAR),
        (IP, "{istio-injection: enabled}", Injection.SIDECAR),
        (IP, "{istio-injection: disabled}", Injection.NONE),
        (f'{IP}, labels: {{sidecar.istio.io/inject: "false"}}', "{}", Injection.NONE),
        (f'{IP}, annotations: {{sidecar.istio.io/inject: "false"}}', "{}", Injection.NONE),
        ("phase: Pending", "{}", Injection.NONE),
        (f"{IP}, image: auto", "{istio-injection: disabled}", Injection.GATEWAY),
        (f"{IP}, annotations: {{inject.istio.io/templates: gateway}}", "{}", Injection.GATEWAY),
        (f'{IP}, image: auto, labels: {{sidecar.istio.io/inject: "false"}}', "{}", Injection.NONE),
    ],
)
def test_a_pod_has_a_proxy_unless_it_or_its_namespace_declines(
    fields: str, namespace: str, injection: Injection
) -> None:
    assert _pod(fields, namespace).injection is injection


@pytest.mark.parametrize(
    ("fields", "workload"),
    [
        (f"{IP}, owner: ReplicaSet/web-7d9f8, labels: {{pod-template-hash: 7d9f8}}", "web"),
        (f"{IP}, owner: ReplicaSet/web-7d9f8", "web"),
        (f"{IP}, owner: StatefulSet/db", "db"),
        (IP, "web-7d9f8-abcde"),
    ],
)
def test_the_workload_is_what_the_user_wrote(fields: str, workload: str) -> None:
    assert _pod(fields).workload == workload


def test_the_identity_is_the_service_account() -> None:
    assert _pod(f"{IP}, account: api").identity == "spiffe://cluster.local/ns/shop/sa/api"


@pytest.mark.parametrize(
    ("app", "name", "number", "protocol"),
    [
        (None, "http", 80, Protocol.HTTP),
        (None, "http-web", 80, Protocol.HTTP),
        (None, "HTTP2-web", 80, Protocol.HTTP2),
        (None, "grpc-web-x", 80, Protocol.GRPC_WEB),
        (None, "grpc-api", 80, Protocol.GRPC),
        (None, "httpx", 80, Protocol.UNKNOWN),
        (None, "", 80, Protocol.UNKNOWN),
        (None, "", 3306, Protocol.TCP),
        (None, "mongo", 3306, Protocol.MONGO),
        ("http", "tcp", 80, Protocol.HTTP),
        ("kubernetes.io/h2c", "", 80, Protocol.HTTP2),
        ("example.com/own", "redis", 80, Protocol.REDIS),
    ],
)
def test_a_port_says_its_protocol(
    app: str | None, name: str, number: int, protocol: Protocol
) -> None:
    assert protocol_of(app, name, number) is protocol


def test_an_entry_names_its_protocol_in_capitals() -> None:
    assert protocol_named("GRPC-Web") is Protocol.GRPC_WEB
    assert protocol_named("UDP") is Protocol.UNKNOWN


SLICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-a, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- {addresses: [198.18.0.1], conditions: {ready: false}}
- {addresses: [198.18.0.2], targetRef: {kind: Pod, name: two}}
ports: [{name: http, port: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-b, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [198.18.0.1], conditions: {ready: true}}]
ports: [{name: admin, port: 8081}]
---
pods:
  shop:
    two: {ip: 198.18.0.2, labels: {app: web}}
"""


def test_endpoints_of_several_slices_are_joined_and_know_their_pod() -> None:
    world = world_in(SLICES)
    service = world.service("web.shop.svc.cluster.local", "shop")
    assert service is not None
    one, two = world.instances_of(service)
    assert one.ready
    assert one.ports == (("admin", 8081), ("http", 8080))
    assert one.workload is None
    assert two.workload is world.workloads["shop", "two"]
    assert two.port("http") == 8080


def test_udp_ports_are_no_ports_of_the_mesh() -> None:
    service = world_in(SLICES).services["web.shop.svc.cluster.local"][0]
    assert [p.name for p in service.ports] == ["http"]


def test_entries_of_one_namespace_for_one_host_are_one_service() -> None:
    world = world_in("""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: shop}
spec: {hosts: [API.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: b, namespace: shop}
spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
""")
    (service,) = world.services["api.example.com"]
    assert service.shape is Shape.ENTRY_DNS
    assert [(p.number, p.protocol) for p in service.ports] == [
        (80, Protocol.HTTP),
        (443, Protocol.TLS),
    ]


def test_equal_stores_give_equal_worlds() -> None:
    assert world_in(SLICES) == world_in(SLICES)
