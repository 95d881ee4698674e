"""A pod with an Envoy: what goes in and out passes through it, and leaves by the border only."""

from __future__ import annotations

import errno
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lateen.api.interception import Interception
from lateen.api.pod import HTTPGetAction, Probe, TCPSocketAction
from lateen.ir.packets import OPEN, PodFilter
from lateen.node.addresses import OUTBOUND_PORT
from lateen.node.protocol import Directory, GuardPod, PodRun, ProxyRun, ServiceAddress
from tests.node.bootstraps import passing
from tests.node.sandboxed import Sandbox, app, pod

pytestmark = pytest.mark.sandbox

_SERVE = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.client_address[0].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
_ENDS = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ready = socket.create_server(("0.0.0.0", 9001))
time.sleep(60)
"""
_LAST = 3.0  # seconds
_READY = Probe(http_get=HTTPGetAction(port=8080))


@pytest.fixture(scope="module")
def server(sandbox: Sandbox) -> Iterator[PodRun]:
    server = _proxied(sandbox, 10, _SERVE, readiness=_READY)
    sandbox.put(server)
    sandbox.until_ready(server.uid)
    yield server
    sandbox.drop(server.uid)


def _proxied(sandbox: Sandbox, number: int, script: str, **fields: object) -> PodRun:
    bootstrap = passing(sandbox.run / "p" / f"s{number}")
    container = app(script, **fields)
    return pod(
        number,
        "",
        containers=(container,),
        proxy=ProxyRun(bootstrap=bootstrap),
        restart_policy="Always" if fields else "Never",
    )


def _connections(sandbox: Sandbox, pod: PodRun, listener: str) -> int:
    """How many connections the pod's Envoy has taken; its admin socket is the host's to read."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(sandbox.run / "p" / pod.slot / "admin.sock"))
        request = b"GET /stats?filter=^tcp HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"
        admin.sendall(request)
        text = b""
        while part := admin.recv(65536):
            text += part
    found = re.search(rf"tcp\.{listener}\.downstream_cx_total: (\d+)".encode(), text)
    assert found
    return int(found[1])


def test_its_envoy_is_live_before_the_app_starts_and_both_count(
    sandbox: Sandbox, server: PodRun
) -> None:
    mine = [report for report in sandbox.history if report.uid == server.uid]
    for report in mine:
        app_status, proxy = report.status.container_statuses
        assert proxy.name == "istio-proxy"
        assert proxy.ready or not app_status.state.running
    assert [c.ready for c in mine[-1].status.container_statuses] == [True, True]


def test_traffic_from_pod_to_pod_passes_both_proxies(sandbox: Sandbox, server: PodRun) -> None:
    before = _connections(sandbox, server, "virtualInbound")
    client = _proxied(
        sandbox,
        11,
        "import urllib.request as r; print(r.urlopen('http://198.18.0.10:8080').read().decode())",
    )
    assert sandbox.execute(client) == ["127.0.0.6"]
    assert _connections(sandbox, server, "virtualInbound") == before + 1
    ends = [r.status.phase for r in sandbox.history if r.uid == client.uid]
    assert "Succeeded" in ends


_TALKS_TO_ITSELF = """
import socket, threading, time
listening = socket.create_server(("0.0.0.0", 9000))
def answer():
    connection, peer = listening.accept()
    connection.sendall(peer[0].encode())
    connection.close()
for address in ("127.0.0.1", "198.18.0.12"):
    threading.Thread(target=answer).start()
    print(socket.create_connection((address, 9000)).recv(99).decode())
ready = socket.create_server(("0.0.0.0", 9001))
time.sleep(60)
"""


def test_neither_probes_nor_calls_to_itself_pass_the_proxy(sandbox: Sandbox) -> None:
    probe = Probe(tcp_socket=TCPSocketAction(port=9001))
    talker = _proxied(sandbox, 12, _TALKS_TO_ITSELF, readiness=probe)
    sandbox.put(talker)
    sandbox.until_ready(talker.uid)
    assert sandbox.log(talker) == ["127.0.0.1", "198.18.0.12"]
    assert _connections(sandbox, talker, "virtualInbound") == 0
    assert _connections(sandbox, talker, "virtualOutbound") == 0
    sandbox.drop(talker.uid)


def test_a_proxy_sees_its_own_folder_and_nothing_else_of_the_mesh(
    sandbox: Sandbox, server: PodRun
) -> None:
    other = _proxied(sandbox, 14, "import time; time.sleep(60)", liveness=Probe(period_seconds=60))
    sandbox.put(other)
    sandbox.until_ready(other.uid)
    assert {"s10", "s14"} <= set(os.listdir(sandbox.run / "p"))
    own = f"{sandbox.run}/p/{server.slot}/bootstrap.json"
    (envoy,) = (
        path
        for path in Path("/proc").glob("[0-9]*")
        if own.encode() in _command(path) and b"unshare" not in _command(path)
    )
    seen = Path(f"{envoy}/root{sandbox.run}")
    assert sorted(os.listdir(seen)) == ["p", "x"]
    assert os.listdir(seen / "p") == [server.slot]
    assert not Path(f"{envoy}/root{sandbox.state}").exists()
    sandbox.drop(other.uid)


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_the_proxy_ends_after_the_app(sandbox: Sandbox) -> None:
    farewell = """
import signal, socket, sys, time
def end(*_):
    # The proxy still carries what the app says last.
    socket.create_connection(("198.18.0.10", 8080), timeout=3)
    print("said goodbye")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
ready = socket.create_server(("0.0.0.0", 9001))
time.sleep(60)
"""
    leaving = _proxied(
        sandbox, 13, farewell, readiness=Probe(tcp_socket=TCPSocketAction(port=9001))
    )
    sandbox.put(leaving)
    sandbox.until_ready(leaving.uid)
    sandbox.drop(leaving.uid, grace=5)
    assert sandbox.log(leaving) == ["said goodbye"]
    ends = [r.status.container_statuses for r in sandbox.history if r.uid == leaving.uid]
    for app_status, proxy in ends:
        assert proxy.state.terminated is None or app_status.state.terminated is not None


