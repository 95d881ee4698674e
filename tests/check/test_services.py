"""Services whose ports and sharing out Kubernetes would refuse are refused in its words."""

from __future__ import annotations

import pytest

from lateen.check import check_object
from tests.cluster.simulated import read


def said(more: str, port: str = "port: 80") -> list[str]:
    (obj,) = read(f"""
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{selector: {{app: web}}, ports: [{{{port}}}], {more}}}
""")
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


@pytest.mark.parametrize(
    "more",
    [
        "type: NodePort",
        "type: LoadBalancer, allocateLoadBalancerNodePorts: false, externalTrafficPolicy: Local",
        "sessionAffinity: ClientIP",
        "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
        "internalTrafficPolicy: Local, publishNotReadyAddresses: true",
    ],
)
def test_sound_ones_pass(more: str) -> None:
    assert said(more) == []


@pytest.mark.parametrize(
    ("more", "port", "words"),
    [
        (
            "type: NodePort",
            "port: 80, nodePort: 8080",
            "spec.ports[0].nodePort: Invalid value: 8080: provided port is not in the valid range. The"
            " range of valid ports is 30000-32767",
        ),
        (
            "sessionAffinity: Cookie",
            "port: 80",
            'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"',
        ),
        (
            "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}",
            "port: 80",
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater"
            " than 0 and less than 86400",
        ),
        (
            "sessionAffinityConfig: {clientIP: {timeoutSeconds: 9}}",
            "port: 80",
            "spec.sessionAffinityConfig: Forbidden: must not be set when session affinity is None",
        ),
        (
            "externalTrafficPolicy: Local",
            "port: 80",
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for'
            " externally-accessible services",
        ),
        (
            "internalTrafficPolicy: Near",
            "port: 80",
            'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster",'
            ' "Local"',
        ),
    ],
)
def test_unsound_ones_are_refused(more: str, port: str, words: str) -> None:
    assert said(more, port) == [words]
