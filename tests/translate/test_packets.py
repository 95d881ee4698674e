"""NetworkPolicies mean for pods what Kubernetes says they mean."""

from __future__ import annotations

import pytest

from lateen.ir.packets import OPEN, Allow, PodFilter, PortRange, admits
from lateen.translate.packets import RESOLVER, filters_of
from tests.translate.cases import world_in

_PODS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: jobs, labels: {team: b}}
---
pods:
  shop:
    web: {ip: 198.18.0.10, labels: {app: web}, ports: {http: 8080}}
    api: {ip: 198.18.0.11, labels: {app: api}, ports: {http: 9090}}
    done: {ip: 198.18.0.12, labels: {app: web}, phase: Succeeded}
  jobs:
    web: {ip: 198.18.0.20, labels: {app: web}, ports: {http: 7070}}
    api: {ip: 198.18.0.21, labels: {app: api}}
---
"""
WEB, API, OTHER_WEB, OTHER_API = "198.18.0.10", "198.18.0.11", "198.18.0.20", "198.18.0.21"
OUTSIDE = "93.184.216.34"


def policy(spec: str, name: str = "p", namespace: str = "shop") -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{spec}}}
"""


def filter_of(pod: str, *policies: str) -> PodFilter:
    found = filters_of(world_in(_PODS + "---\n".join(policies)))
    return found.get(("shop", pod), OPEN)


def who(allows: tuple[Allow, ...] | None, port: int = 8080, protocol: str = "TCP") -> set[str]:
    """Which of some addresses pass."""
    every = (WEB, API, OTHER_WEB, OTHER_API, OUTSIDE, RESOLVER)
    return {address for address in every if admits(allows, address, protocol, port)}


def test_a_policy_is_about_the_pods_it_selects_in_its_own_namespace() -> None:
    closed = policy("podSelector: {matchLabels: {app: web}}")
    found = filters_of(world_in(_PODS + closed))
    assert found == {("shop", "web"): PodFilter(ingress=(), egress=None)}


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        ("[{podSelector: {}}]", {WEB, API}),
        ("[{podSelector: {matchLabels: {app: api}}}]", {API}),
        ("[{namespaceSelector: {}}]", {WEB, API, OTHER_WEB, OTHER_API, RESOLVER}),
        ("[{namespaceSelector: {matchLabels: {team: b}}}]", {OTHER_WEB, OTHER_API}),
        (
            "[{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: api}}}]",
            {OTHER_API},
        ),
        (
            "[{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: api}}}]",
            {OTHER_WEB, OTHER_API, API},
        ),
        ("[{ipBlock: {cidr: 93.0.0.0/8}}]", {OUTSIDE}),
        ("[{ipBlock: {cidr: 0.0.0.0/0, except: [198.18.0.0/16]}}]", {OUTSIDE}),
        ("[{ipBlock: {cidr: 'fd00::/8'}}]", set()),
    ],
)
def test_peers_are_pods_by_labels_or_addresses(peers: str, expected: set[str]) -> None:
    rule = policy(f"podSelector: {{}}, ingress: [{{from: {peers}}}]")
    assert who(filter_of("web", rule).ingress) == expected
    rule = policy(f"podSelector: {{}}, policyTypes: [Egress], egress: [{{to: {peers}}}]")
    made = filter_of("web", rule)
    assert (who(made.egress), made.ingress) == (expected, None)


def test_policies_add_up_and_an_empty_rule_lets_everything_pass() -> None:
    deny = policy("podSelector: {}, policyTypes: [Ingress, Egress]", "deny")
    api = policy("podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]")
    block = policy("podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 93.0.0.0/8}}]}]", "block")
    made = filter_of("web", deny, api, block)
    assert (who(made.ingress), who(made.egress)) == ({API, OUTSIDE}, set())
    everything = policy("podSelector: {}, ingress: [{}]", "all")
    assert len(who(filter_of("web", deny, api, everything).ingress)) == 6


@pytest.mark.parametrize(
    ("ports", "passing"),
    [
        ("[{port: 8080}]", {("TCP", 8080)}),
        ("[{port: 8000, endPort: 8100}]", {("TCP", 8080)}),
        ("[{protocol: UDP, port: 53}]", {("UDP", 53)}),
        ("[{protocol: UDP}, {port: 9090}]", {("UDP", 53), ("TCP", 9090)}),
        ("[{port: http}]", {("TCP", 8080)}),
        ("[{port: nobody}]", set()),
        ("[]", {("TCP", 8080), ("TCP", 9090), ("UDP", 53)}),
    ],
)
def test_ports_are_the_pods_own(ports: str, passing: set[tuple[str, int]]) -> None:
    made = filter_of("web", policy(f"podSelector: {{}}, ingress: [{{ports: {ports}}}]"))
    every = {("TCP", 8080), ("TCP", 9090), ("UDP", 53)}
    assert {each for each in every if admits(made.ingress, API, *each)} == passing


def test_going_out_a_ports_name_is_the_other_pods() -> None:
    rule = "{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}"
    made = filter_of("api", policy(f"podSelector: {{}}, policyTypes: [Egress], egress: [{rule}]"))
    assert who(made.egress, 8080) == {WEB}
    assert who(made.egress, 7070) == {OTHER_WEB}
    assert who(made.egress, 9090) == set()


def test_the_resolver_is_found_where_it_is_in_a_cluster() -> None:
    peer = (
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}},"
        " podSelector: {matchLabels: {k8s-app: kube-dns}}}"
    )
    ports = "[{protocol: UDP, port: 53}, {protocol: TCP, port: dns-tcp}]"
    made = filter_of(
        "web", policy(f"podSelector: {{}}, egress: [{{to: [{peer}], ports: {ports}}}]")
    )
    assert who(made.egress, 53, "UDP") == who(made.egress, 53) == {RESOLVER}
    assert who(made.egress, 54, "UDP") == set()


def test_each_rule_says_whose_it_is() -> None:
    made = filter_of("web", policy("podSelector: {}, ingress: [{ports: [{port: 1}]}, {}]"))
    assert made.ingress is not None
    assert [allow.origin for allow in made.ingress] == [
        "NetworkPolicy shop/p ingress[0]",
        "NetworkPolicy shop/p ingress[1]",
    ]
    assert made.ingress[0].ports == (PortRange(protocol="TCP", first=1, last=1),)
