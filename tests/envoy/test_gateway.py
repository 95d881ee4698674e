"""A gateway and the border before it, as real Envoys: client address, TLS, policies, headers."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509

from lateen.apiserver.client import Client
from lateen.envoy import names
from lateen.envoy.bootstrap import emit_border_bootstrap
from lateen.envoy.border import emit_border
from lateen.envoy.emit import PORT, emit
from lateen.ir.backends import Endpoint, EndpointSet, Plaintext, Wire
from lateen.ir.border import BorderPlan, Door
from lateen.ir.manners import AT_THE_EDGE, Manners
from lateen.ir.match import Exact, Prefix, RequestMatch
from lateen.ir.plan import GatewayHttp, GatewayPort, GatewayTls, ProxyPlan, TlsSecret
from lateen.ir.policy import Authorization, Clause, Policy, TextCondition, Trait, Verdict
from lateen.ir.routes import Fault, Forward, Redirect, Rewrite, Route, RouteTable, VirtualHost
from tests.envoy import pki, plans, real
from tests.envoy.apps import App, free_port, get
from tests.envoy.test_accepted import bootstrap

HTTP, HTTPS, HEALTH, STATS = free_port(), free_port(), free_port(), free_port()
AUTHORITY = pki.Authority()
CERTIFICATE = AUTHORITY.sign("shop", x509.DNSName("shop.example.com"))
SECRET = TlsSecret(
    name="kubernetes://shop", certificate=CERTIFICATE.certificate, key=CERTIFICATE.key
)
ADMIN = TextCondition(trait=Trait.PATH, any_of=(Prefix("/admin"),))
NO_ADMIN = Authorization(
    deny=(
        Policy(
            name="ns[istio-system]-policy[no-admin]",
            verdict=Verdict.DENY,
            clauses=(Clause(operations=((ADMIN,),), origin=plans.POLICY),),
            origin=plans.POLICY,
        ),
    )
)
ROUTES = (
    Route(
        name="broken",
        match=RequestMatch(path=Exact("/broken")),
        action=plans.forward(plans.PLAIN),
        fault=Fault(abort_status=418, abort_percent=100),
        origin=plans.RULES,
    ),
    plans.route(
        "old", Redirect(code=302, path="/new", authority="o"), RequestMatch(path=Exact("/old"))
    ),
    plans.route(
        "api",
        Forward(splits=(plans.split(plans.PLAIN),), rewrite=Rewrite(path="/", authority="inside")),
        RequestMatch(path=Prefix("/api/")),
    ),
    plans.route("rest", plans.forward(plans.PLAIN)),
)


def gateway_plan(app: int, manners: Manners) -> ProxyPlan:
    endpoint = Endpoint(address="127.0.0.1", port=app, mtls=False)
    host = VirtualHost(name="shop", domains=("*",), routes=ROUTES, origin=plans.RULES)
    server = GatewayTls(
        hosts=("shop.example.com",), secrets=(SECRET.name,), table="http.80", origin=plans.SERVICE
    )
    return ProxyPlan(
        proxy=plans.GATEWAY,
        gateway=(
            GatewayPort(port=80, http=GatewayHttp(table="http.80", origin=plans.SERVICE)),
            GatewayPort(port=443, tls=(server,)),
        ),
        authorization=NO_ADMIN,
        tables=(RouteTable(name="http.80", hosts=(host,)),),
        backends=(plans.backend(plans.PLAIN, Plaintext(), Wire.HTTP1),),
        endpoints=(EndpointSet(id=plans.PLAIN, endpoints=(endpoint,)),),
        secrets=(SECRET,),
        manners=manners,
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running gateway with the border before it."""
    folder = tmp_path_factory.mktemp("g")
    with standing(folder, AT_THE_EDGE):
        yield folder


