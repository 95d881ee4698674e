"""Two real Envoys on the loopback, a caller's and a callee's, configured by the emitter."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingTCPServer

import pytest

from lateen.envoy import names
from lateen.envoy.bootstrap import emit_border_bootstrap
from lateen.envoy.border import emit_border
from lateen.envoy.emit import emit
from lateen.envoy.resources import Resource
from lateen.envoy.tls import emit_root, emit_secret
from lateen.ir.backends import (
    Backend,
    BackendId,
    Endpoint,
    EndpointSet,
    InMesh,
    MeshMtls,
    Outside,
    Plaintext,
    Remote,
    Security,
    Wire,
)
from lateen.ir.border import BorderPlan, Exit
from lateen.ir.match import Exact
from lateen.ir.plan import (
    HttpOut,
    Inbound,
    InboundPort,
    Mtls,
    ProxyPlan,
    SniffOut,
    Speech,
    TcpOut,
)
from lateen.ir.policy import (
    Authorization,
    Clause,
    Identity,
    IdentityCondition,
    OnCaller,
    OnRequest,
    Policy,
    TextCondition,
    Trait,
    Verdict,
)
from lateen.ir.routes import RouteTable, VirtualHost
from tests.envoy import pki, plans, real
from tests.envoy.apps import App, Greeter, free_port, get
from tests.envoy.test_accepted import bootstrap

CALLER = "spiffe://cluster.local/ns/shop/sa/web"
STRANGER = "spiffe://cluster.local/ns/other/sa/web"
CALLEE = "spiffe://cluster.local/ns/shop/sa/api"
AUTHORITY = pki.Authority()


WEB, DB, ANY, EXTERNAL = (
    plans.backend_id("web"),
    plans.backend_id("db", 5432),
    plans.backend_id("any", 7000),
    BackendId(host="localhost", port=free_port()),
)
IN = free_port()  # where the callee's virtualInbound listens; the number its ports are known by


def backend(id: BackendId, wire: Wire, security: Security | None = None) -> Backend:
    mesh = MeshMtls(identities=(CALLEE,), sni=id.host)
    found = Outside((Remote(host=id.host, port=id.port),)) if id == EXTERNAL else InMesh()
    return Backend(
        id=id, discovery=found, wire=wire, security=security or mesh, origin=plans.SERVICE
    )


def caller_plan() -> ProxyPlan:
    ids = (WEB, DB, ANY)
    endpoint = Endpoint(address="127.0.0.1", port=IN, mtls=True, workload="api-v1")
    host = VirtualHost(
        name="web:80",
        domains=("web",),
        routes=(plans.route("web", plans.forward(WEB)),),
        origin=plans.RULES,
    )
    outside = VirtualHost(
        name="outside",
        domains=("outside",),
        routes=(plans.route("outside", plans.forward(EXTERNAL)),),
        origin=plans.RULES,
    )
    sniffed = VirtualHost(
        name="any",
        domains=("*",),
        routes=(plans.route("any", plans.forward(ANY)),),
        origin=plans.RULES,
    )
    return ProxyPlan(
        proxy=plans.SIDECAR,
        outbound=(
            HttpOut(port=80, table="80", origin=plans.SERVICE),
            TcpOut(address="198.19.0.5", port=5432, to=(plans.split(DB),), origin=plans.SERVICE),
            SniffOut(
                address="198.19.0.6",
                port=7000,
                table="7000",
                to=(plans.split(ANY),),
                origin=plans.SERVICE,
            ),
        ),
        tables=(
            RouteTable(name="80", hosts=(host, outside)),
            RouteTable(name="7000", hosts=(sniffed,)),
        ),
        backends=(
            backend(WEB, Wire.CLIENT),
            backend(DB, Wire.TCP),
            backend(ANY, Wire.CLIENT),
            backend(EXTERNAL, Wire.HTTP1, Plaintext()),
        ),
        endpoints=tuple(EndpointSet(id=id, endpoints=(endpoint,)) for id in ids),
    )


def policy(
    name: str, verdict: Verdict, source: tuple[OnCaller, ...], operation: tuple[OnRequest, ...]
) -> Policy:
    clause = Clause(sources=(source,), operations=(operation,), origin=plans.POLICY)
    return Policy(name=name, verdict=verdict, clauses=(clause,), origin=plans.POLICY)


AUTHORIZATION = Authorization(
    deny=(
        policy(
            "ns[shop]-policy[no-secrets]",
            Verdict.DENY,
            (),
            plans.SECRET,
        ),
    ),
    allow=(
        policy(
            "ns[shop]-policy[shop-only]",
            Verdict.ALLOW,
            (
                IdentityCondition(
                    identity=Identity.PRINCIPAL, any_of=(Exact("cluster.local/ns/shop/sa/web"),)
                ),
            ),
            (TextCondition(trait=Trait.METHOD, any_of=(Exact("GET"),)),),
        ),
    ),
)


def callee_plan(mtls: Mtls, speech: Speech, authorization: Authorization) -> ProxyPlan:
    port = InboundPort(port=IN, speech=speech, mtls=mtls, origin=plans.SERVICE)
    # Other ports take plaintext: what a STRICT port refuses must not fall to their chains.
    inbound = Inbound(ports=(port,), otherwise=Mtls.PERMISSIVE, authorization=authorization)
    return ProxyPlan(proxy=plans.SIDECAR, inbound=inbound)


def secrets(identity: str) -> tuple[Resource, Resource]:
    own = AUTHORITY.identity(identity)
    return (
        emit_secret(names.SECRET_OWN, own.certificate, own.key),
        emit_root(names.SECRET_ROOT, AUTHORITY.root),
    )


@pytest.fixture(scope="module")
def apps() -> Iterator[dict[str, int]]:
    """The ports of an HTTP app and of a TCP app that speaks first."""
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), App) as web,
        ThreadingTCPServer(("127.0.0.1", 0), Greeter) as tcp,
        ThreadingHTTPServer(("127.0.0.1", EXTERNAL.port), App) as external,
    ):
        servers = (web, tcp, external)
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"http": web.server_address[1], "tcp": tcp.server_address[1]}
        for server in servers:
            server.shutdown()


class Caller:
    """The caller's Envoy, as its app sees it."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports

    def get(self, host: str, path: str = "/", **headers: str) -> tuple[int, str]:
        """Status and body of a GET by way of listener `0.0.0.0_80`."""
        return get(self._ports["0.0.0.0_80"], host, path, headers)

    def sniffed_get(self) -> tuple[int, str]:
        return get(self._ports["198.19.0.6_7000"], "any", "/", {})

    def talk(self, listener: str) -> bytes:
        """Wait for a greeting, say something, and return all that was heard."""
        with closing(socket.create_connection(("127.0.0.1", self._ports[listener]), 10)) as link:
            try:
                greeting = link.recv(100)
                link.sendall(b"there")
                return greeting + link.recv(100)
            except ConnectionError:
                return b""


