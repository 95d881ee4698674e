"""What Istio's objects say of the proxies themselves, in a real mesh: their own ports, patches in Envoy's
words (one of which Envoy refuses), how they start, the name of their trust domain, whom they believe and
what goes past them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import FOLDER
from tests.e2e.harness import Mesh, eventually

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    trustDomain: shop.example
    defaultConfig:
      gatewayTopology: {numTrustedProxies: 1}
      proxyHeaders: {server: {value: shop-front}}
---
apiVersion: v1
kind: Pod
metadata:
  name: bare
  namespace: shop
  labels: {app: bare, sidecar.istio.io/inject: "false"}
spec:
  containers: [{name: echo, image: test/echo:1.0, env: [{name: NAME, value: bare}]}]
---
apiVersion: v1
kind: Service
metadata: {name: bare, namespace: shop}
spec:
  selector: {app: bare}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: http-past, port: 8081, targetPort: 8080}]
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
  http: [{route: [{destination: {host: side}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: side, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: shop}
spec:
  workloadSelector: {labels: {app: web}}
  ingress:
  - {port: {number: 9080, protocol: HTTP, name: http}, captureMode: NONE, defaultEndpoint: "127.0.0.1:8080"}
  egress:
  - {port: {number: 3000, protocol: TCP, name: own}, captureMode: NONE, hosts: ["./other.shop.svc.cluster.local"]}
  - {hosts: ["*/*"]}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, concurrency: 2}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: edge, namespace: istio-system}
spec:
  configPatches:
  - applyTo: VIRTUAL_HOST
    match: {context: GATEWAY}
    patch: {operation: MERGE, value: {response_headers_to_add: [{header: {key: x-patched, value: "yes"}}]}}
  - applyTo: BOOTSTRAP
    patch: {operation: MERGE, value: {stats_flush_interval: 2s}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: bad, namespace: shop}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_OUTBOUND, cluster: {service: other.shop.svc.cluster.local}}
    patch: {operation: MERGE, value: {lb_policy: CLUSTER_PROVIDED}}
"""


SPARED = """      annotations:
        traffic.sidecar.istio.io/excludeOutboundPorts: "8081"
    spec:"""


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh of two apps."""
    folder = tmp_path_factory.mktemp("patched")
    shutil.copytree(FOLDER / "echo", folder / "echo")
    shutil.copy(FOLDER / "lateen.yaml", folder)
    (folder / "k8s").mkdir()
    for name in ("00-namespace", "web", "other"):
        shutil.copy(FOLDER / "k8s" / f"{name}.yaml", folder / "k8s")
    web = folder / "k8s" / "web.yaml"
    labels = "      labels:\n        app: web\n    spec:"
    assert labels in web.read_text()
    web.write_text(web.read_text().replace(labels, labels.replace("    spec:", SPARED)))
    (folder / "objects.yaml").write_text(OBJECTS)
    running = Mesh(folder)
    try:
        running.up(check=False)
        assert eventually(lambda: running.get("/").status == 200)
        yield running
    finally:
        running.end()


def test_a_port_that_only_the_sidecar_has_leads_to_the_app(patched: Mesh) -> None:
    answer = patched.get("/")
    assert answer.json["name"] == "web"
    assert answer.json["peer"] == "127.0.0.1", "the app is asked on the loopback"


def test_the_app_reaches_others_at_its_proxys_own_port(patched: Mesh) -> None:
    answer = patched.call("http://127.0.0.1:3000/")
    assert answer.status == 200
    assert json.loads(answer.text)["name"] == "other"


def test_patches_hold_in_what_is_sent_and_in_what_proxies_start_with(patched: Mesh) -> None:
    assert patched.get("/").headers["x-patched"] == "yes"
    sent = json.loads(patched.admin("web", "/config_dump?resource=&mask=bootstrap"))
    started = next(c["bootstrap"] for c in sent["configs"] if "bootstrap" in c)
    assert started["stats_flush_interval"] == "2s"


def test_a_patch_that_envoy_refuses_is_set_aside_with_its_words(patched: Mesh) -> None:
    refused = [p for p in patched.status()["problems"] if p["code"] == "LAT0100"]
    assert [(p["kind"], p["name"]) for p in refused] == [("EnvoyFilter", "bad")]
    assert "did not provide one" in refused[0]["message"]
    assert patched.call("http://other/").status == 200


def test_a_proxy_has_the_threads_it_is_given(patched: Mesh) -> None:
    threads = {
        pod: json.loads(patched.admin(pod, "/server_info"))["command_line_options"]["concurrency"]
        for pod in ("web", "other")
    }
    assert threads == {"web": 2, "other": 1}


def test_identities_are_of_the_meshs_own_trust_domain(patched: Mesh) -> None:
    certificate = patched.call("http://other/").text
    seen = json.loads(certificate)["headers"]["x-forwarded-client-cert"]
    assert "URI=spiffe://shop.example/ns/shop/sa/web" in seen


def test_a_client_is_who_the_proxy_in_front_says(patched: Mesh) -> None:
    answer = patched.get("/", headers={"x-forwarded-for": "203.0.113.9"})
    assert answer.headers["server"] == "shop-front"
    told = answer.json["headers"]["x-forwarded-for"]
    assert told.replace(" ", "") == "203.0.113.9,127.0.0.1"


def test_calls_to_an_excluded_port_pass_the_proxy_by(patched: Mesh) -> None:
    through, past = (patched.call(f"http://bare{port}/") for port in ("", ":8081"))
    assert (through.status, past.status) == (200, 200)
    headers = [json.loads(answer.text)["headers"] for answer in (through, past)]
    assert ["x-request-id" in each for each in headers] == [True, False]
