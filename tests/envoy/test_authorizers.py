"""Real authorizers, one over HTTP and one over gRPC, asked by a real Envoy about what a policy matches."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from msgspec.structs import replace

from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from lateen.envoy.pb.envoy.service.auth.v3 import external_auth_pb2 as auth_pb
from lateen.envoy.pb.envoy.type.v3.http_status_pb2 import HttpStatus, StatusCode
from lateen.explain.policies import judged
from lateen.explain.request import Request, Way
from lateen.ir.authorizers import Asking, Authorizer, Body, GrpcAuthorizer, HttpAuthorizer
from lateen.ir.backends import BackendId
from lateen.ir.match import Exact, Prefix
from lateen.ir.policy import (
    Authorization,
    Clause,
    Custom,
    Policy,
    PortCondition,
    TextCondition,
    Trait,
    Verdict,
)
from tests.envoy import plans, real
from tests.envoy.judging import Answer, ask, connects, listener, raw_listener, short_folder
from tests.envoy.test_accepted import bootstrap

pytestmark = pytest.mark.e2e
SHOWN = (":path", "x-user", "x-other")
BACKENDS = {name: BackendId(host=name, port=80) for name in ("http", "grpc", "gone")}


@dataclass
class Heard:
    """What an authorizer was asked, and what it answers next."""

    allows: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)

    def last(self) -> dict[str, str]:
        return self.asked[-1]


HTTP, GRPC = Heard(), Heard()


class _Http(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        named = {name.lower(): value for name, value in self.headers.items()}
        HTTP.asked.append({"path": self.path, "method": self.command, "body": body, **named})
        self.send_response(200 if HTTP.allows else 418)
        self.send_header("x-user", "jane")
        self.send_header("x-other", "not told on")
        self.send_header("x-why", "because")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"no")

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _check(request: auth_pb.CheckRequest, _: grpc.ServicerContext) -> auth_pb.CheckResponse:
    asked = request.attributes.request.http
    GRPC.asked.append(
        {"path": asked.path, "body": asked.body, "peer": request.attributes.source.principal}
        | dict(asked.headers)
    )
    made = auth_pb.CheckResponse()
    if GRPC.allows:
        header = HeaderValueOption(header=HeaderValue(key="x-user", value="joe"))
        made.ok_response.headers.append(header)
        return made
    made.status.code = grpc.StatusCode.PERMISSION_DENIED.value[0]
    made.denied_response.status.CopyFrom(HttpStatus(code=StatusCode.Value("PaymentRequired")))
    made.denied_response.body = "pay first"
    return made


@contextmanager
def _http_authorizer() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Http) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def _grpc_authorizer() -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(
        _check,
        request_deserializer=auth_pb.CheckRequest.FromString,
        response_serializer=auth_pb.CheckResponse.SerializeToString,
    )
    methods = {"Check": handler}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", methods),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


def policy(name: str, verdict: Verdict, *prefixes: str) -> Policy:
    asked = TextCondition(trait=Trait.PATH, any_of=tuple(map(Prefix, prefixes)))
    clause = Clause(operations=((asked,),), origin=plans.POLICY)
    return Policy(
        name=f"ns[shop]-policy[{name}]", verdict=verdict, clauses=(clause,), origin=plans.POLICY
    )


def asking(name: str, **more: Any) -> Asking:
    return Asking(**{"backend": BACKENDS[name], "timeout": 5.0, **more})


def custom(authorizer: Authorizer) -> Authorization:
    """Asked about /ask and below, though /ask/denied is denied anyway, and /ask/x is not allowed."""
    return Authorization(
        custom=Custom(authorizer=authorizer, policies=(policy("ask", Verdict.CUSTOM, "/ask"),)),
        audit=(policy("note", Verdict.AUDIT, "/"),),
        deny=(policy("deny", Verdict.DENY, "/ask/denied"),),
        allow=(policy("allow", Verdict.ALLOW, "/ask/ok", "/ask/denied", "/free"),),
    )


FULL = HttpAuthorizer(
    asking=asking("http", body=Body(most=4, partial=True)),
    prefix="/check",
    shown=(Prefix("x-s"), Exact("x-user")),
    added=(("x-mesh", "lateen"),),
    upstream=(Exact("x-user"),),
    refused=(Exact("x-why"),),
    allowed=(Prefix("x-w"),),
)
SITES: dict[str, Authorizer] = {
    "http": FULL,
    "grpc": GrpcAuthorizer(asking=asking("grpc", body=Body(most=100))),
    "closed": HttpAuthorizer(asking=asking("gone", status_on_error=503)),
    "shut": GrpcAuthorizer(asking=asking("gone")),
    "open": GrpcAuthorizer(asking=asking("gone", fail_open=True)),
}
BY_PORT = Clause(operations=((PortCondition(any_of=(81,)),),), origin=plans.POLICY)


def on_port(authorizer: Authorizer) -> Authorization:
    """Asked about connections to port 81."""
    asked = replace(policy("ask", Verdict.CUSTOM, "/"), clauses=(BY_PORT,))
    return Authorization(custom=Custom(authorizer=authorizer, policies=(asked,)))


@pytest.fixture(scope="module")
def at() -> Iterator[Path]:
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        ports = {
            "http": stack.enter_context(_http_authorizer()),
            "grpc": stack.enter_context(_grpc_authorizer()),
            "gone": 1,
        }
        config = json.loads(bootstrap(plans.SIDECAR, folder))
        static = config["static_resources"]
        static["clusters"] += [_cluster(name, port) for name, port in ports.items()]
        static["listeners"] = [
            *(listener(custom(who), folder / name, SHOWN) for name, who in SITES.items()),
            *(raw_listener(on_port(who), folder / f"raw-{name}") for name, who in SITES.items()),
        ]
        stack.enter_context(real.running(config, folder))
        yield folder


def _cluster(name: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    place = {"lb_endpoints": [{"endpoint": {"address": address}}]}
    made: dict[str, Any] = {
        "name": f"outbound|80||{name}",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [place]},
    }
    if name == "grpc":
        kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        made["typed_extension_protocol_options"] = {
            kind: {
                "@type": f"type.googleapis.com/{kind}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return made


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    for heard in (HTTP, GRPC):
        heard.allows = True
        heard.asked.clear()


def request(path: str, *headers: tuple[str, str], port: int = 80, allows: bool = True) -> Request:
    HTTP.allows = GRPC.allows = allows
    return Request(
        way=Way.INBOUND,
        port=port,
        path=path,
        headers=headers,
        client="10.0.0.1",
        authorizer=allows,
    )


def answer(at: Path, site: str, asked: Request, body: bytes = b"") -> Answer:
    """The real answer; whether it is a refusal must be what the plan tells."""
    got = ask(at / site, asked, body)
    told = judged(custom(SITES[site]), asked, http=True)
    assert (got.status == 200) == (told is None), (got, told)
    return got


@pytest.mark.parametrize("site", ["http", "grpc"])
def test_only_what_a_policy_matches_is_asked_about(at: Path, site: str) -> None:
    heard = HTTP if site == "http" else GRPC
    assert answer(at, site, request("/free", allows=False)).status == 200
    assert heard.asked == []
    assert answer(at, site, request("/ask/ok")).status == 200
    assert len(heard.asked) == 1


@pytest.mark.parametrize("site", ["http", "grpc"])
def test_an_authorizer_is_asked_first_and_others_may_still_refuse(at: Path, site: str) -> None:
    heard = HTTP if site == "http" else GRPC
    assert answer(at, site, request("/ask/denied")).status == 403
    assert answer(at, site, request("/ask/x")).status == 403
    assert len(heard.asked) == 2
    assert answer(at, site, request("/ask/denied", allows=False)).status != 403


def test_what_an_http_authorizer_is_told_and_tells(at: Path) -> None:
    headers = (("x-s1", "shown"), ("x-t", "not shown"), ("x-user", "forged"))
    got = answer(at, "http", request("/ask/ok?q=1", *headers), b"123456")
    heard = HTTP.last()
    assert (heard["path"], heard["method"]) == ("/check/ask/ok?q=1", "GET")
    assert (heard["x-s1"], heard["x-mesh"], heard["x-user"]) == ("shown", "lateen", "forged")
    assert "x-t" not in heard
    assert heard["body"] == "1234"
    assert got.seen["x-user"] == "jane"
    assert "x-other" not in got.seen
    assert got.headers["x-why"] == "because"


def test_what_an_http_authorizer_refuses_is_answered_in_its_words(at: Path) -> None:
    got = answer(at, "http", request("/ask/ok", allows=False))
    assert (got.status, got.body, got.headers["x-why"]) == (418, "no", "because")
    assert "x-other" not in got.headers


def test_what_a_grpc_authorizer_is_told_and_tells(at: Path) -> None:
    got = answer(at, "grpc", request("/ask/ok?q=1", ("x-t", "shown")), b"123456")
    heard = GRPC.last()
    assert (heard["path"], heard["x-t"], heard["body"]) == ("/ask/ok?q=1", "shown", "123456")
    assert got.seen["x-user"] == "joe"
    refused = answer(at, "grpc", request("/ask/ok", allows=False))
    assert (refused.status, refused.body) == (402, "pay first")
    assert ask(at / "grpc", request("/ask/ok"), b"x" * 101).status == 413


def test_an_authorizer_that_is_gone(at: Path) -> None:
    assert ask(at / "closed", request("/ask/ok")).status == 503
    assert ask(at / "shut", request("/ask/ok")).status == 403
    assert ask(at / "open", request("/ask/ok")).status == 200
    assert ask(at / "closed", request("/free")).status == 200


@pytest.mark.parametrize("allows", [True, False])
@pytest.mark.parametrize("port", [80, 81])
@pytest.mark.parametrize("site", ["http", "grpc"])
def test_connections(at: Path, site: str, port: int, allows: bool) -> None:
    asked = request("", port=port, allows=allows)
    told = judged(on_port(SITES[site]), asked, http=False)
    assert connects(at / f"raw-{site}", asked) == (told is None)
    assert bool(GRPC.asked) == (site == "grpc" and port == 81)
    assert HTTP.asked == []


def test_connections_when_the_authorizer_is_gone(at: Path) -> None:
    assert not connects(at / "raw-shut", request("", port=81))
    assert connects(at / "raw-open", request("", port=81))
    assert connects(at / "raw-shut", request("", port=80))
