"""What NetworkPolicies let pass between real pods: by address, port and direction, live, past no proxy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from lateen.api.pod import HTTPGetAction, Probe, TCPSocketAction
from lateen.ir.packets import EVERYWHERE, OPEN, Allow, Block, PodFilter, PortRange
from lateen.node.protocol import GuardPod, PodRun, ProxyRun
from tests.node.bootstraps import passing
from tests.node.sandboxed import Sandbox, app, pod

pytestmark = pytest.mark.sandbox

_SERVER = """
import socket, threading
def answer(listening):
    while True:
        taken, _ = listening.accept()
        taken.sendall(taken.recv(9) or b"?")
        threading.Thread(target=echo, args=(taken,), daemon=True).start()
def echo(taken):
    while data := taken.recv(9): taken.sendall(data)
for port in (8080, 9090):
    listening = socket.create_server(("0.0.0.0", port))
    threading.Thread(target=answer, args=(listening,)).start()
"""
# Each line of the client's output is one attempt; it asks again and again until it is dropped.
_TRY = """
import json, os, socket
os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
def dial(address, port):
    with socket.socket() as s:
        s.settimeout(0.4)
        try:
            s.connect((address, port)); s.sendall(b"x")
            return s.recv(9).decode() or "closed"
        except TimeoutError: return "dropped"
        except OSError as error: return type(error).__name__
def resolve(name):
    try: return socket.gethostbyname(name)
    except socket.gaierror as error: return "no answer"
found = {}
"""


@pytest.fixture(scope="module")
def servers(sandbox: Sandbox) -> Iterator[tuple[PodRun, PodRun]]:
    """One pod with a proxy and one without; each echoes at 8080 and 9090."""
    proxied = pod(
        200,
        _SERVER,
        proxy=ProxyRun(bootstrap=passing(sandbox.run / "p" / "s200")),
    )
    pods = (proxied, pod(201, _SERVER))
    for one in pods:
        sandbox.put(one)
    for one in pods:
        sandbox.until_ready(one.uid)
    yield pods
    for one in pods:
        sandbox.drop(one.uid)


@pytest.fixture
def guard(sandbox: Sandbox) -> Iterator[Callable[[PodRun, PodFilter], None]]:
    """Put a filter in force; all are gone afterwards."""
    told: list[str] = []

    def put(one: PodRun, passing: PodFilter) -> None:
        told.append(one.uid)
        sandbox.say(GuardPod(uid=one.uid, passing=passing))

    yield put
    for uid in told:
        sandbox.say(GuardPod(uid=uid, passing=OPEN))


def attempts(sandbox: Sandbox, number: int, **dials: str) -> dict[str, object]:
    """Run attempts in a pod without a proxy; what came of each."""
    lines = "".join(f"found[{name!r}] = {code}\n" for name, code in dials.items())
    script = f"{_TRY}{lines}print(json.dumps(found))"
    found: dict[str, object] = json.loads(
        sandbox.execute(pod(number, script, restart_policy="Never"))[0]
    )
    return found


def tcp(*ports: int) -> tuple[PortRange, ...]:
    return tuple(PortRange(protocol="TCP", first=port, last=port) for port in ports)


def test_only_the_ports_and_pods_that_are_named_are_reached(
    sandbox: Sandbox,
    servers: tuple[PodRun, PodRun],
    guard: Callable[[PodRun, PodFilter], None],
) -> None:
    for one in servers:
        guard(one, PodFilter(ingress=(Allow(pods=("198.18.0.202",), ports=tcp(8080)),)))
    dials = {
        f"{kind} {port}": f"dial('198.18.0.{number}', {port})"
        for kind, number in (("proxied", 200), ("plain", 201))
        for port in (8080, 9090)
    }
    # With the redirection to the proxy a port is still the one that was dialled.
    assert attempts(sandbox, 202, **dials) == {
        "proxied 8080": "x",
        "proxied 9090": "dropped",
        "plain 8080": "x",
        "plain 9090": "dropped",
    }
    assert set(attempts(sandbox, 203, **dials).values()) == {"dropped"}


def test_a_network_less_a_part_of_it(
    sandbox: Sandbox,
    servers: tuple[PodRun, PodRun],
    guard: Callable[[PodRun, PodFilter], None],
) -> None:
    block = Block(network="198.18.0.208/29", excluded=("198.18.0.212/31",))
    ports = PortRange(protocol="TCP", first=8000, last=8999)
    guard(servers[1], PodFilter(ingress=(Allow(blocks=(block,), ports=(ports,)),)))
    dial = {"in": "dial('198.18.0.201', 8080)", "out": "dial('198.18.0.201', 9090)"}
    assert attempts(sandbox, 211, **dial) == {"in": "x", "out": "dropped"}
    assert attempts(sandbox, 212, **dial) == {"in": "dropped", "out": "dropped"}


def test_a_pod_goes_only_where_it_may_and_always_to_itself(
    sandbox: Sandbox,
    servers: tuple[PodRun, PodRun],
    guard: Callable[[PodRun, PodFilter], None],
) -> None:
    client = pod(206, "")
    guard(client, PodFilter(egress=(Allow(pods=("198.18.0.201",), ports=tcp(8080)),)))
    found = attempts(
        sandbox,
        206,
        may="dial('198.18.0.201', 8080)",
        port="dial('198.18.0.201', 9090)",
        pod="dial('198.18.0.200', 8080)",
        name="resolve('outside.example')",
        outside="dial('192.0.2.7', 80)",
        itself="(socket.create_server(('0.0.0.0', 7000)), dial('127.0.0.1', 7000)"
        " == dial('198.18.0.206', 7000) == 'dropped')[1]",
    )
    assert found == {
        "may": "x",
        "port": "dropped",
        "pod": "dropped",
        "name": "no answer",
        "outside": "dropped",
        "itself": True,  # connected both times: nobody answers there
    }
    dns = PortRange(protocol="UDP", first=53, last=53)
    guard(pod(205, ""), PodFilter(egress=(Allow(blocks=(EVERYWHERE,), ports=(dns,)),)))
    found = attempts(
        sandbox, 205, name="resolve('outside.example')", pod="dial('198.18.0.200', 8080)"
    )
    assert found == {"name": "192.0.2.7", "pod": "dropped"}


def test_a_change_holds_for_connections_that_are_open_and_answers_pass(
    sandbox: Sandbox,
    servers: tuple[PodRun, PodRun],
    guard: Callable[[PodRun, PodFilter], None],
) -> None:
    held = """
