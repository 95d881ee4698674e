"""NetworkPolicies that Kubernetes would refuse are refused in its words; what is left out is filled in."""

from __future__ import annotations

import pytest

from lateen.check import check_object
from tests.cluster.simulated import read


def policy(spec: str) -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec: {{{spec}}}
"""


def said(spec: str) -> list[str]:
    (obj,) = read(policy(spec))
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


def ingress(rule: str) -> str:
    return f"podSelector: {{}}, ingress: [{{{rule}}}]"


@pytest.mark.parametrize(
    "spec",
    [
        "podSelector: {}",
        ingress("from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]"),
        ingress("ports: [{port: http}, {port: 80, endPort: 90, protocol: SCTP}, {protocol: UDP}]"),
        "podSelector: {}, policyTypes: [Egress, Ingress], egress: [{}]",
    ],
)
def test_sound_ones_pass(spec: str) -> None:
    assert said(spec) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            "podSelector: {matchExpressions: [{key: a, operator: Is}]}",
            'spec.podSelector.matchExpressions[0].operator: Unsupported value: "Is": supported'
            ' values: "In", "NotIn", "Exists", "DoesNotExist"',
        ),
        (
            ingress("ports: [{protocol: ICMP}]"),
            'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP",'
            ' "TCP", "UDP"',
        ),
        (
            ingress("ports: [{port: 0}]"),
            "spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            ingress("ports: [{port: 80, endPort: 79}]"),
            "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to"
            " `port`",
        ),
        (
            ingress("ports: [{port: web, endPort: 79}]"),
            "spec.ingress[0].ports[0].endPort: Invalid value: 79: may not be specified when `port` is"
            " non-numeric",
        ),
        (
            ingress("ports: [{endPort: 79}]"),
            "spec.ingress[0].ports[0].endPort: Invalid value: 79: may not be specified when `port` is"
            " not specified",
        ),
        (
            ingress("ports: [{port: no_name}]"),
            'spec.ingress[0].ports[0].port: Invalid value: "no_name": must contain only alpha-numeric'
            " characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            ingress("from: [{}]"),
            "spec.ingress[0].from[0]: Required value: must specify a peer",
        ),
        (
            ingress("from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]"),
            "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        (
            ingress("from: [{ipBlock: {cidr: 10.0.0.1}}]"),
            'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1": must be a valid CIDR'
            " value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ),
        (
            "podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]",
            'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict'
            " subset of `cidr`",
        ),
        (
            "podSelector: {}, policyTypes: [Both]",
            'spec.policyTypes[0]: Unsupported value: "Both": supported values: "Egress", "Ingress"',
        ),
    ],
)
def test_unsound_ones_are_refused(spec: str, words: str) -> None:
    assert said(spec) == [words]


def test_an_ipv6_block_is_said_to_match_nothing() -> None:
    (words,) = said(ingress("from: [{ipBlock: {cidr: 'fd00::/8'}}]"))
    assert words.endswith("pods have no IPv6 here: this block matches nothing")


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ("podSelector: {}", ["Ingress"]),
        ("podSelector: {}, egress: []", ["Ingress"]),
        ("podSelector: {}, egress: [{ports: [{port: 53}]}]", ["Ingress", "Egress"]),
        ("podSelector: {}, policyTypes: [Egress]", ["Egress"]),
    ],
)
def test_the_types_follow_from_the_rules(spec: str, types: list[str]) -> None:
    (obj,) = read(policy(spec))
    assert obj.raw["spec"]["policyTypes"] == types
    ports = [p for rule in obj.raw["spec"].get("egress", ()) for p in rule["ports"]]
    assert all(port["protocol"] == "TCP" for port in ports)
