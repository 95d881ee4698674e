"""From inside an app nothing of its neighbours, its proxy, the agent or the host can be reached."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lateen.apiserver.client import Client
from lateen.stages.bordering import addresses_of_this_host
from tests.e2e.harness import Mesh

# Tried inside a program of its own, which has one thread, as CLONE_NEWUSER asks for.
IN_USER_NAMESPACE = """
import ctypes, errno, json, socket
libc = ctypes.CDLL(None, use_errno=True)
found = {}
def unshared(flag):
    return "done" if libc.unshare(flag) == 0 else errno.errorcode[ctypes.get_errno()]
def attempt(name, work):
    try: work(); found[name] = "done"
    except OSError as error: found[name] = errno.errorcode[error.errno]
def attempts(where):
    attempt(where + "mark", lambda: socket.socket().setsockopt(socket.SOL_SOCKET, 36, 1337))
    attempt(where + "raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 6))
    attempt(where + "packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
found["user namespace"] = unshared(0x10000000)
attempts("")
found["own network"] = unshared(0x40000000)
attempts("own ")
print(json.dumps(found))
"""
# What came of connecting, sending bytes and reading the first answer: its first line, or the error.
DIAL = """
import errno, json, socket
def dial(address, port, data):
    try:
        with socket.create_connection((address, port), timeout=4) as s:
            s.sendall(data)
            return s.recv(4096).partition(b"\\r\\n")[0].decode(errors="replace")
    except TimeoutError:
        return "nothing in time"
    except OSError as error:
        return errno.errorcode[error.errno]
"""
CLOSED = frozenset({"", "ECONNRESET", "EPIPE"})  # a proxy had accepted first


def told(mesh: Mesh, code: str, via: str = "") -> Any:
    """The JSON that code in an app printed."""
    return json.loads(mesh.inside(code, via=via))


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
import errno, json, socket
found = {}
for line in open('/proc/net/unix').readlines()[1:]:
    for name in line.split()[7:]:
        path = name.replace('@', chr(0), 1) if name.startswith('@') else name
        try: socket.socket(socket.AF_UNIX).connect(path); found[name] = 'connected'
        except OSError as error: found[name] = errno.errorcode[error.errno]
print(json.dumps(found))
"""
    found = told(mesh, code)
    assert any(name.endswith("/admin.sock") for name in found), "it knows the name, and no more"
    assert set(found.values()) == {"ENOENT"}


@pytest.mark.parametrize("via", ["/other", "/plain"])
def test_no_socket_of_others_is_in_its_files(mesh: Mesh, via: str) -> None:
    code = """
import json, os, socket, stat, time
own = socket.socket(socket.AF_UNIX)
own.bind('/tmp/own.sock')
found, seen, until = [], 0, time.monotonic() + 30
for folder, folders, files in os.walk('/'):
    if folder == '/proc': folders.clear()
    for name in [*files, *folders]:
        path = os.path.join(folder, name)
        try: found += [path] if stat.S_ISSOCK(os.lstat(path).st_mode) else []
        except FileNotFoundError: pass
        seen += 1
    if time.monotonic() > until: break
os.unlink('/tmp/own.sock')
print(json.dumps({'found': found, 'whole': time.monotonic() < until, 'usr': seen > 1000}))
"""
    assert told(mesh, code, via) == {"found": ["/tmp/own.sock"], "whole": True, "usr": True}


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
    assert "static_resources" in mesh.admin("other", "/config_dump"), "there is one"
    code = """
import http.client, json, socket
lines = [line.split() for line in open('/proc/net/tcp').readlines()[1:]]
ports = {int(words[1].rpartition(':')[2], 16) for words in lines if words[3] == '0A'}
def ask(address, port, path):
    asked = http.client.HTTPConnection(address, port, timeout=10)
    try:
        asked.request('POST' if path == '/quitquitquit' else 'GET', path)
        answer = asked.getresponse()
        return [answer.status, answer.read().decode()]
    except OSError as error:
        return [0, type(error).__name__]
    finally:
        asked.close()
found = {}
for address in ('127.0.0.1', socket.gethostbyname(socket.gethostname())):
    for port in sorted(ports | {15000, 15001, 15006, 15020, 15021, 15090}):
        for path in ('/config_dump', '/quitquitquit', '/clusters', '/certs'):
            found[f'{port} {address}{path}'] = ask(address, port, path)
print(json.dumps(found))
"""
    found: Mapping[str, tuple[int, str]] = told(mesh, code, via="/other")
    assert len(found) >= 2 * 7 * 4
    for asked, (status, text) in found.items():
        match asked.partition(" ")[0]:
            case "8080":
                assert (status, json.loads(text)["name"]) == (200, "other"), (
                    "the app itself answers"
                )
            case "15020" | "15021" | "15090":
                assert (status, text) == (404, ""), asked
            case "15001" | "15006":
                assert status == 0, (asked, text)
                assert text in {"RemoteDisconnected", "ConnectionResetError"}, asked
            case _:
                assert (status, text) == (0, "ConnectionRefusedError"), asked
    assert mesh.call("http://other/").status == 200, "its proxy was not told to quit"


def test_marked_raw_and_packet_sockets_are_refused(mesh: Mesh) -> None:
    for attempt, why in (
        ("s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, 36, 1337)", "EPERM"),
        ("socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)", "EPERM"),
        ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "EAFNOSUPPORT"),
    ):
        code = f"try: {attempt}\nexcept OSError as e: print(errno.errorcode[e.errno])"
        assert mesh.inside(f"import errno, socket\n{code}") == why, attempt


@pytest.mark.parametrize("via", ["", "/plain"])
def test_a_user_namespace_gives_no_rights_over_the_pods_network(mesh: Mesh, via: str) -> None:
    code = f"""
import subprocess, sys
print(subprocess.run([sys.executable, '-c', {IN_USER_NAMESPACE!r}], capture_output=True, text=True, check=True).stdout)
"""
    assert told(mesh, code, via) == {
        "user namespace": "done",
        "mark": "EPERM",
        "raw": "EPERM",
        "packet": "EAFNOSUPPORT",
        # It has all rights there, so it was the pod's network that refused it.
        "own network": "done",
        "own mark": "done",
        "own raw": "done",
        "own packet": "EAFNOSUPPORT",
    }


def test_there_is_no_ipv6_way_round(mesh: Mesh) -> None:
    code = "print([l.split()[-1] for l in open('/proc/net/if_inet6') if l.split()[-1] != 'lo'])"
    assert mesh.inside(code) == "[]"


UDP_PORTS = (53, 123, 9999)


@pytest.fixture
def ears(mesh: Mesh) -> Iterator[str]:
    """A neighbour that listens for datagrams; its address."""
    mesh.inside(
        f"""
import builtins, socket
builtins.ears = {{port: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for port in {UDP_PORTS}}}
for port, ear in ears.items():
    ear.bind(('0.0.0.0', port))
    ear.settimeout(2)
""",
        via="/other",
    )
    address: str = mesh.pods("other")[0]["ip"]
    yield address
    mesh.inside("for ear in ears.values(): ear.close()", via="/other")


def heard(mesh: Mesh, address: str, word: str) -> Any:
    """What the neighbour heard at each port, up to this word that it sends to itself."""
    code = f"""
import json, socket
def until(ear, port):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto({word!r}.encode(), ({address!r}, port))
    return [*iter(lambda: ear.recv(99).decode(), {word!r}), {word!r}]
print(json.dumps([until(ear, port) for port, ear in ears.items()]))
"""
    return told(mesh, code, via="/other")


@pytest.mark.parametrize("via", ["", "/plain"])
def test_udp_does_not_reach_a_neighbour(mesh: Mesh, ears: str, via: str) -> None:
    assert heard(mesh, ears, "before") == [["before"]] * len(UDP_PORTS)
    code = f"""
import errno, json, socket
def send(port):
    try: return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ({ears!r}, port))
    except OSError as error: return errno.errorcode[error.errno]
print(json.dumps([send(port) for port in {UDP_PORTS}]))
"""
    assert told(mesh, code, via) == ["EPERM"] * len(UDP_PORTS)
    assert heard(mesh, ears, "after") == [["after"]] * len(UDP_PORTS)


@dataclass(frozen=True)
class HostService:
    """A server of the host that speaks first, and who has connected to it."""

    listening: socket.socket
    callers: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listening.getsockname()[1]
        return port

    def serve(self) -> None:
        while True:
            try:
                caller, address = self.listening.accept()
            except OSError:
                return
            self.callers.append(f"{address[0]}:{address[1]}")
            with caller:
                caller.sendall(b"the host's secret\n")

    def called_from_here(self, address: str) -> str:
        """Call it as the test; who that was. Whoever came before has been noted by then."""
        with socket.create_connection((address, self.port), timeout=10) as s:
            assert s.recv(99) == b"the host's secret\n"
            return "{}:{}".format(*s.getsockname())


@pytest.fixture
def host_service() -> Iterator[HostService]:
    """Something that listens at all addresses of the host, where no pod may get."""
    with socket.create_server(("0.0.0.0", 0)) as listening:
        service = HostService(listening)
        serving = threading.Thread(target=service.serve)
        serving.start()
        yield service
        listening.shutdown(socket.SHUT_RDWR)
        serving.join()


def own_addresses() -> list[str]:
    """The addresses of the host that are not every pod's own loopback, too."""
    found = [a for a in addresses_of_this_host() if not a.startswith("127.")]
    if not found:
        pytest.skip("this host has no address but loopback ones, and those end in the pod")
    return found


def refused_at_the_border(mesh: Mesh) -> int:
    """How many connections to mere addresses the border has closed without dialling."""
    stats = Client(mesh.run / "border.sock").get(r"/stats?filter=nowhere.*downstream_cx_total")
    return sum(int(line.rpartition(": ")[2]) for line in stats.splitlines())


@pytest.mark.parametrize("via", ["", "/plain"])
@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_the_border_does_not_lead_to_the_host(
    mesh: Mesh, host_service: HostService, via: str, data: bytes
) -> None:
    before = refused_at_the_border(mesh)
    for address in own_addresses():
        mine = [host_service.called_from_here(address)]
        code = f"{DIAL}\nprint(json.dumps(dial({address!r}, {host_service.port}, {data!r})))"
        assert told(mesh, code, via) in CLOSED
        mine.append(host_service.called_from_here(address))
        assert host_service.callers == mine, "nobody else came"
        host_service.callers.clear()
    assert refused_at_the_border(mesh) == before + len(own_addresses()), "each got to the border"


@pytest.mark.parametrize("via", ["", "/plain"])
def test_what_means_the_host_elsewhere_means_the_pod_itself(
    mesh: Mesh, host_service: HostService, via: str
) -> None:
    for target in ("127.0.0.1", "localhost", "0.0.0.0", "127.0.0.2"):
        code = f"{DIAL}\nprint(json.dumps(dial({target!r}, {host_service.port}, b'')))"
        assert told(mesh, code, via) == "ECONNREFUSED", target
    mine = host_service.called_from_here("127.0.0.1")
    assert host_service.callers == [mine]


# A reserved address: outside every pod, and the border dials nothing there.
OUTSIDE = "250.0.0.9"


def test_a_connect_request_does_not_lead_to_the_host(mesh: Mesh, host_service: HostService) -> None:
    code = f"""{DIAL}
def request(method, target, where):
    head = f'{{method}} {{target}} HTTP/1.1\\r\\nHost: {{target}}\\r\\n\\r\\n'
    return dial(*where, head.encode())
targets = [f'{{host}}:{host_service.port}' for host in {["127.0.0.1", "localhost", *own_addresses()]}]
places = [('web', 80), ({OUTSIDE!r}, 80), ({OUTSIDE!r}, 443)]
print(json.dumps([dial('web', 80, b'GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n'),
    *([request('CONNECT', target, place) for place in places] for target in targets)]))
"""
    served, *answers = told(mesh, code, via="/other")
    assert served == "HTTP/1.1 200 OK"
    for service, outside, by_number in answers:
        assert (service, outside) == ("HTTP/1.1 404 Not Found",) * 2, "from the pod's own proxy"
        assert by_number in CLOSED
    mine = host_service.called_from_here("127.0.0.1")
    assert host_service.callers == [mine]