import socket, time
s = socket.create_connection(("198.18.0.201", 8080)); s.settimeout(2)
print("open", flush=True)
ready = socket.create_server(("0.0.0.0", 7001))
while True:
    s.sendall(b"x")
    try: s.recv(9)
    except TimeoutError: print("silent", flush=True); break
    time.sleep(0.05)
"""
    ready = Probe(tcp_socket=TCPSocketAction(port=7001))
    client = pod(207, "", containers=(app(held, readiness=ready),), restart_policy="Never")
    # The client's own ingress is closed: what it asked for comes all the same.
    guard(client, PodFilter(ingress=()))
    sandbox.put(client)
    sandbox.until_ready(client.uid)
    guard(servers[1], PodFilter(ingress=()))
    sandbox.until(client.uid, lambda report: report.status.phase == "Succeeded")
    assert sandbox.log(client) == ["open", "silent"]
    sandbox.drop(client.uid)


def test_probes_pass_whatever_the_policies_say(
    sandbox: Sandbox, guard: Callable[[PodRun, PodFilter], None]
) -> None:
    elsewhere = pod(208, _SERVER)
    sandbox.put(elsewhere)
    sandbox.until_ready(elsewhere.uid)
    web = """
import http.server
http.server.HTTPServer(("0.0.0.0", 80), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
    probe = Probe(http_get=HTTPGetAction(port=80), period_seconds=1)
    closed = pod(209, "", containers=(app(web, readiness=probe),))
    guard(closed, PodFilter(ingress=(), egress=()))
    sandbox.put(closed)
    sandbox.until_ready(closed.uid)
    for one in (elsewhere, closed):
        sandbox.drop(one.uid)