@pytest.fixture(scope="module", params=[CALLER, STRANGER], ids=["caller", "stranger"])
def identity(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def caller(
    tmp_path_factory: pytest.TempPathFactory, identity: str, apps: dict[str, int]
) -> Iterator[Caller]:
    """The caller's Envoy, and the border's behind it."""
    folder = tmp_path_factory.mktemp("o")
    exits = (
        Exit(
            slot="1",
            socket=str(folder / "b.sock"),
            by_number=str(folder / "b.raw"),
            allowed=(("localhost", EXTERNAL.port),),
        ),
    )
    border_bootstrap = emit_border_bootstrap(
        token="t", xds_socket="/run/x", admin_socket=str(folder / "ba.sock")
    )
    border = real.add_static(border_bootstrap, emit_border(BorderPlan(exits=exits)))
    ports = {name: free_port() for name in ("0.0.0.0_80", "198.19.0.5_5432", "198.19.0.6_7000")}
    config = real.add_static(
        bootstrap(plans.SIDECAR, folder), emit(caller_plan()), *secrets(identity)
    )
    with (
        real.running(border, folder / "border"),
        real.running(real.on_loopback(config, ports, {}), folder),
    ):
        yield Caller(ports)


def callee(
    folder: Path, mtls: Mtls, speech: Speech, app: int, authorization: Authorization
) -> real.Json:
    plan = callee_plan(mtls, speech, authorization)
    config = real.add_static(bootstrap(plan.proxy, folder), emit(plan), *secrets(CALLEE))
    return real.on_loopback(config, {names.VIRTUAL_INBOUND: IN}, {names.inbound_cluster(IN): app})


def test_http_is_authenticated_and_authorized(
    tmp_path: Path, apps: dict[str, int], caller: Caller, identity: str
) -> None:
    config = callee(tmp_path, Mtls.STRICT, Speech.HTTP, apps["http"], AUTHORIZATION)
    with real.running(config, tmp_path) as log:
        status, body = caller.get("web", "/a//b", **{"x-forwarded-client-cert": "forged"})
        if identity == STRANGER:
            assert (status, body) == (403, "RBAC: access denied")
            assert "rbac_access_denied_matched_policy[none]" in real.line_in(log, "GET /a/b")
            return
        assert status == 200
        seen = json.loads(body)
        assert seen["path"] == "/a/b"
        assert f"URI={CALLER}" in seen["x-forwarded-client-cert"]
        assert "forged" not in seen["x-forwarded-client-cert"]
        for path in ("/secret", "/%73ecret", "/x/../secret", "/x%2f..%2fsecret"):
            assert caller.get("web", path)[0] == 403, path
        assert "matched_policy[ns[shop]-policy[no-secrets]-rule[0]]" in real.line_in(log, "/secret")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            get(IN, "web", "/", {})  # plaintext, under STRICT


def test_tcp_that_speaks_first_passes_between_proxies(
    tmp_path: Path, apps: dict[str, int], caller: Caller
) -> None:
    config = callee(tmp_path, Mtls.STRICT, Speech.TCP, apps["tcp"], Authorization())
    with real.running(config, tmp_path):
        assert caller.talk("198.19.0.5_5432") == b"hello there"
        assert caller.talk("198.19.0.6_7000") == b"hello there"


def test_a_port_without_a_protocol_takes_both(
    tmp_path: Path, apps: dict[str, int], caller: Caller
) -> None:
    config = callee(tmp_path, Mtls.PERMISSIVE, Speech.UNKNOWN, apps["http"], Authorization())
    with real.running(config, tmp_path):
        status, body = caller.sniffed_get()
        assert status == 200
        assert "x-forwarded-client-cert" in json.loads(body)
        status, body = get(IN, "web", "/", {"x-forwarded-client-cert": "forged"})
        assert status == 200
        assert "x-forwarded-client-cert" not in json.loads(body)


def test_a_tcp_port_refuses_by_identity(
    tmp_path: Path, apps: dict[str, int], caller: Caller, identity: str
) -> None:
    in_shop = IdentityCondition(identity=Identity.NAMESPACE, any_of=(Exact("shop"),))
    only_web = Policy(
        name="ns[shop]-policy[web]",
        verdict=Verdict.ALLOW,
        clauses=(Clause(sources=((in_shop,),), origin=plans.POLICY),),
        origin=plans.POLICY,
    )
    config = callee(
        tmp_path, Mtls.STRICT, Speech.TCP, apps["tcp"], Authorization(allow=(only_web,))
    )
    with real.running(config, tmp_path):
        heard = caller.talk("198.19.0.5_5432")
        assert heard.endswith(b"there") is (identity == CALLER)


def test_a_peer_of_another_identity_is_not_spoken_to(
    tmp_path: Path, apps: dict[str, int], caller: Caller
) -> None:
    plan = callee_plan(Mtls.STRICT, Speech.HTTP, Authorization())
    config = real.add_static(bootstrap(plan.proxy, tmp_path), emit(plan), *secrets(STRANGER))
    apps_there = {names.inbound_cluster(IN): apps["http"]}
    config = real.on_loopback(config, {names.VIRTUAL_INBOUND: IN}, apps_there)
    with real.running(config, tmp_path):
        assert caller.get("web")[0] == 503


def test_the_mesh_speaks_tls_1_3_and_asks_for_a_certificate(
    tmp_path: Path, apps: dict[str, int]
) -> None:
    config = callee(tmp_path, Mtls.STRICT, Speech.HTTP, apps["http"], Authorization())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["istio-http"])
    with (
        real.running(config, tmp_path),
        socket.create_connection(("127.0.0.1", IN), 10) as raw,
        context.wrap_socket(raw) as link,
    ):
        assert link.version() == "TLSv1.3"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            link.recv(100)  # no certificate was sent: told after the handshake, as 1.3 does


def test_a_host_outside_is_reached_through_the_border(caller: Caller) -> None:
    status, body = caller.get("outside", "/out")
    assert status == 200
    assert json.loads(body)["path"] == "/out"
