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


LISTED = "/own/ca.crt, caCrl: {}"


def test_what_a_roots_authority_took_back_is_sent_with_it() -> None:
    text = TEXT.replace("ca.crt: cm9vdA==", "ca.crt: cm9vdA==, ca.crl: bGlzdA==")
    (made,) = (
        made
        for made in plans(world_in(text % LISTED.format("/own/ca.crl")))
        if made.plan.proxy.pod == "client"
    )
    assert [(r.name, r.pem, r.revoked) for r in made.plan.roots] == [
        ("file-root:/own/ca.crt~/own/ca.crl", b"root", b"list")
    ]


def test_roots_whose_list_is_missing_are_not_trusted() -> None:
    assert told(LISTED.format("/own/ca.crl"))["client"] == (
        [],
        ["file /own/ca.crl of the proxy of shop/client does not exist"],
    )


def test_a_list_for_the_systems_own_roots_is_told_to_have_no_effect() -> None:
    _, words = told("system, caCrl: /own/ca.crl")["client"]
    assert words == ["a caCrl is for roots of caCertificates; nothing is revoked of the system's"]


GATEWAY = """
apiVersion: v1
kind: Secret
metadata: {name: edge, namespace: shop}
data: {tls.crt: Y2VydA==, tls.key: a2V5, ca.crt: cm9vdA==, ca.crl: bGlzdA==}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls: {mode: MUTUAL, serverCertificate: /c/tls.crt, privateKey: /c/tls.key, caCertificates: /c/ca.crt, caCrl: /c/ca.crl}
---
pods:
  shop:
    edge:
      ip: 198.18.9.9
      labels: {app: edge}
      image: auto
      annotations:
        sidecar.istio.io/userVolume: '{"own": {"secret": {"secretName": "edge"}}}'
        sidecar.istio.io/userVolumeMount: '{"own": {"mountPath": "/c"}}'
"""


def test_a_gateways_clients_are_looked_up_in_the_list_of_the_revoked() -> None:
    (made,) = plans(world_in(GATEWAY))
    (root,) = made.plan.roots
    assert root.revoked == b"list"
    (port,) = made.plan.gateway
    client = port.tls[0].client
    assert client
    assert client.root == root.name
