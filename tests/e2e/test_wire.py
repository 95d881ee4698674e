"""What crosses the sandbox's bridge between pods is TLS, and nothing of a request is to be read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lateen.apiserver.client import Client
from tests.e2e.harness import Mesh, eventually

MARKER = "a-word-nobody-else-says"
TLS = "1603"  # a TLS record that carries a handshake: RFC 8446, 5.1
REQUEST, ANSWER = b"GE".hex(), b"HT".hex()
# Runs in the sandbox's root network namespace, where the bridge is. Prints, for each direction of
# each TCP connection between pods, its two ends, whether its SYN was seen, its first two bytes of
# payload then, and whether the marker or an HTTP version was ever in it.
SNIFF = f"""
import json, select, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.setblocking(False)
print('ready', flush=True)
begun, first, plain, talked = {{}}, {{}}, set(), set()
def note(frame):
    if frame[12:14] != b'\\x08\\x00' or frame[23] != 6: return
    tcp = 14 + (frame[14] & 15) * 4
    ends = [socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])]
    if not all(end.startswith('198.18.') and end != '198.18.0.1' for end in ends): return
    ports = struct.unpack_from('!HHI', frame, tcp)
    flow = (ends[0], ports[0], ends[1], ports[1])
    if frame[tcp + 13] & 2: begun[flow] = ports[2] + 1 & 0xffffffff
    data = frame[tcp + (frame[tcp + 12] >> 4) * 4:14 + int.from_bytes(frame[16:18], 'big')]
    if not data: return
    if begun.get(flow) == ports[2]: first.setdefault(flow, data[:2].hex())
    if {MARKER!r}.encode() in data or b'HTTP/1.1' in data: plain.add(flow)
    talked.add(flow)
while True:
    ready, _, _ = select.select([s, sys.stdin], [], [])
    if s in ready: note(s.recv(65535))
    elif sys.stdin in ready: break
told = [dict(source=f[0], target=f[2], new=f in begun, first=first.get(f, ''), plain=f in plain) for f in talked]
print(json.dumps(told), flush=True)
"""
# What a pod that is new, and so has no connection yet, calls; it says so and waits for its end.
CALLS = f"""
import sys, time, urllib.request
asked = urllib.request.Request(sys.argv[1], headers={{'x-marker': {MARKER!r}}})
for _ in range(20):
    assert {MARKER!r} in urllib.request.urlopen(asked, timeout=10).read().decode()
print('done', flush=True)
time.sleep(600)
"""


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a connection: who sent what first, and whether it could be read."""

    source: str
    target: str
    new: bool
    first: str
    plain: bool


def sandbox_pid(mesh: Mesh) -> int:
    """The agent itself, the first process of the sandbox, by its number on the host."""
    launcher = json.loads((mesh.run / "pids.json").read_text())["agent"]
    with open(f"/proc/{launcher}/task/{launcher}/children") as children:
        return int(children.read().split()[0])


@contextmanager
def sniffed(mesh: Mesh) -> Iterator[list[Direction]]:
    """What crosses the bridge meanwhile; complete at the end."""
    into = [*mesh.prefix, "nsenter", "--target", str(sandbox_pid(mesh)), "--net"]
    if mesh.uid:
        into += ["--user", "--preserve-credentials"]
    seen: list[Direction] = []
    with subprocess.Popen(
        [*into, mesh.python, "-c", SNIFF],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sniffer:
        assert sniffer.stdin is not None
        assert sniffer.stdout is not None
        assert sniffer.stdout.readline() == "ready\n"
        try:
            yield seen
        finally:
            sniffer.stdin.close()
            told = json.loads(sniffer.stdout.readline())
    seen += [Direction(**one) for one in told]


@contextmanager
def caller(mesh: Mesh, url: str, *, proxy: bool) -> Iterator[str]:
    """A new pod that has called this; its address."""
    name = f"caller-{'with' if proxy else 'without'}"
    labels = {"app": name, "sidecar.istio.io/inject": str(proxy).lower()}
    app = {"name": "app", "image": "test/echo:1.0", "command": ["python", "-c", CALLS, url]}
    spec = {"containers": [app], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    client, pods = Client(mesh.run / "api.sock"), "/api/v1/namespaces/shop/pods"
    client.post(
        pods,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
        },
    )
    try:
        assert eventually(lambda: mesh.pods(name) and mesh.pods(name)[0]["ip"]), "it has an address"
        log = f"{pods}/{name}/log?container=app"
        assert eventually(lambda: phase(mesh, name) != "Pending")
        assert eventually(lambda: client.get(log) or phase(mesh, name) != "Running") == "done\n"
        yield mesh.pods(name)[0]["ip"]
    finally:
        mesh.delete(f"{pods}/{name}")
        assert eventually(lambda: not mesh.pods(name)), "the mesh is as it was"


def phase(mesh: Mesh, name: str) -> str:
    """The pod's phase."""
    found: str = mesh.api(f"/api/v1/namespaces/shop/pods/{name}")["status"]["phase"]
    return found


def began(seen: list[Direction], source: str, target: str) -> set[str]:
    """The first bytes of each new connection's direction from one pod to another."""
    return {d.first for d in seen if (d.source, d.target) == (source, target)}


def address_of(mesh: Mesh, start: str) -> str:
    address: str = mesh.pods(start)[0]["ip"]
    return address


def test_between_pods_with_proxies_there_is_tls_from_the_first_byte(mesh: Mesh) -> None:
    with sniffed(mesh) as seen, caller(mesh, "http://other/", proxy=True) as client:
        for _ in range(20):  # on connections that may be older
            answer = mesh.call("http://other/", headers={"x-marker": MARKER})
            assert answer.json["headers"]["x-marker"] == MARKER
    other = address_of(mesh, "other")
    assert began(seen, client, other) == {TLS}
    assert began(seen, other, client) == {TLS}
    talking = [d for d in seen if address_of(mesh, "plain") not in (d.source, d.target)]
    assert {d.first for d in talking if d.new} == {TLS}
    web = address_of(mesh, "web")
    assert any((d.source, d.target) == (web, other) for d in talking), "the bridge carried them"
    assert [d for d in talking if d.plain] == []


def test_the_same_look_sees_plaintext_between_pods_without_proxies(mesh: Mesh) -> None:
    with sniffed(mesh) as seen, caller(mesh, "http://plain/", proxy=False) as client:
        pass
    plain = address_of(mesh, "plain")
    assert began(seen, client, plain) == {REQUEST}
    assert began(seen, plain, client) == {ANSWER}
    assert {d.plain for d in seen if {d.source, d.target} == {client, plain}} == {True}
