"""Pods without a proxy in the real sandbox: names, services, volumes, restarts, ends, the border."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from lateen.api.pod import ExecAction, HTTPGetAction, Probe
from lateen.node.protocol import (
    DropPod,
    Mount,
    PodReport,
    PodRun,
    ServiceAddress,
    VolumeFile,
    VolumeRun,
    VolumeTarget,
)
from tests.node.sandboxed import Sandbox, app, directory, pod

pytestmark = pytest.mark.sandbox

_WEB = """
import http.server, socket
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = socket.gethostname().encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 80), Handler).serve_forever()
"""
_WAIT = "import time; print('up'); time.sleep(60)"


@pytest.fixture(scope="module")
def web(sandbox: Sandbox) -> Iterator[tuple[PodRun, ...]]:
    """Two pods behind the service `web`, at port 8080 of 198.19.0.5."""
    ready = Probe(http_get=HTTPGetAction(port=80))
    pods = tuple(pod(n, "", containers=(app(_WEB, readiness=ready),)) for n in (20, 21))
    for one in pods:
        sandbox.put(one)
    endpoints = tuple((one.address, 80) for one in pods)
    service = ServiceAddress(address="198.19.0.5", port=8080, endpoints=endpoints)
    sandbox.say(
        directory(
            ("web.shop.svc.cluster.local", "198.19.0.5"),
            ("*.wild.shop.svc.cluster.local", "198.18.0.21"),
            services=(service,),
        )
    )
    for one in pods:
        sandbox.until_ready(one.uid)
    yield pods
    for one in pods:
        sandbox.drop(one.uid)


def test_a_service_answers_by_name_and_its_endpoints_take_turns(
    sandbox: Sandbox, web: tuple[PodRun, ...]
) -> None:
    asking = """
import urllib.request as r
for host in ("web", "web.shop", "web.shop.svc", "WEB.shop.svc.cluster.local"):
    print(r.urlopen(f"http://{host}:8080").read().decode())
"""
    printed = sandbox.execute(pod(22, asking, restart_policy="Never"))
    assert sorted(printed) == ["pod-20", "pod-20", "pod-21", "pod-21"]
    assert printed[0] != printed[1]


def test_other_names_are_resolved_outside_or_do_not_exist(
    sandbox: Sandbox, web: tuple[PodRun, ...]
) -> None:
    asking = """
import socket
for name in ("a.wild.shop.svc.cluster.local", "outside.example", "nothing", "not.there.example"):
    try:
        print(socket.gethostbyname(name))
    except socket.gaierror as error:
        print(error.args[0] == socket.EAI_NONAME)
"""
    printed = sandbox.execute(pod(33, asking, restart_policy="Never"))
    assert printed == ["198.18.0.21", "192.0.2.7", "True", "True"]


@dataclass
class Border:
    """A border that reads the header that says where to, and echoes."""

    path: Path
    asked: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self.path))
        os.chmod(self.path, 0o666)  # noqa: S103 - the agent may be another user
        listening.listen()
        threading.Thread(target=self._serve, args=(listening,), daemon=True).start()

    def _serve(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with listening, connection:
            self.asked.append(connection.recv(28, socket.MSG_WAITALL))
            said = b""
            while part := connection.recv(99):
                said += part
            connection.sendall(b"heard " + said)


def test_what_leaves_the_mesh_goes_to_the_pods_own_border_socket(sandbox: Sandbox) -> None:
    border = Border(sandbox.run / "p" / "s23" / "out.raw")
    border.path.parent.mkdir()
    border.serve()
    talking = """
import socket
connection = socket.create_connection(("192.0.2.7", 443), timeout=5)
connection.sendall(b"hello")
connection.shutdown(socket.SHUT_WR)
print(connection.recv(99).decode())
"""
    printed = sandbox.execute(pod(23, talking, restart_policy="Never"))
    assert printed == ["heard hello"]
    (head,) = border.asked
    assert head[:16] == b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    assert head[16:24] == socket.inet_aton("198.18.0.23") + socket.inet_aton("192.0.2.7")
    assert head[26:] == (443).to_bytes(2, "big")


def test_volumes_appear_change_together_and_are_shared(sandbox: Sandbox) -> None:
    script = """
