"""Start the real agent as the supervisor does, and play the control plane to it.

In: RunAs.    Out: Sandbox: `put`, `drop`, `until`, `execute` an app and read what it printed.
Before: node/launch.py        After: tests/node/test_sandbox.py, test_walls.py
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lateen.node import launch
from lateen.node.protocol import (
    ContainerRun,
    ContainerUse,
    Directory,
    DropPod,
    Hello,
    Mount,
    PodReport,
    PodRun,
    PutPod,
    ToNode,
    Use,
    decode_to_control,
    encode,
)

NOBODY = 65534
WAIT_SECONDS = 15.0
_SOURCE = Path(launch.__file__).parents[2]


@dataclass(frozen=True)
class RunAs:
    """The user the agent runs as, and a Python that this user may execute."""

    name: str
    prefix: tuple[str, ...]
    python: str
    rootless: bool
    uid: int


def users() -> list[RunAs]:
    """Everyone this machine lets us be: root and an ordinary user, or just who we are."""
    if os.geteuid() != 0:
        return [RunAs("user", (), sys.executable, True, os.geteuid())]
    found = [RunAs("root", (), sys.executable, False, 0)]
    become = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    wanted = f"import sys, msgspec; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (sys.executable, "/usr/bin/python3"):
        # Below unshare, as the agent: setpriv itself still reaches what only root may.
        command = [*become, "unshare", "-Ur", python, "-c", wanted]
        with contextlib.suppress(FileNotFoundError):
            tried = subprocess.run(command, env=_environment(), capture_output=True, check=False)
            if tried.returncode == 0:
                return [*found, RunAs("user", become, python, True, NOBODY)]
    return found


def _environment() -> dict[str, str]:
    # An interpreter other than the virtual environment's finds our packages by this.
    packages = [str(_SOURCE), *(p for p in sys.path if p.endswith("site-packages"))]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(packages)}


def app_python() -> tuple[str, tuple[Mount, ...]]:
    """A Python for apps: the system's, which every container sees, or ours with what it needs."""
    if Path("/usr/bin/python3").exists():
        return "/usr/bin/python3", ()
    real = os.path.realpath(sys.executable)
    return real, (Mount(source=sys.base_prefix, target=sys.base_prefix),)


