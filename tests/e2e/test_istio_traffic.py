"""Istio's traffic rules in a real mesh: mutual TLS and raw TCP at the gateway, CORS, delegates, and a
setting for the whole mesh."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from tests.e2e.around import Around
from tests.e2e.harness import Mesh, eventually, free_port
from tests.e2e.outside import serving
from tests.envoy import pki

pytestmark = pytest.mark.e2e

HOST = "shop.example.com"
AUTHORITY = pki.Authority()
SERVER = AUTHORITY.sign(HOST, x509.DNSName(HOST))
TCP = free_port()
OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {{name: shop}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: "outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: shop-cert, namespace: istio-system}}
data: {{tls.crt: {certificate}, tls.key: {key}, ca.crt: {root}, {more}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: echo
        image: test/echo:1.0
        env: [{{name: NAME, value: web}}]
        readinessProbe: {{httpGet: {{path: /ready, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{app: web}}
  ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp, port: 9000, targetPort: 8080}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - {{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ["*"]}}
  - {{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [shop.example.com], tls: {{mode: MUTUAL, credentialName: shop-cert}}}}
  - {{port: {{number: {tcp}, name: tcp, protocol: TCP}}, hosts: ["*"]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: front, namespace: shop}}
spec:
  hosts: ["*"]
  gateways: [front]
  http:
  - match: [{{uri: {{prefix: /team}}}}]
    delegate: {{name: team}}
  - corsPolicy: {{allowOrigins: [{{exact: "https://shop.example.com"}}], allowMethods: [GET]}}
    route: [{{destination: {{host: web, port: {{number: 80}}}}}}]
  tcp:
  - match: [{{port: {tcp}}}]
    route: [{{destination: {{host: web, port: {{number: 9000}}}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: team, namespace: shop}}
spec:
  http:
  - rewrite: {{uriRegexRewrite: {{match: "^/team/(.*)$", rewrite: '/of/\\1'}}}}
    route: [{{destination: {{host: web, port: {{number: 80}}}}}}]
"""