import os, time
print(open("/config/greeting").read(), oct(os.stat("/config/greeting").st_mode), open("/one").read())
try:
    open("/config/greeting", "w")
except OSError as error:
    print(error.strerror)
open("/shared/from-app", "w").write("x")
while open("/config/greeting").read() == "hello":
    time.sleep(0.02)
print(open("/config/greeting").read(), sorted(os.listdir("/config/")))
"""
    other = """
import os, time
while not os.path.exists("/data/from-app"):
    time.sleep(0.02)
print("seen")
"""
    config = VolumeTarget(name="config", path="/config")
    one = VolumeTarget(name="config", path="/one", sub_path="greeting")
    shared = VolumeTarget(name="work", path="/shared")
    elsewhere = VolumeTarget(name="work", path="/data", read_only=True)
    files = (VolumeFile(path="greeting", content=b"hello", mode=0o444),)
    running = pod(
        24,
        "",
        restart_policy="Never",
        containers=(
            app(script, volumes=(config, one, shared)),
            app(other, name="other", volumes=(elsewhere,)),
        ),
        volumes=(
            VolumeRun(name="config", files=files),
            VolumeRun(name="work", empty_dir=True),
        ),
    )
    sandbox.put(running)
    _until(lambda: "seen" in sandbox.log(running, "other"))
    changed = (VolumeFile(path="greeting", content=b"goodbye"), VolumeFile(path="new", content=b""))
    volumes = (VolumeRun(name="config", files=changed), running.volumes[1])
    sandbox.put(msgspec.structs.replace(running, volumes=volumes))
    sandbox.until(running.uid, lambda r: r.status.phase == "Succeeded")
    first, refused, last = sandbox.log(running)
    assert first == "hello 0o100444 hello"
    assert refused == "Read-only file system"
    assert last == "goodbye ['..2', '..data', 'greeting', 'new']"
    sandbox.drop(running.uid)


def _waiting(report: PodReport) -> str:
    state = report.status.container_statuses[0].state
    return state.waiting.reason if state.waiting else ""


def _until(holds: Callable[[], bool]) -> None:
    """Wait for what a log says; its file may not be there yet."""
    for _ in range(500):
        with contextlib.suppress(FileNotFoundError):
            if holds():
                return
        threading.Event().wait(0.02)
    raise TimeoutError


def test_a_writable_mount_is_a_private_copy(sandbox: Sandbox) -> None:
    source = sandbox.folder / "built"
    source.mkdir(mode=0o755)
    (source / "file").write_text("as built")
    script = """
