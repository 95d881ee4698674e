"""Hosts of a wildcard are looked up by the name asked for, by a real Envoy at a real resolver."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import pytest
from cryptography import x509
from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from lateen.envoy import asked
from lateen.envoy.emit import emit
from lateen.translate.plan import plans
from tests.envoy import pki, real
from tests.envoy.judging import short_folder
from tests.envoy.test_accepted import SECRETS, bootstrap
from tests.translate.cases import world_in

NAMES = ("www.example.com.", "a.b.example.com.")
AUTHORITY = pki.Authority()
MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: any, namespace: shop}}
spec:
  hosts: ["*.example.com"]
  ports: [{{number: {web}, name: http, protocol: HTTP}}, {{number: {tls}, name: tls, protocol: TLS}}]
  resolution: DYNAMIC_DNS
---
pods:
  shop:
    client: {{ip: 198.18.0.9}}
"""


class _Resolver(socketserver.BaseRequestHandler):
    """The names there are lead to this machine, and all others nowhere."""

    def handle(self) -> None:
        data, link = self.request
        reply = DNSRecord.parse(data).reply()
        name = str(reply.q.qname)
        self.server.asked.append(name)  # type: ignore[attr-defined]
        if name not in NAMES:
            reply.header.rcode = RCODE.NXDOMAIN
        elif reply.q.qtype == QTYPE.A:
            reply.add_answer(RR(name, QTYPE.A, ttl=60, rdata=A("127.0.0.1")))
        link.sendto(reply.pack(), self.client_address)


class _Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        text = f"outside {self.headers['host']}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[Any]:
    with server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def outside() -> Iterator[tuple[Path, list[str], int, int]]:
    """The folder of a proxy's listeners, the names it looked up, and the ports of HTTP and TLS."""
    pair = AUTHORITY.sign("www.example.com", x509.DNSName("www.example.com"))
    with short_folder() as folder, pytest.MonkeyPatch.context() as patch:
        (folder / "pair.pem").write_bytes(pair.certificate + pair.key)
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(folder / "pair.pem")
        resolver = socketserver.UDPServer(("127.0.0.1", 0), _Resolver)
        resolver.asked = []  # type: ignore[attr-defined]
        with (
            _served(ThreadingHTTPServer(("127.0.0.1", 0), _Web)) as web,
            _served(ThreadingHTTPServer(("127.0.0.1", 0), _Web)) as tls,
            _served(resolver),
        ):
            tls.socket = secure.wrap_socket(tls.socket, server_side=True)
            patch.setattr(asked, "_RESOLVER", resolver.server_address)
            ports = web.server_address[1], tls.server_address[1]
            with real.running(_config(folder, *ports), folder):
                yield folder, resolver.asked, *ports  # type: ignore[attr-defined]


def _config(folder: Path, web: int, tls: int) -> dict[str, Any]:
    (made,) = plans(world_in(MESH.format(web=web, tls=tls)))
    config: dict[str, Any] = real.add_static(
        bootstrap(made.plan.proxy, folder), emit(made.plan), *SECRETS
    )
    static = config["static_resources"]
    wanted = {f"0.0.0.0_{port}": port for port in (web, tls)}
    static["listeners"] = [
        {k: v for k, v in each.items() if k != "bind_to_port"}
        | {"address": {"pipe": {"path": str(folder / f"{wanted[each['name']]}")}}}
        for each in static["listeners"]
        if each["name"] in wanted
    ]
    for cluster in static["clusters"]:
        cluster.pop("upstream_bind_config", None)
    return config


def _linked(path: Path) -> socket:
    link = socket(AF_UNIX)
    link.settimeout(20)
    link.connect(str(path))
    return link


def _asked(path: Path, host: str) -> str:
    with closing(_linked(path)) as link:
        link.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: link.recv(4096), b"")).decode()


@pytest.mark.parametrize("name", ["www.example.com", "a.b.example.com"])
def test_a_request_goes_to_where_its_host_leads(
    outside: tuple[Path, list[str], int, int], name: str
) -> None:
    folder, looked_up, web, _ = outside
    assert _asked(folder / f"{web}", f"{name}:{web}").endswith(f"outside {name}:{web}")
    assert f"{name}." in looked_up


def test_a_name_that_is_not_there_fails_its_own_requests(
    outside: tuple[Path, list[str], int, int],
) -> None:
    folder, _, web, _ = outside
    assert _asked(folder / f"{web}", f"no.example.com:{web}").startswith("HTTP/1.1 503")
    assert _asked(folder / f"{web}", f"www.example.com:{web}").startswith("HTTP/1.1 200")


def test_names_outside_of_the_wildcard_are_not_looked_up(
    outside: tuple[Path, list[str], int, int],
) -> None:
    folder, looked_up, web, _ = outside
    _asked(folder / f"{web}", f"evil.example.org:{web}")
    assert "evil.example.org." not in looked_up


def test_tls_goes_to_where_its_server_name_leads(
    outside: tuple[Path, list[str], int, int],
) -> None:
    folder, _, _, tls = outside
    trust = ssl.create_default_context(cadata=AUTHORITY.root.decode())
    with (
        closing(_linked(folder / f"{tls}")) as link,
        trust.wrap_socket(link, server_hostname="www.example.com") as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n")
        assert b"".join(iter(lambda: secure.recv(4096), b"")).endswith(b"outside any")
