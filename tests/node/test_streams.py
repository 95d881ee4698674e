"""Commands, attached callers and forwarded ports in the real sandbox, frame by frame."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from lateen.node.frames import CLOSE, ENDED, RESIZE, STDERR, STDIN, STDOUT
from lateen.node.protocol import (
    Attach,
    Execute,
    Forward,
    OpenStream,
    PodRun,
    ProxyRun,
    StreamHello,
    VolumeRun,
    VolumeTarget,
    decode_to_control,
)
from tests.node.bootstraps import passing
from tests.node.sandboxed import WAIT_SECONDS, Sandbox, app, app_python, pod

pytestmark = pytest.mark.sandbox

_PYTHON, _ = app_python()


class Stream:
    """The control plane's end of one stream."""

    def __init__(self, sandbox: Sandbox, uid: str, what: Execute | Attach | Forward) -> None:
        sandbox.say(OpenStream(id="a-secret", uid=uid, what=what))
        self.connection, _ = sandbox._listening.accept()
        self.connection.settimeout(WAIT_SECONDS)
        self._file = self.connection.makefile("rb")
        hello = decode_to_control(self._file.readline())
        assert hello == StreamHello(id="a-secret")

    def send(self, channel: int, data: bytes = b"") -> None:
        with contextlib.suppress(ConnectionError):
            self.connection.sendall(struct.pack(">BI", channel, len(data)) + data)

    def receive(self) -> tuple[int, bytes]:
        channel, length = struct.unpack(">BI", self._file.read(5))
        return channel, self._file.read(length)

    def until(self, wanted: bytes) -> bytes:
        """Read the standard output until it holds this."""
        seen = b""
        while wanted not in seen:
            channel, data = self.receive()
            assert channel == STDOUT, (channel, data, seen)
            seen += data
        return seen

    def finish(self) -> tuple[bytes, bytes, dict[str, Any]]:
        """All that comes: standard output, standard error and how it ended."""
        heard = {STDOUT: b"", STDERR: b""}
        while True:
            channel, data = self.receive()
            if channel == ENDED:
                self.close()
                return heard[STDOUT], heard[STDERR], json.loads(data)
            heard[channel] += data

    def close(self) -> None:
        self._file.close()
        self.connection.close()


def _execute(sandbox: Sandbox, uid: str, *argv: str) -> tuple[bytes, bytes, dict[str, Any]]:
    return Stream(sandbox, uid, Execute(container="app", argv=argv)).finish()


_APP = """
import socket, threading, sys, time
listening = socket.create_server(("127.0.0.1", 7000))
def serve():
    while True:
        connection, _ = listening.accept()
        heard = b""
        while part := connection.recv(999):
            heard += part
        connection.sendall(b"heard " + heard)
        connection.close()
threading.Thread(target=serve, daemon=True).start()
print("up")
for line in sys.stdin:
    print("typed", line.strip())
    print("oh", file=sys.stderr)
print("no more input")
time.sleep(60)
"""


@pytest.fixture(scope="module")
def running(sandbox: Sandbox) -> Iterator[PodRun]:
    """A pod whose app reads its input, echoes on port 7000, and has a proxy and a volume."""
    proxy = ProxyRun(bootstrap=passing(sandbox.run / "p" / "s80"))
    work = VolumeTarget(name="work", path="/work")
    container = app(_APP, stdin=True, env=(("COLOUR", "blue"),), volumes=(work,), cwd="/work")
    volume = VolumeRun(name="work", empty_dir=True)
    made = pod(80, "", containers=(container,), proxy=proxy, volumes=(volume,))
    sandbox.put(made)
    sandbox.until_ready(made.uid)
    yield made
    sandbox.drop(made.uid)


def test_a_command_gives_its_output_and_exit_code(sandbox: Sandbox, running: PodRun) -> None:
    script = "echo $COLOUR in $PWD; echo bad >&2; exit 7"
    out, err, end = _execute(sandbox, running.uid, "/bin/sh", "-c", script)
    assert (out, err, end) == (b"blue in /work\n", b"bad\n", {"exit_code": 7})


