"""Certificates by path: found where a Secret is mounted, and told of where none is."""

from __future__ import annotations

from lateen.translate.plan import plans
from tests.translate.cases import world_in

TEXT = """
apiVersion: v1
kind: Secret
metadata: {name: own, namespace: shop}
data: {ca.crt: cm9vdA==}
---
apiVersion: v1
kind: Service
metadata: {name: stock, namespace: shop}
spec: {selector: {app: stock}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: stock, namespace: shop}
spec: {host: stock, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: %s}}}
---
pods:
  shop:
    client:
      ip: 198.18.0.9
      annotations:
        sidecar.istio.io/userVolume: '{"own": {"secret": {"secretName": "own"}}, "none": 1}'
        sidecar.istio.io/userVolumeMount: '{"own": {"mountPath": "/own"}, "none": {"mountPath": "/none"}}'
    broken: {ip: 198.18.0.8, annotations: {sidecar.istio.io/userVolume: "{"}}
"""


def told(path: str) -> dict[str, tuple[list[bytes], list[str]]]:
    """The roots that each pod's proxy is sent, and what is wrong."""
    return {
        made.plan.proxy.pod: (
            [root.pem for root in made.plan.roots],
            [problem.message for problem in made.problems],
        )
        for made in plans(world_in(TEXT % path))
    }


def test_a_mounted_file_is_sent_and_one_that_is_not_there_is_told() -> None:
    found = told("/own/ca.crt")
    assert found["client"] == ([b"root"], [])
    assert found["broken"] == (
        [],
        ["file /own/ca.crt of the proxy of shop/broken does not exist"],
    )


def test_the_systems_own_roots_are_known_without_a_mount() -> None:
    assert set(map(str, told("/etc/ssl/certs/ca-certificates.crt").values())) == {"([], [])"}
    assert set(map(str, told("system").values())) == {"([], [])"}
