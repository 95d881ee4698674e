"""What a pod may reach through the border, tried on a real Envoy with a service on the host."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET
from typing import Any

import pytest

from lateen.envoy.bootstrap import emit_border_bootstrap
from lateen.envoy.border import emit_border
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.resources import ResourceType
from lateen.ir.border import BorderPlan, Door, Exit
from lateen.ir.packets import Allow, Block, PortRange
from lateen.node.relay import proxy_header
from tests.envoy import real


class Answer(BaseHTTPRequestHandler):
    """The host's own service, which no pod may reach unasked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the host")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    """The port of a service that listens on every address of the host."""
    with ThreadingHTTPServer(("0.0.0.0", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def own_addresses() -> tuple[str, ...]:
    """The addresses this machine's own name leads to, and the one it would speak from."""
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, AF_INET)}
    with closing(socket.socket(AF_INET, socket.SOCK_DGRAM)) as link:
        try:
            link.connect(("192.0.2.1", 9))  # sends nothing; only picks the route
            found.add(link.getsockname()[0])
        except OSError:
            pass  # a machine without a route has no such address
    return tuple(sorted(found))


def _held(slot: str, folder: Path, service: int, *reach: Allow) -> Exit:
    return Exit(
        slot=slot,
        socket=str(folder / f"{slot}.sock"),
        by_number=str(folder / f"{slot}.raw"),
        allowed=(("localhost", service), ("127.0.0.2", service)),
        reach=reach,
    )


def plan(folder: Path, service: int) -> BorderPlan:
    return BorderPlan(
        exits=(
            Exit(slot="1", socket=str(folder / "1.sock"), by_number=str(folder / "1.raw")),
            Exit(
                slot="2",
                socket=str(folder / "2.sock"),
                by_number=str(folder / "2.raw"),
                allowed=(("localhost", service), ("127.0.0.2", service), ("*.test", 80)),
            ),
            # The same exceptions, and NetworkPolicies that let it reach one of the two.
            _held("3", folder, service, Allow(blocks=(Block(network="127.0.0.2/32"),))),
            _held("4", folder, service),
            _held(
                "5",
                folder,
                service,
                Allow(
                    blocks=(Block(network="127.0.0.0/8", excluded=("127.0.0.2/32",)),),
                    ports=(PortRange(protocol="TCP", first=service, last=service),),
                ),
            ),
        ),
        own_addresses=own_addresses(),
    )


@pytest.fixture(scope="module")
def border(tmp_path_factory: pytest.TempPathFactory, service: int) -> Iterator[Path]:
    """The folder of a running border's sockets."""
    folder = tmp_path_factory.mktemp("b")
    bootstrap = emit_border_bootstrap(
        token="t", xds_socket=str(folder / "x.sock"), admin_socket=str(folder / "a.sock")
    )
    config = real.add_static(bootstrap, emit_border(plan(folder, service)))
    with real.running(config, folder):
        yield folder


def connect(path: Path, authority: str, host: str = "") -> str:
    """The first line of the answer to CONNECT, and of what is at the tunnel's end, if any."""
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(10)
        link.connect(str(path))
        link.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {host or authority}\r\n\r\n".encode())
        answer = link.recv(4096)
        if b" 200 " not in answer.partition(b"\r\n")[0]:
            return answer.partition(b"\r\n")[0].decode()
        link.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: link.recv(4096), b"")).partition(b"\r\n\r\n")[2].decode()


LOOPBACK = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.255.0.9",
    "0.0.0.0",
    "0",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[fe80::1]",
    "ip6-localhost",
)


@pytest.mark.parametrize("host", LOOPBACK)
def test_no_spelling_of_the_host_is_let_through(border: Path, service: int, host: str) -> None:
    answer = connect(border / "1.sock", f"{host}:{service}")
    assert answer.startswith(("HTTP/1.1 403", "HTTP/1.1 503", "HTTP/1.1 400")), answer


def without(value: Any, *parts: str) -> Any:
    """A configuration with these fields, and the filters of these names, taken out."""
    if isinstance(value, list):
        kept = [
            each for each in value if not isinstance(each, dict) or each.get("name") not in parts
        ]
        return [without(each, *parts) for each in kept]
    if isinstance(value, dict):
        return {key: without(each, *parts) for key, each in value.items() if key not in parts}
    return value


DNS_FILTER, RBAC = "resolved_address_filter", "envoy.filters.http.upstream_rbac"


@pytest.mark.parametrize(
    ("parts", "reached"),
    [
        pytest.param((DNS_FILTER,), False, id="rbac-alone"),
        pytest.param((RBAC,), False, id="dns-filter-alone"),
        pytest.param((DNS_FILTER, RBAC), True, id="neither"),
    ],
)
def test_each_of_the_two_checks_holds_alone(
    tmp_path: Path, service: int, parts: tuple[str, ...], reached: bool
) -> None:
    bootstrap = emit_border_bootstrap(
        token="t", xds_socket="/run/x", admin_socket=str(tmp_path / "a.sock")
    )
    config = real.add_static(bootstrap, emit_border(plan(tmp_path, service)))
    with real.running(without(config, *parts), tmp_path):
        for host in ("localhost", "127.0.0.1", "2130706433", "0.0.0.0", *own_addresses()):
            answer = connect(tmp_path / "1.sock", f"{host}:{service}")
            assert (answer == "the host") is reached, (host, answer)


def test_the_hosts_own_addresses_and_name_are_refused(border: Path, service: int) -> None:
    for name in (*own_addresses(), socket.gethostname()):
        answer = connect(border / "1.sock", f"{name}:{service}")
        assert answer.startswith(("HTTP/1.1 403", "HTTP/1.1 503")), (name, answer)