def test_a_command_that_is_killed_ends_with_128_and_the_signal(
    sandbox: Sandbox, running: PodRun
) -> None:
    _, _, end = _execute(sandbox, running.uid, "/bin/sh", "-c", "kill -9 $$")
    assert end == {"exit_code": 137}


def test_a_command_reads_its_input_to_the_end(sandbox: Sandbox, running: PodRun) -> None:
    stream = Stream(sandbox, running.uid, Execute(container="app", argv=("cat",), stdin=True))
    sent = bytes(range(256)) * 4096
    stream.send(STDIN, sent)
    stream.send(CLOSE, bytes([STDIN]))
    out, _, end = stream.finish()
    assert out == sent
    assert end == {}


def test_a_slow_caller_makes_a_command_wait_and_loses_nothing(
    sandbox: Sandbox, running: PodRun
) -> None:
    argv = ("/bin/sh", "-c", "head -c 20000000 /dev/zero; echo done >&2")
    stream = Stream(sandbox, running.uid, Execute(container="app", argv=argv))
    first = stream.receive()
    again = _execute(sandbox, running.uid, "/bin/echo", "others go on")
    assert again[0] == b"others go on\n"
    out, err, _ = stream.finish()
    assert len(first[1]) + len(out) == 20_000_000
    assert err == b"done\n"


def test_a_terminal_is_the_containers_own_and_has_a_size(sandbox: Sandbox, running: PodRun) -> None:
    argv = ("/bin/sh", "-c", "tty; read line; stty size; echo $TERM; exit 3")
    execute = Execute(container="app", argv=argv, stdin=True, tty=True)
    stream = Stream(sandbox, running.uid, execute)
    assert stream.until(b"\n") == b"/dev/pts/0\r\n"
    stream.send(RESIZE, b'{"Width": 120, "Height": 50}')
    stream.send(STDIN, b"go\n")
    out, err, end = stream.finish()
    assert out.split() == [b"go", b"50", b"120", b"xterm"]
    assert (err, end) == (b"", {"exit_code": 3})


def test_ctrl_c_on_a_terminal_interrupts(sandbox: Sandbox, running: PodRun) -> None:
    execute = Execute(container="app", argv=("cat",), stdin=True, tty=True)
    stream = Stream(sandbox, running.uid, execute)
    stream.send(STDIN, b"typed\n")
    stream.until(b"typed\r\ntyped\r\n")  # the terminal's echo, and what cat made of it
    stream.send(STDIN, b"\x03")
    assert stream.finish()[2] == {"exit_code": 130}


def test_a_command_ends_with_its_caller(sandbox: Sandbox, running: PodRun) -> None:
    argv = ("/bin/sh", "-c", "echo up; exec sleep 54321")
    stream = Stream(sandbox, running.uid, Execute(container="app", argv=argv))
    stream.until(b"up")
    stream.close()
    gone = "while grep -qs 54321 /proc/[0-9]*/cmdline; do :; done; echo gone"
    # The shell's own command line holds the number, too: ask by another spelling.
    gone = gone.replace("54321", "5432[1]")
    assert _execute(sandbox, running.uid, "/bin/sh", "-c", gone)[0] == b"gone\n"


_WALLS = """
import ctypes, json, os, socket
def attempt(work):
    try: return repr(work())
    except BaseException as error: return type(error).__name__
status = open("/proc/self/status").read()
print(json.dumps({
    "capabilities": sorted({l.split()[1] for l in status.splitlines() if l.startswith("Cap")}),
    "seccomp": [l.split()[1] for l in status.splitlines() if l.startswith(("Seccomp:", "NoNewPrivs:"))],
    "processes": sorted(int(n) for n in os.listdir("/proc") if n.isdigit())[:1],
    "descriptors": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)),
    "mark": attempt(lambda: socket.socket().setsockopt(1, 36, 1337)),
    "vsock": attempt(lambda: socket.socket(40, socket.SOCK_STREAM)),
    "run": attempt(lambda: os.listdir(RUN)),
    "mount": ctypes.CDLL(None).mount(b"x", b"/tmp", b"tmpfs", 0, None),
    "shared": attempt(lambda: os.path.exists("/work")),
    "chmod null": attempt(lambda: os.fchmod(0, 0o600)),
}))
"""