@contextmanager
def standing(folder: Path, manners: Manners) -> Iterator[None]:
    """A gateway of such manners, the border before it and an app behind it."""
    doors = tuple(
        Door(port=port, sockets=(str(folder / f"{number}.sock"),))
        for port, number in ((HTTP, 80), (HTTPS, 443))
    )
    border_bootstrap = emit_border_bootstrap(
        token="t", xds_socket="/run/x", admin_socket=str(folder / "ba.sock")
    )
    border = real.add_static(border_bootstrap, emit_border(BorderPlan(doors=doors)))
    with ThreadingHTTPServer(("127.0.0.1", 0), App) as app:
        threading.Thread(target=app.serve_forever, daemon=True).start()
        plan = gateway_plan(app.server_address[1], manners)
        resources = emit(plan, gateway_socket=str(folder / f"{PORT}.sock"))
        config = real.add_static(bootstrap(plan.proxy, folder), resources)
        for_border = [
            each
            for each in config["static_resources"]["listeners"]
            if each["name"] in {names.border_listener(80), names.border_listener(443)}
        ]
        config = real.on_loopback(config, {"health": HEALTH, "stats": STATS}, {})
        config["static_resources"]["listeners"] += for_border
        with real.running(config, folder), real.running(border, folder / "border"):
            yield
        app.shutdown()


def test_the_app_learns_the_clients_address(gateway: Path) -> None:
    status, body = get(HTTP, "shop.example.com", "/", {})
    assert status == 200
    assert json.loads(body)["x-forwarded-for"] == "127.0.0.1"
    assert json.loads(body)["x-forwarded-proto"] == "http"


def test_a_client_cannot_say_it_is_someone_else(gateway: Path) -> None:
    claims = {
        "x-forwarded-for": "8.8.8.8",
        "x-forwarded-client-cert": "By=me",
        "x-envoy-internal": "true",
    }
    seen = json.loads(get(HTTP, "shop.example.com", "/", claims)[1])
    assert seen["x-forwarded-for"].split(",")[-1] == "127.0.0.1"
    assert "x-forwarded-client-cert" not in seen


def test_requests_are_rewritten_redirected_and_broken_on_purpose(gateway: Path) -> None:
    seen = json.loads(get(HTTP, "shop.example.com", "/api/v1?q=1", {})[1])
    assert (seen["path"], seen["host"]) == ("/v1?q=1", "inside")
    assert get(HTTP, "shop.example.com", "/old", {})[0] == 302
    assert get(HTTP, "shop.example.com", "/broken", {})[0] == 418


@pytest.mark.parametrize(
    "path", ["/admin", "//admin", "/x/../admin", "/%61dmin", "/x%2F..%2Fadmin"]
)
def test_a_policy_sees_through_spellings_of_a_path(gateway: Path, path: str) -> None:
    assert get(HTTP, "shop.example.com", path, {})[0] == 403


def test_tls_ends_at_the_gateway_by_server_name(gateway: Path) -> None:
    context = ssl.create_default_context(cadata=AUTHORITY.root.decode())
    with (
        closing(socket.create_connection(("127.0.0.1", HTTPS), 10)) as raw,
        context.wrap_socket(raw, server_hostname="shop.example.com") as link,
    ):
        link.sendall(b"GET / HTTP/1.1\r\nhost: shop.example.com\r\nconnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: link.recv(4096), b""))
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (seen["x-forwarded-proto"], seen["x-forwarded-for"]) == ("https", "127.0.0.1")


def test_another_server_name_is_turned_away(gateway: Path) -> None:
    context = ssl.create_default_context(cadata=AUTHORITY.root.decode())
    with (
        closing(socket.create_connection(("127.0.0.1", HTTPS), 10)) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(raw, server_hostname="other.example.com")


def test_only_the_owner_can_open_the_gateways_sockets(gateway: Path) -> None:
    assert {(gateway / name).stat().st_mode & 0o777 for name in ("80.sock", "443.sock")} == {0o600}


def test_the_pages_for_probes_and_statistics_show_nothing_else(gateway: Path) -> None:
    assert get(HEALTH, "any", "/healthz/ready", {}) == (200, "LIVE\n")
    # The observer would answer this one; Envoy by itself tells nothing there.
    assert get(STATS, "any", "/stats/prometheus", {})[0] == 503
    page = Client(gateway / "admin.sock").get("/stats/prometheus?filter=istio")
    assert "envoy_istio_requests_total" in page
    for port in (HEALTH, STATS):
        for path in ("/", "/config_dump", "/healthz/ready/../../config_dump", "/quitquitquit"):
            assert get(port, "any", path, {})[0] == 404, path
