"""From inside an app: neighbours, the proxy, the agent, the host and its files are out of reach."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from lateen.node.protocol import PodRun, ProxyRun
from tests.node.bootstraps import passing
from tests.node.sandboxed import Sandbox, app, pod

pytestmark = pytest.mark.sandbox

_NEIGHBOUR = """
import socket, threading, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 5000))
def heard():
    print("heard", udp.recv(99))
threading.Thread(target=heard, daemon=True).start()
print("listening")
time.sleep(60)
"""

# Each attempt prints what it got, or the name of the error that stopped it.
_ATTEMPTS = r"""
import ctypes, json, os, socket, subprocess, sys
run, state, home, other = sys.argv[1:]
found = {}
def attempt(name, work):
    try:
        found[name] = repr(work())
    except BaseException as error:
        found[name] = type(error).__name__
def write(path):
    with open(path, "w") as file:
        file.write("x")
def dial(address, port, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(1)
        s.connect((address, port))
        return s.recv(1)
def datagram(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        s.connect((address, port))
        s.send(b"x")
        s.send(b"x")
        return s.recv(99)
def marked():
    socket.socket().setsockopt(socket.SOL_SOCKET, 36, 1337)
    return "marked"
namespaced = '''
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
def failed():
    raise OSError(ctypes.get_errno(), "")
def told(work):
    try: print(work() or "done")
    except OSError as error: print(errno.errorcode[error.errno])
'''
def spoofed():
    with socket.socket() as s:
        s.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
        s.bind(("198.18.0.99", 0))
        s.settimeout(0.5)
        s.connect((other, 80))
        return s.recv(1)
def in_new_user_namespace(code):
    # A program of its own: it has one thread, as CLONE_NEWUSER asks for.
    program = namespaced + "told(lambda: 'entered' if libc.unshare(0x10000000) == 0 else failed())\n" + code
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()
attempt("processes", lambda: sorted(int(n) for n in os.listdir("/proc") if n.isdigit()))
attempt("signal", lambda: [n for n in range(2, 400) if not os.kill(n, 0)])
attempt("parent", os.getppid)
attempt("descriptors", lambda: sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)))
attempt("run", lambda: os.listdir(run))
attempt("state", lambda: os.listdir(state))
attempt("home", lambda: os.listdir(home) if home != "/root" else os.listdir("/root"))
attempt("shadow", lambda: open("/etc/shadow").read(1))
attempt("sys", lambda: os.listdir("/sys"))
attempt("disks", lambda: [n for n in os.listdir("/dev") if n not in
    ("null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "shm",
    "pts", "ptmx")])
attempt("terminals", lambda: (os.listdir("/dev/pts"), os.ttyname(os.openpty()[1])))
for path in ("/usr/lateen-was-here", "/bin/lateen-was-here", "/lib/lateen-was-here",
             "/etc/ssl/certs/lateen-was-here", "/proc/sys/net/ipv4/ip_forward",
             "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
    attempt("write " + path, lambda: write(path))
attempt("chmod device", lambda: os.chmod("/dev/null", 0o600))
attempt("device works", lambda: write("/dev/null"))
attempt("chmod usr", lambda: os.chmod("/usr/bin/env", 0o600))
attempt("mknod", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0)))
attempt("mount", lambda: ctypes.CDLL(None).mount(b"x", b"/tmp", b"tmpfs", 0, None))
attempt("remount", lambda: ctypes.CDLL(None).mount(b"", b"/usr", b"", 32 | 4096, None))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("keyring", lambda: ctypes.CDLL(None, use_errno=True).syscall(250 if os.uname().machine == "x86_64" else 219, 0, -4, 0))
attempt("io_uring", lambda: ctypes.CDLL(None, use_errno=True).syscall(425, 1, ctypes.create_string_buffer(512)))
attempt("mark", marked)
mark = "told(lambda: socket.socket().setsockopt(1, 36, 1337))\n"
raw = "told(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())\n"
own_network = "told(lambda: 'own' if libc.unshare(0x40000000) == 0 else failed())\n"
attempt("network in user namespace", lambda: in_new_user_namespace(mark + raw + own_network + mark + raw))
attempt("remount in user namespace", lambda: in_new_user_namespace(
    "told(lambda: 'own' if libc.unshare(0x20000) == 0 else failed())\n"
    "told(lambda: libc.mount(b'', b'/usr', b'', 32 | 4096, None) and failed())\n"
    "told(lambda: libc.mount(b'x', b'/tmp', b'tmpfs', 0, None) and failed())\n"))
