"""A real Envoy whose listeners judge requests, and a client that tells it anything.

Each listener stands at a Unix socket. The PROXY protocol tells it addresses and ports that no test could
have; identities are shown by certificates. It answers by itself, and says what an app would have got.
"""

from __future__ import annotations

import base64
import http.client
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.gates import gates
from lateen.envoy.http import http_manager
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.watch import Watch
from lateen.explain.request import Request
from lateen.ir.policy import Authorization
from lateen.ir.telemetry import Reports
from tests.envoy import pki, plans

Json = dict[str, Any]
Place = Path | int  # where a listener is: a Unix socket, or a port of 127.0.0.1
AUTHORITY = pki.Authority()
SERVER = AUTHORITY.identity(plans.IDENTITY)
DESTINATION = "198.18.0.7"
_SEEN = "x-seen-"
_WORDS = b"long enough to be told from TLS"


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="lt"))
    (folder / "roots.pem").write_bytes(AUTHORITY.root)
    yield folder
    shutil.rmtree(folder)


def _answer(shown: tuple[str, ...]) -> RouteConfiguration:
    said = [
        HeaderValueOption(header=HeaderValue(key=_SEEN + name.strip(":"), value=f"%REQ({name})%"))
        for name in shown
    ]
    route = pb.Route(
        match=pb.RouteMatch(prefix="/"),
        direct_response=pb.DirectResponseAction(status=200),
        response_headers_to_add=said,
    )
    return RouteConfiguration(
        virtual_hosts=[pb.VirtualHost(name="x", domains=["*"], routes=[route])]
    )


def _tls() -> Json:
    certificate = {
        "certificate_chain": {"inline_bytes": _text(SERVER.certificate)},
        "private_key": {"inline_bytes": _text(SERVER.key)},
    }
    common = {
        "tls_certificates": [certificate],
        "validation_context": {"trusted_ca": {"inline_bytes": _text(AUTHORITY.root)}},
    }
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": kind,
            "common_tls_context": common,
            "require_client_certificate": True,
        },
    }


def _text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


QUIET = Watch(proxy=plans.SIDECAR, tags={}, reports=Reports(tracing=None))


def listener(
    authorization: Authorization,
    at: Place,
    shown: tuple[str, ...] = (),
    *,
    side: Side = Side.INBOUND,
) -> Json:
    """A listener for HTTP at a Unix socket; of what would reach the app it tells the headers `shown`."""
    site = HttpSite(side=side, authorization=authorization)
    manager = http_manager(site, stat="x", table=_answer(shown), watch=QUIET)
    return _listener([_json(manager)], at)


def raw_listener(authorization: Authorization, at: Place) -> Json:
    """One for raw connections; what is allowed to connect hears its own words."""
    echo = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"
    filters = [*map(_json, gates(authorization)), {"name": "e", "typed_config": {"@type": echo}}]
    return _listener(filters, at)


def _json(message: Message) -> Json:
    made: Json = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return made


def _listener(filters: list[Json], at: Place) -> Json:
    extensions = "type.googleapis.com/envoy.extensions.filters.listener"
    return {
        "name": str(at),
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": at}}
        if isinstance(at, int)
        else {"pipe": {"path": str(at)}},
        "listener_filters": [
            {
                "name": "proxy",
                "typed_config": {"@type": f"{extensions}.proxy_protocol.v3.ProxyProtocol"},
            },
            {
                "name": "tls",
                "typed_config": {"@type": f"{extensions}.tls_inspector.v3.TlsInspector"},
            },
        ],
        "filter_chains": [
            {
                "filter_chain_match": {"transport_protocol": "tls"},
                "filters": filters,
                "transport_socket": _tls(),
            },
            {"filter_chain_match": {"transport_protocol": "raw_buffer"}, "filters": filters},
        ],
    }


@cache
def _context(peer: str, folder: Path) -> ssl.SSLContext:
    pair = AUTHORITY.identity(peer)
    file = folder / f"{peer.removeprefix('spiffe://').replace('/', '-')}.pem"
    file.write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(cafile=str(folder / "roots.pem"))
    context.check_hostname = False
    context.load_cert_chain(file)
    return context


def connected(at: Place, request: Request) -> socket.socket:
    """A connection that tells of other addresses than its own; with TLS where the caller has a name."""
    link = _dialled(at, request.source)
    to = f"{request.address or DESTINATION} 40000 {request.port}"
    link.sendall(f"PROXY TCP4 {request.client} {to}\r\n".encode())
    if not request.peer:
        return link
    assert isinstance(at, Path)
    context = _context(request.peer, at.parent)
    return context.wrap_socket(link, server_hostname=request.sni or None)


def _dialled(at: Place, source: str) -> socket.socket:
    if isinstance(at, int):
        return socket.create_connection(("127.0.0.1", at), 10, (source, 0))
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(10)
    link.connect(str(at))
    return link


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, and what an app would have seen."""

    status: int
    body: str
    seen: dict[str, str]
    headers: dict[str, str]


def connects(at: Place, request: Request) -> bool:
    """Whether a raw connection is let in."""
    with connected(at, request) as link:
        try:
            link.sendall(_WORDS)
            return link.recv(len(_WORDS)) == _WORDS
        except OSError:
            return False


def ask(at: Place, request: Request, body: bytes = b"") -> Answer:
    """The answer of the real Envoy."""
    with connected(at, request) as link:
        asked = http.client.HTTPConnection("envoy")
        asked.sock = link
        asked.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in (("host", request.authority), *request.headers):
            asked.putheader(name, value)
        if body:
            asked.putheader("content-length", str(len(body)))
        asked.endheaders(body or None)
        with asked.getresponse() as answer:
            named = ((n.lower(), value) for n, value in answer.getheaders())
            headers = dict(named)
            seen = {n.removeprefix(_SEEN): v for n, v in headers.items() if n.startswith(_SEEN)}
            return Answer(
                status=answer.status, body=answer.read().decode(), seen=seen, headers=headers
            )
