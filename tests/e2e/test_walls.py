"""From inside an app nothing of its neighbours, its proxy, the agent or the host can be reached."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.e2e.harness import Mesh


def test_an_app_sees_and_can_signal_no_process_but_its_own(mesh: Mesh) -> None:
    seen = mesh.inside("import os; print([p for p in os.listdir('/proc') if p.isdigit()])")
    assert seen == "['1']"
    reach = """
import os
found = []
own = {int(t) for t in os.listdir('/proc/self/task')}
for pid in set(range(2, 70000)) - own:
    try: os.kill(pid, 0); found.append(pid)
    except ProcessLookupError: pass
    except PermissionError: found.append(-pid)
print(found)
"""
    assert mesh.inside(reach) == "[]"


def test_run_directory_home_and_state_are_not_there(mesh: Mesh) -> None:
    with (
        tempfile.NamedTemporaryFile(dir=mesh.env["HOME"]) as mine,
        tempfile.NamedTemporaryFile(dir=mesh.home) as beside,
    ):
        places = [str(mesh.run), str(mesh.state), mine.name, beside.name]
        code = f"import os; print([p for p in {places!r} if os.path.exists(p)])"
        assert mesh.inside(code) == "[]"
    # Shown to the app on purpose: what was built (this home is in /tmp), and its own account's token.
    own = (f"{mesh.env['HOME']}/.cache/lateen/layers", "/run/secrets/kubernetes.io/serviceaccount")
    code = f"""
import os
walks = [*os.walk('/tmp'), *os.walk('/run')]
print([f'{{folder}}/{{file}}' for folder, _, files in walks for file in files if not folder.startswith({own!r})])
"""
    assert mesh.inside(code) == "[]"


def test_neighbours_environments_and_sockets_cannot_be_reached(mesh: Mesh) -> None:
    assert (
        mesh.inside("import glob; print(glob.glob('/proc/[0-9]*/environ'))")
        == "['/proc/1/environ']"
    )
    code = """
import socket
reached = []
for line in open('/proc/net/unix').readlines()[1:]:
    name = line.split()[7:]
    if not name: continue
    path = name[0].replace('@', chr(0), 1) if name[0].startswith('@') else name[0]
    try: socket.socket(socket.AF_UNIX).connect(path); reached.append(name[0])
    except OSError: pass
print(reached)
"""
    assert mesh.inside(code) == "[]"


def test_the_system_cannot_be_written(mesh: Mesh) -> None:
    for path in (
        "/usr/x",
        "/bin/x",
        "/lib/x",
        "/usr/bin/env",
        "/proc/sys/kernel/hostname",
        "/proc/sysrq-trigger",
    ):
        said = mesh.inside(f"open({path!r}, 'w').write('x')")
        assert any(w in said for w in ("Read-only", "denied", "No such", "not permitted")), (
            path,
            said,
        )
    mesh.inside("open('/etc/lateen-was-here', 'w').write('x')")
    assert not os.path.exists("/etc/lateen-was-here"), "an app's /etc is its own"


def test_envoys_admin_cannot_be_reached(mesh: Mesh) -> None:
    code = """
import socket
open_ports = []
for port in (15000, 9901, 15004, 15001 - 1):
    s = socket.socket(); s.settimeout(2)
    if s.connect_ex(('127.0.0.1', port)) == 0: open_ports.append(port)
print(open_ports)
"""
    assert mesh.inside(code) == "[]"
    for path in ("/config_dump", "/quitquitquit", "/clusters", "/certs"):
        stolen = mesh.call(f"http://127.0.0.1:15090{path}")
        assert stolen.status in (0, 404), (path, stolen)


def test_marked_raw_and_packet_sockets_are_refused(mesh: Mesh) -> None:
    for attempt in (
        "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, 36, 1337)",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "import ctypes; ctypes.CDLL(None).unshare(0x10000000);"
        " s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, 36, 1337)",
    ):
        said = mesh.inside(f"import socket\n{attempt}\nprint('it worked')")
        assert any(word in said for word in ("not permitted", "not supported")), (attempt, said)
        assert "it worked" not in said


def test_there_is_no_ipv6_way_round(mesh: Mesh) -> None:
    code = "print([l.split()[-1] for l in open('/proc/net/if_inet6') if l.split()[-1] != 'lo'])"
    assert mesh.inside(code) == "[]"


def test_udp_does_not_reach_a_neighbour(mesh: Mesh) -> None:
    mesh.inside(
        "import socket, threading, builtins\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 9999)); s.settimeout(5)\n"
        "builtins.heard = []\n"
        "def listen():\n"
        "    try: builtins.heard.append(s.recv(99))\n"
        "    except OSError: pass\n"
        "    s.close()\n"
        "threading.Thread(target=listen).start()",
        via="/other",
    )
    address = mesh.pods("other")[0]["ip"]
    mesh.inside(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"try:\n    for _ in range(5): s.sendto(b'x', ({address!r}, 9999))\nexcept OSError as e: print(e)"
    )
    assert (
        mesh.inside("import builtins, time; time.sleep(0.5); print(builtins.heard)", via="/other")
        == "[]"
    )


@pytest.fixture
def host_service() -> Iterator[int]:
    """Something that listens on the host, where no pod may get."""

    class Secret(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the host's secret")

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("0.0.0.0", 0), Secret)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def own_addresses() -> list[str]:
    """The host's own addresses: a connected UDP socket tells the one to the outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return [probe.getsockname()[0]]


@pytest.mark.parametrize("via", ["", "/plain"])
def test_the_border_does_not_lead_to_the_host(mesh: Mesh, host_service: int, via: str) -> None:
    targets = [
        "127.0.0.1",
        "localhost",
        "198.18.0.1",
        "0.0.0.0",
        "169.254.169.254",
        socket.gethostname(),
    ]
    for target in (*targets, *own_addresses()):
        answer = mesh.call(f"http://{target}:{host_service}/", via=via)
        assert "secret" not in answer.text, (target, answer)
        assert answer.status in (0, 502, 503), (target, answer)


def test_a_connect_request_through_the_proxy_does_not_lead_to_the_host(
    mesh: Mesh, host_service: int
) -> None:
    code = f"""
import socket
for target in ('127.0.0.1:{host_service}', 'localhost:{host_service}'):
    s = socket.create_connection(('web', 80), timeout=5)
    s.sendall(f'CONNECT {{target}} HTTP/1.1\\r\\nHost: {{target}}\\r\\n\\r\\n'.encode())
    print(s.recv(300).split(b'\\r\\n')[0].decode())
"""
    for line in mesh.inside(code).splitlines():
        assert " 200 " not in line, line
