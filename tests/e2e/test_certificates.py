"""Certificates of seconds, another root, a CA of one's own: and no request fails."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lateen.base.clock import SystemClock
from lateen.ca.authority import Authority
from lateen.ca.material import files_of
from tests.e2e.harness import Mesh, eventually
from tests.e2e.load import Load

# Each request makes connections of its own, so that each is a handshake with what is held just then.
OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "defaultConfig: {proxyMetadata: {SECRET_TTL: 10s}}"}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: one-by-one, namespace: istio-system}
spec:
  host: "*.local"
  trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [front]
  http: [{route: [{destination: {host: web}}], retries: {attempts: 0}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [api]
  http: [{route: [{destination: {host: api}}], retries: {attempts: 0}}]
"""
APP = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: shop}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}, annotations: {proxy.istio.io/config: "ANNOTATION"}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: echo
        image: test/echo:1.0
        env: [{name: NAME, value: NAME}]
        readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: id, mountPath: /spiffe-workload-api}]
      volumes: [{name: id, VOLUME}]
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec:
  selector: {app: NAME}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""
RSA = "proxyMetadata: {WORKLOAD_RSA_KEY_SIZE: '2048'}"


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(name, word)
    return text


def write_files(folder: Path) -> None:
    """Two apps and the gateway, with certificates of ten seconds."""
    shutil.copytree(Path(__file__).parent / "mesh" / "echo", folder / "echo")
    (folder / "lateen.yaml").write_text("images: {test/echo: {build: echo}}\n")
    web = {
        "NAME": "web",
        "ANNOTATION": "",
        "VOLUME": "csi: {driver: csi.spiffe.io, readOnly: true}",
    }
    api = {"NAME": "api", "ANNOTATION": RSA, "VOLUME": "emptyDir: {}"}
    apps = _filled(APP, web) + _filled(APP, api)
    (folder / "all.yaml").write_text(OBJECTS + apps)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh of these files."""
    folder = tmp_path_factory.mktemp("certificates")
    write_files(folder)
    mesh = Mesh(folder)
    try:
        mesh.up()
        yield mesh
    finally:
        mesh.end()


def certs(mesh: Mesh) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(mesh.lateen("certs", "-o", "json", check=False).stdout)
    return shown


def of_kind(mesh: Mesh, kind: str) -> list[dict[str, Any]]:
    return [row for row in certs(mesh)["certificates"] if row["kind"] == kind]


def serials(mesh: Mesh) -> dict[str, str]:
    return {row["name"]: row["serial"] for row in of_kind(mesh, "proxy")}


def from_app_to_app(mesh: Mesh) -> int:
    """The status of a request by the gateway to an app that asks another."""
    answer = mesh.get("/call?url=http://api/")
    return int(answer.json["status"]) if answer.status == 200 else answer.status


def held_roots(mesh: Mesh) -> list[set[str]]:
    """The serial numbers of the roots each Envoy itself says it trusts."""
    found = []
    for pod in ("web", "api", "istio-ingressgateway"):
        shown = json.loads(mesh.admin(pod, "/certs"))["certificates"]
        found.append({ca["serial_number"] for each in shown for ca in each["ca_cert"]})
    return found


def test_certificates_of_ten_seconds_and_a_new_root_cost_no_request(own: Mesh) -> None:
    before, (root,) = serials(own), of_kind(own, "root")
    assert all(5 - 2 <= row["secondsLeft"] <= 10 for row in of_kind(own, "proxy"))
    with Load(lambda: from_app_to_app(own), threads=2) as load:
        assert eventually(lambda: not set(serials(own).values()) & set(before.values()))
        done = own.lateen("certs", "rotate").stdout
        assert load.more(50)
    assert "new roots go out beside the old" in done
    assert "done: the old root is trusted no more" in done
    assert set(load.seen) == {200}, load.seen
    print(f"{load.seen[200]} requests, each with handshakes of its own: 0 failed")
    (new,) = of_kind(own, "root")
    assert new["serial"] != root["serial"]
    eventually(lambda: held_roots(own) == [{new["serial"]}] * 3)


def test_a_ca_of_ones_own_is_taken_over_live_and_left_again(own: Mesh, tmp_path: Path) -> None:
    theirs = Authority.open(tmp_path / "ca", trust_domain="cluster.local", clock=SystemClock())
    data = {k: base64.b64encode(v).decode() for k, v in files_of(theirs.material).items()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": "istio-system"},
        "data": data,
    }
    (root,) = theirs.material.roots
    with Load(lambda: from_app_to_app(own), threads=2) as load:
        (own.folder / "cacerts.yaml").write_text(json.dumps(secret))
        eventually(lambda: held_roots(own) == [{f"{root.serial_number:x}"}] * 3)
        assert certs(own)["authority"] == "plugged in"
        refused = own.lateen("certs", "rotate", check=False)
        assert refused.returncode == 1
        assert "istio-system/cacerts is the mesh's CA" in refused.stderr
        (own.folder / "cacerts.yaml").unlink()
        eventually(lambda: certs(own)["authority"] == "lateen")
        eventually(lambda: certs(own)["rotation"] == "steady")
        assert load.more(10)
    assert set(load.seen) == {200}, load.seen


def own_key(mesh: Mesh, pod: str) -> object:
    """The public key of the certificate that a pod's Envoy shows."""
    dump = json.loads(mesh.admin(pod, "/config_dump?resource=dynamic_active_secrets"))
    (own,) = (s["secret"] for s in dump["configs"] if s["name"] == "default")
    chain = base64.b64decode(own["tls_certificate"]["certificate_chain"]["inline_bytes"])
    return x509.load_pem_x509_certificates(chain)[0].public_key()


def test_a_pod_may_ask_for_an_rsa_key(own: Mesh) -> None:
    assert isinstance(own_key(own, "web"), ec.EllipticCurvePublicKey)
    key = own_key(own, "api")
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert from_app_to_app(own) == 200


def test_an_app_that_asks_reaches_its_own_workload_api_and_no_other_app_does(own: Mesh) -> None:
    look = "import os; print(sorted(os.listdir('/spiffe-workload-api')))"
    assert own.inside(look) == "['spire-agent.sock']"
    other = (
        f"import urllib.request as u; print(u.urlopen('http://api/run', {look.encode()!r}).read())"
    )
    assert '"out": "[]' in own.inside(other)
    greeting = own.inside(
        "import socket\ns = socket.socket(socket.AF_UNIX)\n"
        "s.connect('/spiffe-workload-api/spire-agent.sock')\n"
        "s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))\n"
        "print(s.recv(9)[3])"
    )
    assert greeting == "4", "an HTTP/2 server answers with its settings"
