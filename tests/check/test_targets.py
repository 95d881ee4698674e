"""Policies attached to something by name: what Istio takes, and whether any proxy here goes by it."""

from __future__ import annotations

import pytest

from lateen.base.problem import Level
from tests.check.test_objects import found
from tests.check.test_together import found as found_together
from tests.check.test_together import istio

KINDS = ["AuthorizationPolicy", "RequestAuthentication", "Telemetry", "EnvoyFilter"]
APIS = {
    "AuthorizationPolicy": "security.istio.io/v1",
    "RequestAuthentication": "security.istio.io/v1",
    "Telemetry": "telemetry.istio.io/v1",
    "EnvoyFilter": "networking.istio.io/v1alpha3",
}
GATEWAY = "{group: gateway.networking.k8s.io, kind: Gateway, name: front}"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: front-0, labels: {gateway.networking.k8s.io/gateway-name: front}}
spec: {containers: [{name: istio-proxy, image: auto}]}
---
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("{kind: Service}", "name: targetRef name must be set"),
        (
            "{kind: Service, name: a, namespace: b}",
            "namespace: targetRef namespace must not be set; cross namespace referencing is not supported",
        ),
        (
            "{group: networking.istio.io, kind: Gateway, name: a}",
            "kind: targetRef must be to one of core/Service, networking.istio.io/ServiceEntry,"
            " gateway.networking.k8s.io/Gateway, gateway.networking.k8s.io/GatewayClass"
            " but was networking.istio.io/Gateway",
        ),
    ],
)
def test_what_is_refused(kind: str, target: str, words: str) -> None:
    assert found(kind, f"{{targetRefs: [{target}]}}") == [f"spec.targetRefs[0].{words}"]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_references_exclude_one_another(kind: str) -> None:
    labels = (
        "workloadSelector: {labels: {a: b}}"
        if kind == "EnvoyFilter"
        else "selector: {matchLabels: {a: b}}"
    )
    (words,) = found(kind, f"{{{labels}, targetRefs: [{GATEWAY}]}}")
    assert words.endswith("only one of targetRefs or workloadSelector can be set")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "target",
    [
        "{kind: Service, name: web}",
        "{group: core, kind: Service, name: web}",
        "{group: networking.istio.io, kind: ServiceEntry, name: out}",
        "{group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint}",
    ],
)
def test_what_only_a_waypoint_goes_by_is_told(kind: str, target: str) -> None:
    spec = f"{{targetRefs: [{target}]}}"
    assert found(kind, spec) == []
    told = [each for each in found(kind, spec, Level.WARNING) if "targetRefs" in each]
    assert len(told) == 1
    assert told[0].startswith("spec.targetRefs[0]: a ")
    assert "for waypoints, and here are none" in told[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_gateway_that_no_pod_belongs_to_is_told(kind: str) -> None:
    policy = istio(kind, f"{{targetRefs: [{GATEWAY}]}}", APIS[kind])
    (words,) = (each for each in found_together(policy) if "targetRefs" in each)
    assert words.startswith("IST0127 spec.targetRefs[0]: No matching workloads")
    assert "gateway.networking.k8s.io/gateway-name: front" in words
    assert not any("targetRefs" in each for each in found_together(policy + POD))


def test_peer_authentication_has_no_references() -> None:
    (words,) = found("PeerAuthentication", f"{{targetRefs: [{GATEWAY}]}}")
    assert "targetRefs" in words