@pytest.mark.parametrize(("grace", "least", "most"), [(30, _LAST, 30), (0, 0.0, _LAST)])
def test_a_proxy_stays_for_what_is_in_flight_as_long_as_the_grace_allows(
    sandbox: Sandbox, grace: int, least: float, most: float
) -> None:
    number = 220 if grace else 221
    bootstrap = passing(sandbox.run / "p" / f"s{number}")
    container = app(_ENDS, readiness=Probe(tcp_socket=TCPSocketAction(port=9001)))
    proxy = ProxyRun(bootstrap=bootstrap, last_seconds=_LAST)
    staying = pod(number, "", containers=(container,), proxy=proxy)
    sandbox.put(staying)
    sandbox.until_ready(staying.uid)
    before = time.monotonic()
    sandbox.drop(staying.uid, grace=grace)
    assert least <= time.monotonic() - before <= most


_ASK = "import urllib.request as r; print(r.urlopen('http://{}:8080').read().decode())"


@pytest.mark.parametrize(
    ("number", "interception", "dialled"),
    [
        (222, Interception(outbound=(8080,)), "198.18.0.10"),
        (223, Interception(networks=("198.18.0.0/24",)), "198.18.0.10"),
        (224, Interception(outbound=(8080,)), "198.19.0.40"),
    ],
)
def test_what_an_annotation_spares_leaves_past_the_proxy(
    sandbox: Sandbox, server: PodRun, number: int, interception: Interception, dialled: str
) -> None:
    service = ServiceAddress(address="198.19.0.40", port=8080, endpoints=(("198.18.0.10", 8080),))
    sandbox.say(Directory(services=(service,)))
    before = _connections(sandbox, server, "virtualInbound")
    client = _sparing(sandbox, number, _ASK.format(dialled), interception)
    assert sandbox.execute(client) == ["127.0.0.6"]
    assert _connections(sandbox, server, "virtualInbound") == before + 1


def test_all_else_of_such_a_pod_is_still_led_to_the_proxy(sandbox: Sandbox, server: PodRun) -> None:
    assert server.address == "198.18.0.10"
    script = """
import urllib.request as r
try: r.urlopen("http://198.18.0.10:8080")
except OSError as error: print(error.reason.errno)
"""
    client = _sparing(sandbox, 225, script, Interception(outbound=(9000,)))
    assert sandbox.execute(client) == [str(errno.ECONNREFUSED)]


@pytest.mark.parametrize(("number", "dialled"), [(46, "198.18.0.10"), (47, "198.19.0.40")])
def test_a_network_policy_holds_for_what_passes_the_proxy_by(
    sandbox: Sandbox, server: PodRun, number: int, dialled: str
) -> None:
    service = ServiceAddress(address="198.19.0.40", port=8080, endpoints=((server.address, 8080),))
    sandbox.say(Directory(services=(service,)))
    script = f"""
import urllib.request as r
try: print(r.urlopen("http://{dialled}:8080", timeout=1).status)
except OSError: print("held up")
"""
    client = _sparing(sandbox, number, script, Interception(outbound=(8080,)))
    sandbox.say(GuardPod(uid=client.uid, passing=PodFilter(egress=())))
    assert sandbox.execute(client) == ["held up"]
    sandbox.say(GuardPod(uid=client.uid, passing=OPEN))
    assert sandbox.execute(msgspec.structs.replace(client, uid=f"{client.uid}-open")) == ["200"]


@pytest.mark.parametrize(
    ("number", "interception"),
    [(43, Interception(inbound=(8080,))), (44, Interception(only_inbound=(9000,)))],
)
def test_what_an_annotation_spares_comes_to_the_app_itself(
    sandbox: Sandbox, number: int, interception: Interception
) -> None:
    open_one = _sparing(sandbox, number, _SERVE, interception, readiness=_READY)
    sandbox.put(open_one)
    sandbox.until_ready(open_one.uid)
    client = _proxied(sandbox, number + 10, _ASK.format(f"198.18.0.{number}"))
    assert sandbox.execute(client) == [f"198.18.0.{number + 10}"]
    assert _connections(sandbox, open_one, "virtualInbound") == 0
    sandbox.drop(open_one.uid)


def _sparing(
    sandbox: Sandbox, number: int, script: str, interception: Interception, **fields: object
) -> PodRun:
    """A pod whose Envoy hears nothing of what leaves: calls that are led to it are refused."""
    run = _proxied(sandbox, number, script, **fields)
    assert run.proxy
    deaf = run.proxy.bootstrap.replace(str(OUTBOUND_PORT), "15099")
    proxy = msgspec.structs.replace(run.proxy, bootstrap=deaf, interception=interception)
    return msgspec.structs.replace(run, proxy=proxy)