def _encoded(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def write_objects(folder: Path, *, revoked: bytes = b"") -> None:
    """Everything, with a gateway's certificate that carries an OCSP answer."""
    more = {"tls.ocsp-staple": AUTHORITY.staple(SERVER)} | ({"ca.crl": revoked} if revoked else {})
    text = OBJECTS.format(
        certificate=_encoded(SERVER.certificate),
        key=_encoded(SERVER.key),
        root=_encoded(AUTHORITY.root),
        more=", ".join(f"{name}: {_encoded(content)}" for name, content in more.items()),
        tcp=TCP,
    )
    (folder / "objects.yaml").write_text(text)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh of one app behind every kind of server."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(Path(__file__).parent / "mesh" / "echo", folder / "echo")
    (folder / "lateen.yaml").write_text("images: {test/echo: {build: echo}}\n")
    write_objects(folder)
    running = Mesh(folder)
    try:
        running.up()
        assert eventually(lambda: running.get("/").status == 200)
        yield running
    finally:
        running.end()


def _https(mesh: Mesh, folder: Path, client: pki.Pair | None) -> bytes:
    """What the HTTPS server answers to a client with (or without) a certificate."""
    context = ssl.create_default_context(cadata=AUTHORITY.root.decode())
    if client:
        (folder / "client.pem").write_bytes(client.certificate + client.key)
        context.load_cert_chain(folder / "client.pem")
    with (
        closing(socket.create_connection(("127.0.0.1", mesh.https), timeout=10)) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as link,
    ):
        link.sendall(f"GET /x HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
        return link.recv(4096)


def _refused(mesh: Mesh, folder: Path, client: pki.Pair | None) -> bool:
    try:
        _https(mesh, folder, client)
    except ssl.SSLError:
        return True
    return False


def test_a_client_must_show_a_certificate_where_the_server_is_mutual(
    shop: Mesh, tmp_path: Path
) -> None:
    client = AUTHORITY.identity("spiffe://outside/client")
    assert _https(shop, tmp_path, client).startswith(b"HTTP/1.1 200")
    assert _refused(shop, tmp_path, None)


def test_a_client_whose_certificate_is_revoked_is_refused_as_soon_as_the_secret_says_so(
    shop: Mesh, tmp_path: Path
) -> None:
    bad, good = (AUTHORITY.identity(f"spiffe://outside/{name}") for name in ("bad", "good"))
    assert _https(shop, tmp_path, bad).startswith(b"HTTP/1.1 200")
    write_objects(shop.folder, revoked=AUTHORITY.revoke(bad))
    assert eventually(lambda: _refused(shop, tmp_path, bad))
    assert _https(shop, tmp_path, good).startswith(b"HTTP/1.1 200")


def test_an_ocsp_answer_is_shown_with_the_certificate(shop: Mesh) -> None:
    asked = subprocess.run(
        [
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{shop.https}",
            "-servername",
            HOST,
            "-status",
        ],
        input=b"",
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert b"OCSP Response Status: successful" in asked.stdout


def test_raw_connections_pass_the_gateway(shop: Mesh) -> None:
    with closing(socket.create_connection(("127.0.0.1", TCP), timeout=10)) as link:
        link.sendall(b"GET /raw HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n")
        assert link.recv(4096).startswith((b"HTTP/1.0 200", b"HTTP/1.1 200"))


def test_cors_and_a_delegate(shop: Mesh) -> None:
    answer = shop.get("/", headers={"Origin": "https://shop.example.com"})
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["access-control-allow-origin"] == "https://shop.example.com"
    assert shop.get("/team/cart").json["path"] == "/of/cart"


def test_the_mesh_refuses_what_nobody_serves(shop: Mesh) -> None:
    assert shop.call("http://198.51.100.7/").status == 502
    assert shop.call("http://web/").status == 200


def test_a_proxy_is_told_of_what_its_workload_is_said_to_need(shop: Mesh) -> None:
    project = shop.folder / "lateen.yaml"
    before = project.read_text()

    def told() -> tuple[str, int]:
        rows = json.loads(shop.lateen("proxy", "status", "-o", "json", check=False).stdout)
        (row,) = (row for row in rows["proxies"] if row["pod"].startswith("web"))
        return row["scope"], row["size"]["EDS"]["resources"]

    scope, sets = told()
    assert scope == ""
    assert sets > 1
    project.write_text(f"{before}needs: {{shop/web: [istio-system/*]}}\n")
    assert eventually(lambda: "needs[" in told()[0] and told()[1] < sets)
    assert eventually(lambda: shop.call("http://web/").status == 502)
    project.write_text(before)
    assert eventually(lambda: shop.call("http://web/").status == 200)


ASKED = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: asked, namespace: shop}
spec:
  hosts: ["*.example.com"]
  resolution: DYNAMIC_DNS
  ports: [{number: 80, name: http, protocol: HTTP}]
"""


def test_the_sandboxs_resolver_is_asked_for_a_wildcards_names(shop: Mesh) -> None:
    (shop.folder / "asked.yaml").write_text(ASKED)
    host = {"host": "nowhere.example.com"}
    assert eventually(lambda: shop.call("http://198.51.100.7/", headers=host).status == 503)
    (line,) = (
        line
        for line in shop.admin("web", "/stats?filter=dns_cache.asked").splitlines()
        if "dns_query_success" in line  # an answer came: there is no such name
    )
    assert int(line.rpartition(": ")[2]) > 0
    (shop.folder / "asked.yaml").unlink()


NAMED = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: shop}}
spec:
  hosts: [outside.example]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {web}}}]
  endpoints: [{{address: 127.0.0.1}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: range, namespace: shop}}
spec:
  hosts: [range.example]
  resolution: NONE
  addresses: [198.51.100.0/24]
  ports: [{{number: 7777, name: tcp, protocol: TCP}}]
"""


def test_a_program_that_goes_around_its_proxy_gets_no_further(shop: Mesh) -> None:
    around = Around.pod(shop, "web")
    assert around.dial("198.51.100.7", 7777) in ("b''", "ConnectionResetError")
    assert (around.counted("nowhere"), around.counted("by-number")) == (1, 0)
    assert around.connect("localhost:80") == "HTTP/1.1 403 Forbidden"
    with serving() as (_, web):
        (shop.folder / "named.yaml").write_text(NAMED.format(web=web))
        assert eventually(lambda: shop.call("http://outside.example/x").status == 200)
        assert around.connect(f"127.0.0.1:{web}") == "HTTP/1.1 200 OK", "as the proxy asks"
        assert around.connect(f"localhost:{web}") == "HTTP/1.1 403 Forbidden"
    assert eventually(lambda: around.dial("198.51.100.7", 7777) and around.counted("by-number"))
    refused = around.counted("nowhere")
    around.dial("198.51.100.7", 80)
    assert around.counted("nowhere") == refused + 1, "another port"
    shop.folder.joinpath("named.yaml").unlink()
