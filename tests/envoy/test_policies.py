"""Made-up policies and requests: the real Envoy judges as the plan does.

One Envoy has a listener for each of many policies. The PROXY protocol tells it addresses and ports that
no test could have; identities are shown by certificates.
"""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.http import http_manager
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.explain.policies import judged
from lateen.explain.request import Request, Way
from lateen.ir.policy import Authorization
from tests.envoy import pki, plans, real
from tests.envoy.test_accepted import bootstrap
from tests.explain.test_walkers import HOSTS, IDENTITIES, authorizations

pytestmark = pytest.mark.e2e
Json = dict[str, Any]
AUTHORITY = pki.Authority()
SERVER = AUTHORITY.identity(plans.IDENTITY)
CLIENTS = ("10.0.0.1", "10.1.0.1", "198.18.0.9")
DESTINATION = "198.18.0.7"

requests = st.builds(
    Request,
    way=st.just(Way.INBOUND),
    port=st.sampled_from((80, 443, 8080)),
    method=st.sampled_from(("GET", "POST", "PUT")),
    path=st.sampled_from(("/", "/a", "/a/b", "/A/b", "/secret", "/a?q=/secret")),
    authority=st.sampled_from((*HOSTS, "WEB.:81", "a.example.com.")),
    headers=st.lists(
        st.tuples(st.sampled_from(("x-a", "x-b")), st.sampled_from(("a", "b", "ab"))),
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
    peer=st.sampled_from(("", *(f"spiffe://{each}" for each in IDENTITIES))),
    sni=st.sampled_from(("", "a.example.com", "web")),
    client=st.sampled_from(CLIENTS),
    address=st.just(DESTINATION),
)


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="lt"))
    (folder / "roots.pem").write_bytes(AUTHORITY.root)
    yield folder
    shutil.rmtree(folder)


def _answer() -> RouteConfiguration:
    route = pb.Route(
        match=pb.RouteMatch(prefix="/"), direct_response=pb.DirectResponseAction(status=200)
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


def _listener(authorization: Authorization, at: Path) -> Json:
    site = HttpSite(side=Side.INBOUND, authorization=authorization)
    manager = json_format.MessageToDict(
        http_manager(site, stat="x", table=_answer(), tags={}), preserving_proto_field_name=True
    )
    extensions = "type.googleapis.com/envoy.extensions.filters.listener"
    return {
        "name": at.name,
        "address": {"pipe": {"path": str(at)}},
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
                "filters": [manager],
                "transport_socket": _tls(),
            },
            {"filter_chain_match": {"transport_protocol": "raw_buffer"}, "filters": [manager]},
        ],
    }


@cache
def _context(peer: str, folder: Path) -> ssl.SSLContext:
    pair = AUTHORITY.identity(peer)
    file = folder / f"{peer.rpartition('/ns/')[2].replace('/', '-')}.pem"
    file.write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(cafile=str(folder / "roots.pem"))
    context.check_hostname = False
    context.load_cert_chain(file)
    return context


def _connected(at: Path, request: Request) -> socket.socket:
    """A connection that tells of other addresses than its own; with TLS where the caller has a name."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(10)
    link.connect(str(at))
    link.sendall(f"PROXY TCP4 {request.client} {DESTINATION} 40000 {request.port}\r\n".encode())
    if not request.peer:
        return link
    context = _context(request.peer, at.parent)
    return context.wrap_socket(link, server_hostname=request.sni or None)


def _ask(at: Path, request: Request) -> int:
    """The status a request gets from the real Envoy."""
    with _connected(at, request) as link:
        asked = http.client.HTTPConnection("envoy")
        asked.sock = link
        asked.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in (("host", request.authority), *request.headers):
            asked.putheader(name, value)
        asked.endheaders()
        with asked.getresponse() as answer:
            return answer.status


@given(data=st.data())
@settings(
    max_examples=12,
    phases=(Phase.generate,),  # a smaller failure would cost an Envoy for each try
    suppress_health_check=list(HealthCheck),
)
def test_envoy_judges_as_the_plan_says(short: Path, data: st.DataObject) -> None:
    policies = [data.draw(authorizations) for _ in range(6)]
    asked = [data.draw(requests) for _ in range(12)]
    config = json.loads(bootstrap(plans.SIDECAR, short))
    sockets = [short / f"s{number}" for number in range(len(policies))]
    config["static_resources"]["listeners"] = [
        _listener(each, at) for each, at in zip(policies, sockets, strict=True)
    ]
    with real.running(config, short):
        for authorization, at in zip(policies, sockets, strict=True):
            for request in asked:
                known = request if request.peer else replace(request, sni="")
                wanted = 403 if judged(authorization, known, http=True) else 200
                assert _ask(at, known) == wanted, (authorization, known)
