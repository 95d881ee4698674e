"""Out of a pod that may call only what the mesh knows (REGISTRY_ONLY), around its proxy: at the border's sockets.

What the agent's relay brings there comes from a program that avoided its proxy; what asks to CONNECT is a proxy, or
whoever got hold of its socket. Each attack must not reach the far side, each twin must.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from cryptography import x509

from lateen.envoy import border as border_module
from lateen.envoy.bootstrap import emit_border_bootstrap
from lateen.envoy.border import emit_border
from lateen.ir.border import BorderPlan, ByNumber, Exit
from lateen.node.relay import proxy_header
from tests.envoy import pki, real
from tests.envoy.judging import short_folder

pytestmark = pytest.mark.e2e
FAR = "the far side"
API, SHOPS = "api.example.com", "*.shop.example.com"
AUTHORITY = pki.Authority()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        text = f"{FAR}: {self.headers['host']}{self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _web(secure: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server of HTTP at every address of this machine, which stand here for places outside."""
    with ThreadingHTTPServer(("0.0.0.0", 0), _Answer) as server:
        if secure:
            server.socket = secure.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def _raw(preface: bytes = b"") -> Iterator[int]:
    """A server that says `FAR` to whoever connects, before it reads."""
    with socket.create_server(("0.0.0.0", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                with closing(link):
                    link.sendall(preface + FAR.encode())

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, kw_only=True)
class Border:
    """The folder of the border's sockets, and the ports of what is outside."""

    folder: Path
    ports: dict[str, int]

    def dial(self, address: str, port: str | int) -> socket.socket:
        """A connection as the agent's relay hands it over."""
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(10)
        link.connect(str(self.folder / "1.raw"))
        link.sendall(proxy_header(("198.18.0.9", 40000), (address, self.number(port))))
        return link

    def number(self, port: str | int) -> int:
        return self.ports[port] if isinstance(port, str) else port


def _plan(folder: Path, ports: dict[str, int]) -> BorderPlan:
    anywhere = "0.0.0.0/0"
    registry = (
        ByNumber(network="127.0.0.0/29", port=ports["raw"]),
        *(
            ByNumber(network=anywhere, port=ports[port], hosts=hosts)
            for port in ("web", "tls")
            for hosts in ((API,), (SHOPS,))
        ),
        ByNumber(network="127.0.0.16/32", port=ports["web"]),
    )
    out = Exit(
        slot="1",
        socket=str(folder / "1.sock"),
        by_number=str(folder / "1.raw"),
        allowed=(("localhost", ports["web"]), ("127.0.0.2", ports["web"]), (SHOPS, ports["web"])),
        registry=registry,
    )
    return BorderPlan(exits=(out,), own_addresses=("127.0.0.5",))


@pytest.fixture(scope="module")
def border() -> Iterator[Border]:
    """A running border, to which the loopback's addresses are outside, but for 127.0.0.5."""
    pair = AUTHORITY.sign(API, x509.DNSName(API))
    with short_folder() as folder, pytest.MonkeyPatch.context() as patch:
        (folder / "pair.pem").write_bytes(pair.certificate + pair.key)
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(folder / "pair.pem")
        patch.setattr(border_module, "_NEVER", ("169.254.0.0/16", "::/0"))
        with _web() as web, _web(secure) as tls, _raw() as raw, _raw() as other:
            ports = {"web": web, "tls": tls, "raw": raw, "other": other}
            bootstrap = emit_border_bootstrap(
                token="t", xds_socket="/run/x", admin_socket=str(folder / "a.sock")
            )
            config = real.add_static(bootstrap, emit_border(_plan(folder, ports)))
            with real.running(config, folder):
                yield Border(folder=folder, ports=ports)


def _said(link: socket.socket, sent: bytes = b"") -> str:
    """Everything that comes back."""
    try:
        if sent:
            link.sendall(sent)
        return b"".join(iter(lambda: link.recv(4096), b"")).decode("latin-1")
    except ConnectionError:
        return ""


def _asked(border: Border, address: str, port: str, head: str) -> str:
    with closing(border.dial(address, port)) as link:
        return _said(link, head.replace("\n", "\r\n").encode("latin-1"))


def _request(host: str, target: str = "/") -> str:
    return f"GET {target} HTTP/1.1\nhost: {host}\nconnection: close\n\n"


def _handshaken(border: Border, address: str, port: str, name: str | None) -> bool:
    """Whether TLS came about with whoever is there."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    try:
        with (
            closing(border.dial(address, port)) as link,
            trust.wrap_socket(link, server_hostname=name) as secure,
        ):
            return secure.getpeercert(binary_form=True) is not None
    except (ssl.SSLError, ConnectionError):
        return False


ELSEWHERE = {
    "an address that nothing names": ("192.0.2.9", "raw"),
    "an address beside the named network": ("127.0.0.8", "raw"),
    "another port of a named address": ("127.0.0.2", "other"),
    "the host, in a named network": ("127.0.0.5", "raw"),
    "link-local": ("169.254.169.254", "raw"),
    "an address that only names are free at": ("127.0.0.2", "web"),
}
NAMED_OTHERWISE = {
    "another host": _request("evil.example.org"),
    "a wildcard's parent": _request("shop.example.com"),
    "a name's parent": _request("example.com"),
    "a name that ends alike": _request("xapi.example.com"),
    "a wildcard that ends alike": _request("ashop.example.com"),
    "a name that begins alike": _request(f"{API}.evil.example.org"),
    "a name as a user": _request(f"{API}@evil.example.org"),
    "a name behind a slash": _request(f"evil.example.org/{API}"),
    "a trailing dot": _request(f"{API}."),
    "an address": _request("192.0.2.1"),
    "nothing": "GET / HTTP/1.0\n\n",
    "an empty host": _request(""),
    "two hosts": f"GET / HTTP/1.1\nhost: {API}\nhost: evil.example.org\nconnection: close\n\n",
    "a whole URL of another": _request(API, "http://evil.example.org/"),
    "CONNECT": f"CONNECT {API}:443 HTTP/1.1\nhost: {API}\n\n",
    "no HTTP at all": "anything\n",
    "a folded host": f"GET / HTTP/1.1\nx: y\n host: {API}\n\n",
    "a space before the colon": f"GET / HTTP/1.1\nhost : {API}\n\n",
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_an_address_that_the_registry_does_not_name_is_not_dialled(
    border: Border, case: str
) -> None:
    address, port = ELSEWHERE[case]
    with closing(border.dial(address, port)) as link:
        assert _said(link, b"anything\r\n") == ""


@pytest.mark.parametrize("case", NAMED_OTHERWISE)
def test_http_that_says_another_name_does_not_leave(border: Border, case: str) -> None:
    assert FAR not in _asked(border, "127.0.0.2", "web", NAMED_OTHERWISE[case])


def test_each_request_of_a_connection_is_looked_at(border: Border) -> None:
    first = _request(API, "/one").replace("connection: close\n", "")
    said = _asked(border, "127.0.0.2", "web", first + _request("evil.example.org", "/two"))
    assert said.count(FAR) == 1
    assert f"{API}/one" in said
    assert "404" in said


def test_a_second_request_cannot_hide_in_a_body(border: Border) -> None:
    hidden = _request("evil.example.org", "/hidden")
    for lengths in (
        "content-length: 0\ntransfer-encoding: chunked\n",
        "transfer-encoding: chunked, identity\n",
        "content-length: 0\ncontent-length: 5\n",
    ):
        head = f"GET / HTTP/1.1\nhost: {API}\n{lengths}\n"
        said = _asked(border, "127.0.0.2", "web", f"{head}0\n\n{hidden}")
        assert "/hidden" not in said, lengths


def test_http2_is_looked_at_by_its_authority(border: Border) -> None:
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    headers = [(":method", "GET"), (":scheme", "http"), (":path", "/")]
    client.send_headers(1, [*headers, (":authority", "evil.example.org")], end_stream=True)
    with closing(border.dial("127.0.0.2", "web")) as link:
        link.sendall(client.data_to_send())
        events: list[h2.events.Event] = []
        while not any(isinstance(event, h2.events.ResponseReceived) for event in events):
            events += client.receive_data(link.recv(4096))
    (answer,) = (event for event in events if isinstance(event, h2.events.ResponseReceived))
    assert (b":status", b"404") in [(bytes(k), bytes(v)) for k, v in answer.headers or ()]


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("evil.example.org", "tls"),
        ("shop.example.com", "tls"),
        ("xapi.example.com", "tls"),
        (f"{API}.evil.example.org", "tls"),
        (None, "tls"),
        (API, "raw"),
        (API, "other"),
    ],
)
def test_tls_for_another_name_or_port_does_not_leave(
    border: Border, name: str | None, port: str
) -> None:
    assert not _handshaken(border, "127.0.0.9", port, name)


@pytest.mark.parametrize(
    "authority",
    [
        "192.0.2.9:80",
        "127.0.0.3:{web}",
        "127.0.0.2:{raw}",
        "evil.example.org:443",
        "localhost:{other}",
        "localhost.:{web}",
        "www.shop.example.com:{web}",
        "*.shop.example.com:{web}",
        "api.example.com:{web}",
        "[::1]:{web}",
        "0:{web}",
    ],
)
def test_no_name_is_asked_for_that_the_registry_does_not_name(
    border: Border, authority: str
) -> None:
    for host in (authority, "localhost:{web}"):
        said = _connect(border, authority.format(**border.ports), host.format(**border.ports))
        assert said.startswith(("HTTP/1.1 403", "HTTP/1.1 400")), said


def _connect(border: Border, authority: str, host: str) -> str:
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(10)
        link.connect(str(border.folder / "1.sock"))
        link.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        said = link.recv(4096).decode()
        if " 200 " in said.partition("\r\n")[0]:
            said = _said(link, _request("any").replace("\n", "\r\n").encode())
        return said


# And their twins.


@pytest.mark.parametrize(
    "host",
    [
        API,
        API.upper(),
        f"{API}:80",
        "www.shop.example.com",
        "a.b.shop.example.com",
        "w.SHOP.example.com:8",
    ],
)
def test_http_for_a_named_host_leaves_for_any_address(border: Border, host: str) -> None:
    for address in ("127.0.0.2", "127.0.0.77"):
        said = _asked(border, address, "web", _request(host, "/a//b/../c?d=%2F"))
        assert said.endswith(f"{FAR}: {host}/a//b/../c?d=%2F"), said
        assert "envoy" not in said.lower(), "nothing of the border's own"


@pytest.mark.parametrize("name", [API, API.upper(), "www.shop.example.com", "a.b.shop.example.com"])
def test_tls_for_a_named_host_leaves_for_any_address(border: Border, name: str) -> None:
    assert _handshaken(border, "127.0.0.2", "tls", name)
    assert _handshaken(border, "127.0.0.77", "tls", name)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.7"])
def test_a_server_that_speaks_first_is_heard_at_a_named_address(
    border: Border, address: str
) -> None:
    with closing(border.dial(address, "raw")) as link:
        assert _said(link) == FAR


def test_an_address_free_by_itself_needs_no_name(border: Border) -> None:
    assert FAR in _asked(border, "127.0.0.16", "web", _request("anything"))
    assert FAR in _asked(border, "127.0.0.16", "web", _request(API))


def test_what_is_named_by_name_is_asked_for_by_name(border: Border) -> None:
    for authority in (f"localhost:{border.ports['web']}", f"127.0.0.2:{border.ports['web']}"):
        assert FAR in _connect(border, authority, authority)