class Sandbox:
    """A running agent, its control plane and its supervisor."""

    def __init__(self, user: RunAs) -> None:
        self.user = user
        self.folder = Path(tempfile.mkdtemp(prefix="ln-", dir="/tmp"))
        self.run = self.folder / "run"
        self.state = self.folder / "state"
        for path in (self.run, self.state):
            path.mkdir(mode=0o700)
        for path in (self.folder, self.run, self.state):
            os.chown(path, user.uid, user.uid)
        self._reports: dict[str, PodReport] = {}
        self.history: list[PodReport] = []
        self.uses: list[Use] = []
        self._changed = threading.Condition()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.run / "node.sock"))
        os.chmod(self.run / "node.sock", 0o666)  # noqa: S103 - the agent may be another user
        self._listening.listen()
        self.link, theirs = socket.socketpair()
        command = launch.command(
            run=self.run,
            state=self.state,
            python=user.python,
            link_fd=theirs.fileno(),
            rootless=user.rootless,
        )
        self.process = subprocess.Popen(
            [*user.prefix, *command], pass_fds=(theirs.fileno(),), env=_environment(), cwd="/"
        )
        theirs.close()
        self.link.settimeout(WAIT_SECONDS)
        self._link_lines = self.link.makefile("rb")
        started = json.loads(self._link_lines.readline() or b'{"fatal": "the agent ended"}')
        if "fatal" in started:
            raise RuntimeError(started["fatal"])
        threading.Thread(target=self._resolve, daemon=True).start()
        self._listening.settimeout(WAIT_SECONDS)
        self.connect()

    def connect(self) -> None:
        """Take the agent's call, as a control plane that has just started."""
        self.connection, _ = self._listening.accept()
        lines = self.connection.makefile("rb")
        hello = decode_to_control(lines.readline())
        assert isinstance(hello, Hello)
        self.hello = hello
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def disconnect(self) -> None:
        """Go away, as a control plane that dies."""
        self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def _read(self, lines: Iterator[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in lines:
                report = decode_to_control(line)
                if isinstance(report, Use):
                    with self._changed:
                        self.uses.append(report)
                        self._changed.notify_all()
                    continue
                assert isinstance(report, PodReport)
                with self._changed:
                    self._reports[report.uid] = report
                    self.history.append(report)
                    self._changed.notify_all()

    def _resolve(self) -> None:
        known = {"outside.example": ["192.0.2.7"]}
        with contextlib.suppress(OSError, ValueError):
            self.link.settimeout(None)
            for line in self._link_lines:
                asked = json.loads(line)
                answer = {"id": asked["id"], "addresses": known.get(asked["resolve"], [])}
                self.link.sendall(json.dumps(answer).encode() + b"\n")

    def say(self, message: ToNode) -> None:
        """Send one message to the agent."""
        self.connection.sendall(encode(message))

    def put(self, pod: PodRun) -> None:
        """Have this pod run."""
        self.say(PutPod(pod=pod))

    def drop(self, uid: str, grace: int = 0) -> None:
        """Have this pod end, and wait until it is gone."""
        self.say(DropPod(uid=uid, grace_seconds=grace))
        self.until(uid, lambda report: report.gone)

    def until(self, uid: str, holds: Callable[[PodReport], bool]) -> PodReport:
        """The first report of a pod, from now on or the last, that is as wanted."""

        def there() -> bool:
            return uid in self._reports and holds(self._reports[uid])

        with self._changed:
            if not self._changed.wait_for(there, WAIT_SECONDS):
                raise TimeoutError(f"last report: {self._reports.get(uid)}")
            return self._reports[uid]

    def until_used(
        self, uid: str, container: str, holds: Callable[[ContainerUse], bool]
    ) -> ContainerUse:
        """The first account of a container that is as wanted."""
        found: list[ContainerUse] = []

        def there() -> bool:
            every = (one for use in self.uses for one in use.containers)
            mine = (one for one in every if (one.uid, one.container) == (uid, container))
            found.extend(one for one in mine if holds(one))
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(there, WAIT_SECONDS):
                raise TimeoutError(f"last accounts: {self.uses[-1:]}")
            return found[0]

    def until_ready(self, uid: str) -> PodReport:
        """The report that says the pod is ready."""
        return self.until(uid, is_ready)

    def log(self, pod: PodRun, container: str = "app", restart: int = 0) -> list[str]:
        """What a container printed, without the CRI heads."""
        name = f"{pod.namespace}_{pod.name}_{pod.uid}"
        path = self.state / "logs" / "pods" / name / container / f"{restart}.log"
        return [line.split(" ", 3)[3] for line in path.read_text().splitlines()]

    def until_logged(self, pod: PodRun, lines: list[str]) -> None:
        """Until this is what the app printed; a log is written a little after it is."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.log(pod) != lines:
            if time.monotonic() > deadline:
                raise TimeoutError(f"printed: {self.log(pod)}")
            time.sleep(0.02)

    def execute(self, pod: PodRun) -> list[str]:
        """Run a pod to its end; what its app printed."""
        self.put(pod)
        self.until(pod.uid, lambda report: report.status.phase in {"Succeeded", "Failed"})
        printed = self.log(pod)
        self.drop(pod.uid)
        return printed

    def close(self) -> None:
        """Close the link, as a supervisor that ends, and remove the folders."""
        self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()
        self.process.wait(WAIT_SECONDS)
        self._listening.close()
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def is_ready(report: PodReport) -> bool:
    """Whether the Ready condition is True."""
    return any(c.type == "Ready" and c.status == "True" for c in report.status.conditions)


def pod(number: int, script: str, **fields: object) -> PodRun:
    """A pod whose app is a Python script; its address ends in `number`."""
    container = app(script)
    made: dict[str, object] = {
        "uid": f"uid-{number}",
        "slot": f"s{number}",
        "namespace": "shop",
        "name": f"pod-{number}",
        "address": f"198.18.0.{number}",
        "hostname": f"pod-{number}",
        "containers": (container,),
        "search": ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local"),
    }
    return PodRun(**(made | fields))  # type: ignore[arg-type]


def app(script: str, **fields: object) -> ContainerRun:
    """A container that runs a Python script."""
    python, mounts = app_python()
    made: dict[str, object] = {
        "name": "app",
        "image": "app",
        "argv": (python, "-u", "-c", script),
        "mounts": mounts,
    }
    return ContainerRun(**(made | fields))  # type: ignore[arg-type]


def directory(*names: tuple[str, str], services: tuple[object, ...] = ()) -> Directory:
    """A directory with these names and addresses."""
    from lateen.node.protocol import Name

    return Directory(
        names=tuple(Name(name=name, addresses=(address,)) for name, address in names),
        services=services,  # type: ignore[arg-type]
    )
