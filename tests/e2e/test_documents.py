"""The security examples of the book (5.5, 6.2, 6.5, 12.4) and of the guide at work, as they are written."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.harness import Mesh, eventually
from tests.envoy import pki

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
# 5.5, 6.2, 6.5, 12.4 and the guide's policies. Those of 6.2 for the whole namespace are those of 6.5, too.
DOCUMENTS = (
    "book/05.5-strict-mtls",
    "book/06.2-strict-mtls",
    "book/06.2-authorization",
    "book/06.5-authorization",
    "book/06.5-secret",
    "book/06.5-gateway",
    "book/12.4-networkpolicy",
    "guide/en/14-security",
)
# Namespace, name, account.
WORKLOADS = (
    ("default", "frontend", "frontend-service-account"),
    ("default", "backend", "default"),
    ("default", "user-service", "user-service-account"),
    ("default", "order-service", "default"),
    ("default", "inventory-service", "default"),
    ("default", "go-service", "go-service"),
    ("default", "fastapi-service", "default"),
    ("your-namespace", "orders", "orders"),
    ("your-namespace", "inventory", "inventory"),
    ("your-namespace", "plain", "default"),
    ("your-namespace", "database", "default"),
    ("finance", "transfers", "default"),
    ("finance", "accounts", "default"),
    ("finance", "audit", "default"),
)
APPS = {
    "transfers": "frontend",
    "accounts": "backend",
}  # labels in 12.4; else an app has its own name
OUTSIDE = ("plain", "database")  # pods without a proxy
CALLERS = (
    "frontend",
    "user-service",
    "inventory-service",
    "go-service",
    "orders",
    "plain",
    "transfers",
    "audit",
)
HOST = "ecommerce.example.com"
Tree = dict[str, Any]


def _tree(version: str, kind: str, name: str, namespace: str, **more: object) -> Tree:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _credentials() -> list[Tree]:
    """What the book puts into a container's `env` in 6.5."""
    text = (EXAMPLES / "book" / "06.5-env-from-secret.yaml").read_text(encoding="utf-8")
    found: list[Tree] = yaml.safe_load(text)["env"]
    return found


def _workload(namespace: str, name: str, account: str) -> Iterator[Tree]:
    if account != "default":
        yield _tree("v1", "ServiceAccount", account, namespace)
    app = {"app": APPS.get(name, name)}
    labels = app | ({"sidecar.istio.io/inject": "false"} if name in OUTSIDE else {})
    port = 5432 if name == "database" else 8080
    env = [{"name": "NAME", "value": name}, {"name": "PORT", "value": str(port)}]
    container = {
        "name": "echo",
        "image": "test/echo:1.0",
        "env": env + (_credentials() if name == "inventory-service" else []),
        "readinessProbe": {"httpGet": {"path": "/ready", "port": port}, "periodSeconds": 1},
    }
    spec = {
        "serviceAccountName": account,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    selector = {"matchLabels": app}
    yield _tree(
        "apps/v1", "Deployment", name, namespace, spec={"selector": selector, "template": template}
    )
    ports = [{"name": "http", "port": 80, "targetPort": port}]
    yield _tree("v1", "Service", name, namespace, spec={"selector": app, "ports": ports})


def _ways_in() -> Iterator[Tree]:
    """From a test to each app that is to call another, and from outside as 6.5 says."""
    yield _tree(
        "networking.istio.io/v1",
        "Gateway",
        "tests",
        "default",
        spec={
            "selector": {"istio": "ingressgateway"},
            "servers": [
                {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
            ],
        },
    )
    spaces = {name: namespace for namespace, name, _ in WORKLOADS}
    routes = [
        {
            "match": [{"uri": {"prefix": f"/{name}/"}}],
            "rewrite": {"uri": "/"},
            "route": [{"destination": {"host": f"{name}.{spaces[name]}.svc.cluster.local"}}],
        }
        for name in CALLERS
    ]
    yield _tree(
        "networking.istio.io/v1",
        "VirtualService",
        "tests",
        "default",
        spec={"hosts": ["*"], "gateways": ["tests"], "http": routes},
    )
    yield _tree(
        "networking.istio.io/v1",
        "VirtualService",
        "ecommerce",
        "default",
        spec={
            "hosts": [HOST],
            "gateways": ["ecommerce-gateway"],
            "http": [{"route": [{"destination": {"host": "user-service"}}]}],
        },
    )


def _secret(pair: pki.Pair) -> Tree:
    data = {
        "tls.crt": base64.b64encode(pair.certificate).decode(),
        "tls.key": base64.b64encode(pair.key).decode(),
    }
    return _tree("v1", "Secret", "tls-cert", "istio-system", type="kubernetes.io/tls", data=data)


def _token_rules() -> Iterator[Tree]:
    """6.5 says in a sentence that the gateway asks for a token; this is how."""
    gateway = {"matchLabels": {"istio": "ingressgateway"}}
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    jwks = json.dumps({"keys": [jwk | {"kid": "shop", "alg": "RS256"}]})
    yield _tree(
        "security.istio.io/v1",
        "RequestAuthentication",
        "ecommerce",
        "istio-system",
        spec={"selector": gateway, "jwtRules": [{"issuer": ISSUER, "jwks": jwks}]},
    )
    rule = {
        "from": [{"source": {"notRequestPrincipals": ["*"]}}],
        "to": [{"operation": {"hosts": [HOST, f"{HOST}:*"], "ports": ["443"]}}],
    }
    yield _tree(
        "security.istio.io/v1",
        "AuthorizationPolicy",
        "ecommerce",
        "istio-system",
        spec={"selector": gateway, "action": "DENY", "rules": [rule]},
    )


def token(issuer: str = "") -> str:
    """One that the gateway takes, unless the issuer is another."""
    claims = {"iss": issuer or ISSUER, "sub": "jane", "exp": int(time.time()) + 60}
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "shop"})