attempt("spoof", spoofed)
attempt("udp", lambda: datagram(other, 5000))
attempt("udp outside", lambda: datagram("192.0.2.7", 53))
attempt("gateway udp", lambda: datagram("198.18.0.1", 123))
attempt("gateway relay", lambda: dial("198.18.0.1", 15080))
attempt("gateway ssh", lambda: dial("198.18.0.1", 22))
attempt("ipv6", lambda: dial("fe80::1%eth0", 80, socket.AF_INET6))
attempt("ipv6 addresses", lambda: [l.split()[-1] for l in open("/proc/net/if_inet6")])
attempt("ipv6 loopback", lambda: socket.create_server(("::1", 8099), family=socket.AF_INET6).close())
attempt("abstract sockets", lambda: [l for l in open("/proc/net/unix") if "@" in l])
attempt("capabilities", lambda: {l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")})
attempt("low port", lambda: socket.create_server(("0.0.0.0", 81)).close())
attempt("scratch", lambda: [write(p) for p in ("/tmp/x", "/run/x", "/var/tmp/x", "/dev/shm/x", "/root/x")])
attempt("hostname", socket.gethostname)
print(json.dumps(found))
"""
_STOPPED = {"PermissionError", "OSError", "FileNotFoundError", "ProcessLookupError"}


@pytest.fixture(scope="module")
def neighbour(sandbox: Sandbox) -> Iterator[PodRun]:
    bootstrap = passing(sandbox.run / "p" / "s40")
    neighbour = pod(40, _NEIGHBOUR, proxy=ProxyRun(bootstrap=bootstrap))
    sandbox.put(neighbour)
    sandbox.until_ready(neighbour.uid)
    yield neighbour
    assert sandbox.log(neighbour) == ["listening"]
    sandbox.drop(neighbour.uid)


@pytest.fixture(scope="module", params=["proxied", "plain"])
def found(request: pytest.FixtureRequest, sandbox: Sandbox, neighbour: PodRun) -> dict[str, str]:
    """What came of every attempt, from a pod with a proxy and from one without."""
    number = 41 if request.param == "proxied" else 42
    proxy = ProxyRun(bootstrap=passing(sandbox.run / "p" / f"s{number}"))
    container = app(_ATTEMPTS)
    home = os.path.expanduser("~")
    arguments = (str(sandbox.run), str(sandbox.state), home, neighbour.address)
    container = app(_ATTEMPTS, argv=(*container.argv, *arguments))
    prisoner = pod(
        number,
        "",
        containers=(container,),
        restart_policy="Never",
        proxy=proxy if request.param == "proxied" else None,
    )
    (line,) = sandbox.execute(prisoner)
    told: dict[str, str] = json.loads(line)
    return told


def test_no_other_process_is_seen_or_signalled(found: dict[str, str]) -> None:
    assert found["processes"] == "[1]"
    assert found["signal"] == "ProcessLookupError"
    assert found["parent"] == "0"
    assert found["descriptors"] == "[0, 1, 2]"


def test_the_hosts_and_the_agents_files_are_absent(found: dict[str, str]) -> None:
    assert found["run"] == found["state"] == "FileNotFoundError"
    assert found["home"] in {"FileNotFoundError", "[]"}
    assert found["shadow"] == found["sys"] == "FileNotFoundError"
    assert found["disks"] == "[]"
    assert found["terminals"] == "(['ptmx'], '/dev/pts/0')"


def test_nothing_of_the_host_can_be_written(found: dict[str, str]) -> None:
    for name, outcome in found.items():
        if name.startswith(("write ", "chmod ")):
            assert outcome in _STOPPED, name
    assert found["mknod"] == found["chroot"] == "PermissionError"
    assert found["mount"] == found["remount"] == "-1"
    # With all rights over mounts of its own, as the last word shows, it cannot undo this one.
    assert found["remount in user namespace"] == "['entered', 'own', 'EPERM', 'done']"


def test_its_own_scratch_space_and_devices_work(found: dict[str, str]) -> None:
    assert found["device works"] == "None"
    assert found["scratch"] == "[None, None, None, None, None]"
    assert found["low port"] == found["ipv6 loopback"] == "None"


def test_it_has_no_capability_to_skip_its_proxy_with(found: dict[str, str]) -> None:
    assert found["capabilities"] == "{'0000000000000000'}"
    assert found["raw"] == found["mark"] == "PermissionError"
    assert found["vsock"] == found["packet"] == "OSError"  # EAFNOSUPPORT
    assert found["keyring"] == found["io_uring"] == "-1"
    # With all rights over a network of its own, as the last two words show, it has none over the pod's.
    assert (
        found["network in user namespace"] == "['entered', 'EPERM', 'EPERM', 'own', 'done', 'done']"
    )


def test_what_is_not_carried_is_refused_at_once(found: dict[str, str]) -> None:
    # TimeoutError would mean: dropped without a word.
    for name in ("udp", "udp outside", "gateway udp"):
        assert found[name] in {"PermissionError", "ConnectionRefusedError", "OSError"}, name
    # A proxy accepts first; it, too, gets nowhere, and says so by closing.
    closed = {"PermissionError", "ConnectionRefusedError", "ConnectionResetError", "b''"}
    for name in ("gateway relay", "gateway ssh"):
        assert found[name] in closed, name
    assert found["spoof"] in {*closed, "OSError", "TimeoutError"}


def test_ipv6_ends_at_the_loopback_device(found: dict[str, str]) -> None:
    assert found["ipv6"] == "OSError"
    assert set(json.loads(found["ipv6 addresses"].replace("'", '"'))) <= {"lo"}


def test_no_abstract_socket_of_others_is_there(found: dict[str, str]) -> None:
    assert found["abstract sockets"] == "[]"