@pytest.mark.parametrize("tty", [False, True])
def test_a_command_is_behind_the_walls_of_its_container(
    sandbox: Sandbox, running: PodRun, tty: bool
) -> None:
    script = _WALLS.replace("RUN", repr(str(sandbox.run)))
    argv = (_PYTHON, "-c", script)
    out, err, _ = Stream(
        sandbox, running.uid, Execute(container="app", argv=argv, tty=tty)
    ).finish()
    found = json.loads(out or err)
    own_terminal = found.pop("chmod null")
    assert own_terminal == ("None" if tty else "OSError")
    assert found == {
        "capabilities": ["0000000000000000"],
        "seccomp": ["1", "2"],
        "processes": [1],
        "descriptors": [0, 1, 2],
        "mark": "PermissionError",
        "vsock": "OSError",
        "run": "FileNotFoundError",
        "mount": -1,
        "shared": "True",
    }


def test_a_planted_terminal_gives_nothing(sandbox: Sandbox) -> None:
    """An app owns its /dev; what it puts there must neither hang the agent nor be handed out."""
    script = """
import os, time
os.unlink("/dev/ptmx"); os.mkfifo("/dev/ptmx"); print("planted"); time.sleep(60)
"""
    prisoner = pod(81, script)
    sandbox.put(prisoner)
    sandbox.until_ready(prisoner.uid)
    planted = ("/bin/sh", "-c", "while ! test -p /dev/ptmx; do :; done")
    _execute(sandbox, prisoner.uid, *planted)
    execute = Execute(container="app", argv=("/bin/true",), tty=True)
    _, _, end = Stream(sandbox, prisoner.uid, execute).finish()
    assert "failed to exec in container" in end["error"]
    sandbox.drop(prisoner.uid)


@pytest.mark.parametrize(
    ("container", "argv", "words"),
    [
        ("app", ("/no/such",), 'exec: "/no/such": stat /no/such: no such file or directory'),
        ("app", ("no-such",), 'exec: "no-such": executable file not found in $PATH'),
        ("nobody", ("/bin/true",), 'container not found ("nobody")'),
        ("istio-proxy", ("/bin/true",), "no command runs in it"),
    ],
)
def test_what_cannot_be_run_is_said(
    sandbox: Sandbox, running: PodRun, container: str, argv: tuple[str, ...], words: str
) -> None:
    execute = Execute(container=container, argv=argv)
    assert words in Stream(sandbox, running.uid, execute).finish()[2]["error"]
    assert Stream(sandbox, "uid-none", execute).finish()[2]["error"] == "the pod does not run"


def test_an_attached_caller_types_and_reads(sandbox: Sandbox, running: PodRun) -> None:
    first = Stream(sandbox, running.uid, Attach(container="app", stdin=True))
    second = Stream(sandbox, running.uid, Attach(container="app"))
    first.send(STDIN, b"hello\n")
    for caller in (first, second):
        heard = {STDOUT: b"", STDERR: b""}
        while heard != {STDOUT: b"typed hello\n", STDERR: b"oh\n"}:
            channel, data = caller.receive()
            heard[channel] += data
    first.close()
    second.close()
    third = Stream(sandbox, running.uid, Attach(container="app", stdin=True))
    third.send(CLOSE, bytes([STDIN]))
    third.until(b"no more input\n")
    third.close()
    assert sandbox.log(running)[:2] == ["up", "typed hello"]


def test_a_port_is_forwarded_to_the_pods_loopback(sandbox: Sandbox, running: PodRun) -> None:
    stream = Stream(sandbox, running.uid, Forward(port=7000))
    stream.send(STDIN, b"one ")
    stream.send(STDIN, b"two")
    stream.send(CLOSE, bytes([STDIN]))
    out, _, end = stream.finish()
    assert (out, end) == (b"heard one two", {})


def test_a_port_nobody_listens_on_is_said(sandbox: Sandbox, running: PodRun) -> None:
    end = Stream(sandbox, running.uid, Forward(port=7001)).finish()[2]
    assert end["error"] == (
        "failed to connect to localhost:7001 inside the pod: Connection refused"
    )