def test_what_a_service_entry_names_is_let_through(border: Path, service: int) -> None:
    assert connect(border / "2.sock", f"localhost:{service}") == "the host"
    assert connect(border / "2.sock", f"127.0.0.2:{service}") == "the host"


def test_an_exception_is_for_one_pod_one_name_and_one_port(border: Path, service: int) -> None:
    for path, authority in (
        ("1.sock", f"localhost:{service}"),
        ("2.sock", f"127.0.0.1:{service}"),
        ("2.sock", f"localhost:{service + 1}"),
    ):
        answer = connect(border / path, authority)
        assert answer.startswith(("HTTP/1.1 403", "HTTP/1.1 503")), (authority, answer)


def test_what_policies_let_a_pod_reach_is_judged_by_the_address_a_name_leads_to(
    border: Path, service: int
) -> None:
    def reached(slot: int) -> list[bool]:
        answers = (
            connect(border / f"{slot}.sock", f"{host}:{service}")
            for host in ("localhost", "127.0.0.2")
        )
        return [answer == "the host" for answer in answers]

    assert reached(2) == [True, True]
    assert reached(3) == [False, True]
    assert reached(4) == [False, False]
    assert reached(5) == [True, False]


def test_policies_hold_for_names_that_no_service_entry_names(border: Path) -> None:
    assert connect(border / "4.sock", "192.0.2.9:80").startswith("HTTP/1.1 403")


def test_a_host_header_cannot_borrow_an_exception(border: Path, service: int) -> None:
    answer = connect(border / "2.sock", f"127.0.0.1:{service}", host=f"localhost:{service}")
    assert "the host" not in answer or answer.startswith("HTTP/1.1 4")


def test_anything_but_connect_leads_nowhere(border: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(10)
        link.connect(str(border / "2.sock"))
        link.sendall(b"GET http://localhost/ HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 404")


def test_the_sockets_are_the_owners_alone(border: Path) -> None:
    names = ("1.sock", "1.raw", "2.sock", "2.raw", "a.sock")
    assert {(border / name).stat().st_mode & 0o777 for name in names} == {0o600}


def ask_number(path: Path, address: str, port: int, head: bytes = b"") -> bytes:
    """What is at an address, asked by number; b"" when nothing is."""
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(10)
        link.connect(str(path))
        head = head or proxy_header(("198.18.0.9", 40000), (address, port))
        try:
            link.sendall(head + b"GET / HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: link.recv(4096), b"")).rpartition(b"\r\n")[2]
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.255.0.9", "0.0.0.0", "169.254.169.254", "224.0.0.1"]
)
def test_no_number_of_the_host_is_let_through(border: Path, service: int, address: str) -> None:
    for slot in (1, 2):
        assert ask_number(border / f"{slot}.raw", address, service) == b""


def test_the_hosts_own_numbers_are_refused(border: Path, service: int) -> None:
    for address in own_addresses():
        assert ask_number(border / "1.raw", address, service) == b""


@pytest.mark.parametrize("slot", [1, 2])
def test_a_silent_client_is_not_connected_to_the_host(border: Path, slot: int) -> None:
    with socket.create_server(("0.0.0.0", 0)) as first_to_speak:
        port = first_to_speak.getsockname()[1]
        for address in {"127.0.0.1", "127.0.0.2", *own_addresses()}:
            with closing(socket.socket(socket.AF_UNIX)) as link:
                link.settimeout(10)
                link.connect(str(border / f"{slot}.raw"))
                link.sendall(proxy_header(("198.18.0.9", 40000), (address, port)))
                assert link.recv(1) == b""
        with socket.create_connection(("127.0.0.1", port)) as own:
            came, first = first_to_speak.accept()
            came.close()
            assert first == own.getsockname(), "nobody came before"


def test_a_number_that_a_service_entry_names_is_let_through(border: Path, service: int) -> None:
    assert ask_number(border / "2.raw", "127.0.0.2", service) == b"the host"
    assert ask_number(border / "2.raw", "127.0.0.2", service + 1) == b""
    assert ask_number(border / "1.raw", "127.0.0.2", service) == b""


def test_a_header_that_names_no_address_leads_nowhere(border: Path, service: int) -> None:
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    local, unspecified = signature + b"\x20\x00\0\0", signature + b"\x21\x00\0\0"
    mapped = bytes(10) + b"\xff\xff" + bytes((127, 0, 0, 1))
    six = signature + b"\x21\x21\0\x24" + mapped * 2 + struct.pack("!HH", 40000, service)
    for head in (local, unspecified, six, b"GET / HTTP/1.0\r\n"):
        for slot in (1, 2):
            assert ask_number(border / f"{slot}.raw", "", 0, head) == b""


def test_a_door_is_not_shared_with_the_border_of_another_mesh() -> None:
    made = emit_border(BorderPlan(doors=(Door(port=9191, sockets=()),)))
    (door,) = (Listener.FromString(r.body) for r in made[ResourceType.LISTENER].values())
    assert door.HasField("enable_reuse_port")  # unset, it would be true
    assert not door.enable_reuse_port.value


def test_envoy_takes_doors_with_and_without_gateways(tmp_path: Path) -> None:
    doors = (
        Door(port=8080, sockets=("/run/g/1-80.sock", "/run/g/2-80.sock")),
        Door(port=8443, sockets=()),
    )
    bootstrap = emit_border_bootstrap(token="t", xds_socket="/run/x", admin_socket="/run/a")
    config = real.add_static(bootstrap, emit_border(BorderPlan(doors=doors)))
    assert real.validate(config, tmp_path) == ""