def written(folder: Path, authority: pki.Authority) -> Path:
    """A project of the documents and of what they take for granted."""
    shutil.copytree(HERE / "mesh" / "echo", folder / "echo")
    shutil.copy(HERE / "mesh" / "lateen.yaml", folder)
    trees = [
        *(tree for workload in WORKLOADS for tree in _workload(*workload)),
        *_ways_in(),
        *_token_rules(),
        _secret(authority.sign(HOST, x509.DNSName(HOST))),
    ]
    for namespace in {namespace for namespace, _, _ in WORKLOADS} - {"default"}:
        trees.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    listed = {"apiVersion": "v1", "kind": "List", "items": trees}
    (folder / "assumed.json").write_text(json.dumps(listed), encoding="utf-8")
    for number, name in enumerate(DOCUMENTS):
        source = EXAMPLES / f"{name}.yaml"
        shutil.copy(source, folder / f"{number}-{source.name}")
    return folder


AUTHORITY = pki.Authority()
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = "https://accounts.example.com"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh in which the documents hold."""
    mesh = Mesh(written(tmp_path_factory.mktemp("book") / "mesh", AUTHORITY))
    try:
        mesh.up()
        yield mesh
    finally:
        mesh.end()


def peer(answer: Any) -> str:
    """Who the called app was told that the caller is."""
    said: str = answer.json["headers"]["x-forwarded-client-cert"]
    return said


def test_5_5_orders_calls_inventory_and_each_proves_who_it_is(book: Mesh) -> None:
    answer = book.call("http://inventory/stock", via="/orders")
    assert answer.status == 200
    assert "URI=spiffe://cluster.local/ns/your-namespace/sa/orders" in peer(answer)
    assert "By=spiffe://cluster.local/ns/your-namespace/sa/inventory" in peer(answer)


def test_5_5_without_a_certificate_nobody_gets_in(book: Mesh) -> None:
    assert book.get("/plain/").status == 200
    assert book.call("http://inventory/stock", via="/plain").status == 0


def test_6_2_the_frontend_calls_the_backend_and_nobody_else_does(book: Mesh) -> None:
    answer = book.call("http://backend/", via="/frontend")
    assert answer.status == 200
    assert "URI=spiffe://cluster.local/ns/default/sa/frontend-service-account" in peer(answer)
    for other in ("/user-service", "/go-service"):
        refused = book.call("http://backend/", via=other)
        assert (refused.status, refused.text) == (403, "RBAC: access denied")
    assert book.call("http://backend.default/", via="/orders").status == 403


def test_6_5_the_user_service_alone_orders_and_orders_ask_the_inventory(book: Mesh) -> None:
    on = "http://order-service/call?url=http%3A%2F%2Finventory-service%2Fstock"
    through = book.call(on, via="/user-service")
    assert through.status == 200
    assert through.json["status"] == 200
    assert json.loads(through.json["body"])["name"] == "inventory-service"
    assert book.call("http://order-service/", via="/frontend").status == 403


def test_6_5_the_inventory_has_its_database_credentials_from_the_secret(book: Mesh) -> None:
    code = "import os; print(os.environ['DB_USERNAME'], os.environ['DB_PASSWORD'])"
    assert book.inside(code, via="/inventory-service") == "username password"
    assert "KeyError" in book.inside(code, via="/frontend")


def https(mesh: Mesh, host: str, bearer: str) -> tuple[int, str]:
    """The status of a GET over TLS to the gateway with a token, and the certificate's name."""
    context = ssl.create_default_context(cadata=AUTHORITY.root.decode())
    with (
        socket.create_connection(("127.0.0.1", mesh.https), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as link,
    ):
        names = (link.getpeercert() or {})["subjectAltName"]
        connection = http.client.HTTPConnection(host)
        connection.sock = link
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        connection.request("GET", "/profile", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, str(names[0][1])


def test_6_5_the_gateway_ends_tls_with_the_secrets_certificate(book: Mesh) -> None:
    assert https(book, HOST, token()) == (200, HOST)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        https(book, "other.example.com", token())


def test_6_5_the_gateway_asks_for_a_token_of_the_right_issuer(book: Mesh) -> None:
    assert https(book, HOST, "") == (403, HOST)
    assert https(book, HOST, token("https://elsewhere.example.com")) == (401, HOST)
    assert https(book, HOST, token()[:-6] + "AAAAAA") == (401, HOST)


def test_12_4_the_frontend_alone_reaches_the_backend(book: Mesh) -> None:
    assert book.call("http://accounts/", via="/transfers").status == 200
    ask = (
        "import urllib.request as u\n"
        "try: u.urlopen('http://accounts/', timeout=1)\n"
        "except OSError as e: print(type(e).__name__)"
    )
    assert book.inside(ask, via="/audit") == "TimeoutError"
    assert book.inside(ask.replace("accounts", "accounts.finance"), via="/frontend") in (
        "TimeoutError",
        "HTTPError",
    )


def test_the_guides_policy_lets_the_go_service_get_and_post_the_api(book: Mesh) -> None:
    assert book.call("http://fastapi-service/api/v1", via="/go-service").status == 200
    assert book.call("http://fastapi-service/health", via="/go-service").status == 403
    delete = (
        "import urllib.request as u\n"
        "try: u.urlopen(u.Request('http://fastapi-service/api/v1', method='DELETE'))\n"
        "except Exception as e: print(e.code)"
    )
    assert book.inside(delete, via="/go-service") == "403"
    assert (
        book.inside(delete.replace("DELETE", "POST") + "\nprint('ok')", via="/go-service") == "ok"
    )
    assert book.call("http://fastapi-service/api/v1", via="/frontend").status == 403


def test_the_guides_database_is_reached_at_the_address_its_endpoints_give(book: Mesh) -> None:
    text = (EXAMPLES / "guide/en/10b-external-database-by-address.yaml").read_text()
    address = book.pods("database")[0]["ip"]
    (book.folder / "database.yaml").write_text(text.replace("10.0.0.100", address))
    book.up()
    answer = book.call("http://external-postgres:5432/", via="/frontend")
    assert (answer.status, answer.json["name"]) == (200, "database")


def test_12_4_the_rate_is_limited_as_it_is_written_today(book: Mesh) -> None:
    text = (EXAMPLES / "book/modern/12.4-quotaspec.yaml").read_text()
    (book.folder / "rate.yaml").write_text(text.replace(" 100\n", " 3\n"))
    book.up()
    refused = eventually(lambda: (a := book.get("/transfers/")).status == 429 and a)
    assert refused
    assert refused.text == "local_rate_limited"
    (book.folder / "rate.yaml").unlink()
    book.up()
    assert eventually(lambda: book.get("/transfers/").status == 200)


def test_every_document_is_taken_without_a_word(book: Mesh) -> None:
    assert [p for p in book.status()["problems"] if p["level"] != "Info"] == []