import os
open("/app/file", "a").write(", changed"); open("/app/new", "w").write("x")
print(open("/app/file").read(), sorted(os.listdir("/app")))
"""
    mount = Mount(source=str(source), target="/app", read_only=False)
    container = app(script)
    container = msgspec.structs.replace(container, mounts=(*container.mounts, mount))
    if sandbox.user.rootless:
        os.chown(source, sandbox.user.uid, sandbox.user.uid)
        os.chown(source / "file", sandbox.user.uid, sandbox.user.uid)
    printed = sandbox.execute(pod(25, "", restart_policy="Never", containers=(container,)))
    assert printed == ["as built, changed ['file', 'new']"]
    assert (source / "file").read_text() == "as built"
    assert os.listdir(source) == ["file"]


def test_a_crash_is_answered_at_once_and_then_with_patience(sandbox: Sandbox) -> None:
    crashing = pod(26, "import sys; print('out'); sys.exit(3)")
    sandbox.put(crashing)
    report = sandbox.until(crashing.uid, lambda r: _waiting(r) == "CrashLoopBackOff")
    (status,) = report.status.container_statuses
    assert status.restart_count == 1
    assert status.last_state.terminated
    assert status.last_state.terminated.exit_code == 3
    assert report.status.phase == "Running"
    assert [sandbox.log(crashing, restart=n) for n in (0, 1)] == [["out"], ["out"]]
    sandbox.drop(crashing.uid)


def test_a_program_that_is_not_there_is_said_so(sandbox: Sandbox) -> None:
    container = app("", argv=("/no/such/program",))
    sandbox.put(pod(27, "", containers=(container,), restart_policy="Never"))
    report = sandbox.until("uid-27", lambda r: r.status.phase == "Failed")
    ended = report.status.container_statuses[0].state.terminated
    assert ended
    assert (ended.exit_code, ended.reason) == (128, "StartError")
    assert "/no/such/program" in ended.message
    sandbox.drop("uid-27")


def test_a_failing_liveness_probe_restarts_the_container(sandbox: Sandbox) -> None:
    # A first process has no default actions: before its handler is set it does not hear TERM.
    script = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(7)); signal.pause()"
    probe = Probe(
        exec=ExecAction(command=("/bin/sh", "-c", "echo no; exit 1")),
        initial_delay_seconds=1,
        failure_threshold=1,
    )
    sandbox.put(pod(28, "", containers=(app(script, liveness=probe),)))
    report = sandbox.until("uid-28", lambda r: r.status.container_statuses[0].restart_count == 1)
    ended = report.status.container_statuses[0].state.terminated
    last = ended or report.status.container_statuses[0].last_state.terminated
    assert last
    assert last.message == "container app failed liveness probe: command exited with 1: no\n"
    sandbox.drop("uid-28")


def test_an_app_that_ignores_term_is_killed_after_its_grace(sandbox: Sandbox) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); " + (
        "signal.pause()"
    )
    stubborn = pod(29, script)
    sandbox.put(stubborn)
    _until(lambda: sandbox.log(stubborn) == ["up"])
    sandbox.drop(stubborn.uid, grace=1)
    mine = [r for r in sandbox.history if r.uid == stubborn.uid]
    ended = mine[-1].status.container_statuses[0].state.terminated
    assert ended
    assert (ended.exit_code, ended.signal) == (137, 9)
    first_unready = next(r for r in mine if not r.status.container_statuses[0].ready)
    assert first_unready.status.container_statuses[0].state.terminated is None


def test_asked_again_its_grace_gets_shorter(sandbox: Sandbox) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); " + (
        "signal.pause()"
    )
    stubborn = pod(31, script)
    sandbox.put(stubborn)
    _until(lambda: sandbox.log(stubborn) == ["up"])
    sandbox.say(DropPod(uid=stubborn.uid, grace_seconds=300))
    sandbox.say(DropPod(uid=stubborn.uid, grace_seconds=600))
    sandbox.drop(stubborn.uid, grace=1)  # gives up long before 300 seconds


def test_pods_outlive_the_control_plane(sandbox: Sandbox, web: tuple[PodRun, ...]) -> None:
    before = sandbox.hello.boot
    sandbox.disconnect()
    sandbox.connect()
    assert sandbox.hello.boot == before
    assert {one.uid for one in web} <= {report.uid for report in sandbox.hello.pods}


def test_an_address_is_free_again_when_its_pod_is_gone(sandbox: Sandbox) -> None:
    pods = [pod(n, _WAIT) for n in range(100, 104)]
    for one in pods:
        sandbox.put(one)
    for one in pods:
        sandbox.until_ready(one.uid)
    for one in pods:
        sandbox.drop(one.uid)
    again = sandbox.execute(pod(100, "print('again')", restart_policy="Never", uid="uid-x"))
    assert again == ["again"]


def test_an_address_has_one_mac_whichever_pod_has_it_and_the_bridge_keeps_its_own(
    sandbox: Sandbox,
) -> None:
    looking = """
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    own = fcntl.ioctl(asking, 0x8927, struct.pack("256s", b"eth0"))[18:24]  # SIOCGIFHWADDR
    asking.connect(("198.18.0.1", 53))
    asking.send(bytes(12))
print(own.hex(":"))
while "198.18.0.1 " not in open("/proc/net/arp").read():
    pass
print("02:4c:c6:12:00:01" in open("/proc/net/arp").read())
"""
    for number in (36, 37):
        one = pod(number, looking, address="198.18.0.36", restart_policy="Never")
        assert sandbox.execute(one) == ["02:4c:c6:12:00:24", "True"]
