"""What a pod may dial by number where only the registry's services may be called."""

from __future__ import annotations

import pytest

from lateen.ir.border import ByNumber
from lateen.ir.plan import ProxyPlan
from lateen.translate.leaving import registry_of
from lateen.translate.plan import plans
from tests.translate.cases import world_in

MESH = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
pods:
  shop:
    web-0: {ip: 198.18.0.20, labels: {app: web}}
    edge-0: {ip: 198.18.0.22, image: auto, labels: {istio: ingressgateway}}
---
"""
ALL = "0.0.0.0/0"


def entry(ports: str, *, hosts: str = "api.example.com", more: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: api, namespace: shop}}
spec:
  hosts: ["{hosts}"]
  ports: [{ports}]
  resolution: NONE
  {more}
---
"""


def plan_of(text: str, pod: str = "web-0") -> ProxyPlan:
    (found,) = (made.plan for made in plans(world_in(text)) if made.plan.proxy.pod == pod)
    return found


def registry(text: str) -> tuple[ByNumber, ...] | None:
    return registry_of(plan_of(MESH + text), only_registry=True)


def test_with_nothing_outside_nothing_may_be_dialled() -> None:
    assert registry("") == ()


def test_anything_may_where_unknown_hosts_are_let() -> None:
    text = MESH.replace("REGISTRY_ONLY", "ALLOW_ANY")
    assert registry_of(plan_of(text), only_registry=False) is None


@pytest.mark.parametrize(
    ("port", "hosts"),
    [
        ("{number: 80, name: http, protocol: HTTP}", True),
        ("{number: 80, name: tls, protocol: TLS}", True),
        ("{number: 80, name: https, protocol: HTTPS}", True),
        ("{number: 80, name: tcp, protocol: TCP}", False),
        ("{number: 80, name: any}", False),
    ],
)
def test_an_entry_without_addresses_is_open_to_what_says_its_name(port: str, hosts: bool) -> None:
    (found,) = registry(entry(port, hosts="*.example.com")) or ()
    assert (found.network, found.port) == (ALL, 80)
    assert ("*.example.com" in found.hosts) is hosts
    assert bool(found.hosts) is hosts


def test_an_entrys_addresses_bound_what_has_no_name() -> None:
    more = "addresses: [10.1.0.0/16, 192.0.2.7, '2001:db8::/32']"
    assert registry(entry("{number: 5432, name: tcp, protocol: TCP}", more=more)) == (
        ByNumber(network="10.1.0.0/16", port=5432),
        ByNumber(network="192.0.2.7/32", port=5432),
    )


def test_the_name_is_the_one_a_request_leaves_with() -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.example.com]
  http: [{rewrite: {authority: inner.example.com}, route: [{destination: {host: api.example.com}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec: {host: api.example.com, trafficPolicy: {tls: {mode: SIMPLE, sni: shown.example.com}}}
---
"""
    (found,) = registry(entry("{number: 80, name: http, protocol: HTTP}") + rule) or ()
    assert {"api.example.com", "inner.example.com", "shown.example.com"} <= set(found.hosts)


def test_what_begins_with_other_bytes_needs_no_name() -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec: {host: api.example.com, trafficPolicy: {proxyProtocol: {version: V2}}}
---
"""
    found = registry(entry("{number: 443, name: tls, protocol: TLS}") + rule)
    assert found == (ByNumber(network=ALL, port=443),)


def test_what_is_asked_for_by_name_is_not_dialled_by_number() -> None:
    text = entry("{number: 443, name: tls, protocol: TLS}").replace("NONE", "DNS")
    assert registry(text) == ()
    fixed = "endpoints: [{address: 192.0.2.9}]"
    text = entry("{number: 80, name: tcp, protocol: TCP}", more=fixed).replace("NONE", "STATIC")
    assert registry(text) == ()


def test_what_a_proxy_looks_up_may_be_dialled_by_what_says_the_name() -> None:
    ports = "{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}"
    text = entry(ports, hosts="*.example.com").replace("NONE", "DYNAMIC_DNS")
    assert registry(text) == tuple(
        ByNumber(network=ALL, port=port, hosts=("*.example.com",)) for port in (80, 443)
    )


def test_what_it_speaks_tls_to_is_dialled_at_the_port_of_tls() -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec: {host: "*.example.com", trafficPolicy: {tls: {mode: SIMPLE}}}
---
"""
    text = entry("{number: 80, name: http, protocol: HTTP}", hosts="*.example.com")
    found = registry(text.replace("NONE", "DYNAMIC_DNS") + rule)
    assert [each.port for each in found or ()] == [80, 443]


def test_endpoints_outside_of_a_service_may_be_dialled_and_pods_need_no_word() -> None:
    text = """
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {ports: [{name: tcp, port: 5432, targetPort: 6432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.40]}]
ports: [{name: tcp, port: 6432}]
---
"""
    assert registry(text) == (ByNumber(network="192.0.2.40/32", port=6432),)


def sidecar(spec: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: web, namespace: shop}}
spec: {{{spec}}}
---
"""


def test_a_sidecars_scope_and_mode_are_the_pods_own() -> None:
    known = entry("{number: 5432, name: tcp, protocol: TCP}")
    assert registry(known + sidecar('egress: [{hosts: ["~/*"]}]')) == ()
    assert registry(known + sidecar("outboundTrafficPolicy: {mode: ALLOW_ANY}")) is None
    free = MESH.replace("REGISTRY_ONLY", "ALLOW_ANY")
    held = free + sidecar("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    assert registry_of(plan_of(held), only_registry=False) == ()


def test_what_has_to_go_by_an_egress_proxy_does_not_leave_from_the_pod() -> None:
    by_web = (
        "{mode: ALLOW_ANY, egressProxy: {host: web.shop.svc.cluster.local, port: {number: 80}}}"
    )
    text = MESH.replace("REGISTRY_ONLY", "ALLOW_ANY") + sidecar(f"outboundTrafficPolicy: {by_web}")
    assert registry_of(plan_of(text), only_registry=False) == ()


CLUSTER = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: more, namespace: shop}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {context: ANY}
    patch:
      operation: ADD
      value:
        name: more
        type: STRICT_DNS
        load_assignment:
          cluster_name: more
          endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: x.example.com, port_value: 80}}}}]}]
---
"""


def test_a_cluster_that_only_an_envoyfilter_names_is_told_of() -> None:
    def told(text: str) -> set[str]:
        made = plans(world_in(text + CLUSTER))
        return {p.message for each in made for p in each.problems if "REGISTRY_ONLY" in p.message}

    assert told(MESH) == {
        "under REGISTRY_ONLY the border lets by only what the registry names: x.example.com is not"
        " reached. The cluster of a ServiceEntry is, by its name outbound|PORT||HOST"
    }
    assert told(MESH.replace("REGISTRY_ONLY", "ALLOW_ANY")) == set()


def test_a_gateway_goes_by_the_meshs_mode() -> None:
    gateway = plan_of(MESH, "edge-0")
    assert registry_of(gateway, only_registry=True) == ()
    assert registry_of(gateway, only_registry=False) is None
