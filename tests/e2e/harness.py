"""Start a real mesh for tests, speak to it from outside and from inside its pods, and end it.

Each mesh has its own name, folders and ports, so that test runs do not meet.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lateen.apiserver.client import Client
from tests.e2e.others import become

LATEEN = str(Path(sys.executable).with_name("lateen"))
READY = 120.0  # seconds that a mesh may take on a busy machine


@dataclass(frozen=True)
class Answer:
    """What a request came back with; `status` 0 means nothing did."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


def free_port() -> int:
    """A loopback port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


class Mesh:
    """One running mesh; with `uid`, one of another user's, whose home is then a folder of its own."""

    def __init__(self, folder: Path, *, uid: int | None = None, lateen: str = LATEEN) -> None:
        self.folder = folder
        self.home = Path(tempfile.mkdtemp(prefix="lt", dir="/tmp"))
        self.http, self.https = free_port(), free_port()
        self.uid = os.getuid() if uid is None else uid
        self.prefix: tuple[str, ...] = ()
        self.python = str(Path(lateen).with_name("python"))
        self._lateen = lateen
        self.env = {
            **os.environ,
            "LATEEN_RUN_DIR": str(self.home / "r"),
            "LATEEN_STATE_DIR": str(self.home / "s"),
        }
        if self.uid != os.getuid():
            self._give_to(self.uid)

    def _give_to(self, uid: int) -> None:
        self.prefix = become(uid)
        (self.home / "h").mkdir(mode=0o700)
        for folder in (self.home, self.home / "h"):
            os.chown(folder, uid, uid)
        ours = ("HOME", "USER", "LOGNAME", "TMPDIR", "LATEEN_CACHE_DIR")
        self.env = {
            name: value
            for name, value in self.env.items()
            if name not in ours and not name.startswith("XDG_")
        }
        self.env["HOME"] = str(self.home / "h")

    @property
    def run(self) -> Path:
        """The run directory."""
        return self.home / "r" / "t"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.home / "s" / "t"

    def lateen(
        self, *words: str, check: bool = True, timeout: float = READY
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of lateen against this mesh."""
        done = subprocess.run(
            [*self.prefix, self._lateen, *words, "--name", "t"],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{words} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def up(
        self, *paths: Path, check: bool = True, options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """`lateen up -d`; without paths, this mesh's own folder."""
        ports = ("--port", f"80={self.http}", "--port", f"443={self.https}")
        where = [str(path) for path in paths or (self.folder,)]
        return self.lateen("up", *where, "-d", *ports, *options, check=check)

    def end(self) -> None:
        """`lateen down`, and nothing is kept."""
        self.lateen("down", check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def status(self) -> dict[str, Any]:
        """`lateen status -o json`."""
        found: dict[str, Any] = json.loads(self.lateen("status", "-o", "json", check=False).stdout)
        return found

    def pods(self, start: str) -> list[dict[str, Any]]:
        """Pods whose names begin so."""
        return [pod for pod in self.status()["pods"] if pod["name"].startswith(start)]

    def get(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request through the ingress gateway."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}{path}",
            data=body,
            method=method,
            headers=dict(headers or {}),
        )
        try:
            with _opener.open(request, timeout=20) as answer:
                return Answer(answer.status, answer.read().decode(), dict(answer.headers))
        except urllib.error.HTTPError as fault:
            return Answer(fault.code, fault.read().decode(errors="replace"), dict(fault.headers))
        except (OSError, ValueError) as fault:
            return Answer(0, str(fault))

    def call(self, url: str, *, via: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """A request made by an app in the mesh: `via` is the gateway's prefix of that app."""
        asked = f"{via}/call?url={quote(url, safe='')}"
        if headers:
            asked += f"&headers={quote(json.dumps(dict(headers)), safe='')}"
        answer = self.get(asked)
        assert answer.status == 200, answer
        said = answer.json
        return Answer(said["status"], said["body"], said["headers"])

    def inside(self, code: str, *, via: str = "") -> str:
        """Run Python inside an app; what it printed, or the end of its traceback."""
        answer = self.get(f"{via}/run", method="POST", body=code.encode())
        assert answer.status == 200, answer
        out: str = answer.json["out"] or answer.json["fault"]
        return out.strip()

    def admin(self, pod_start: str, path: str) -> str:
        """Ask the admin interface of a pod's Envoy over its Unix socket."""
        uid = next(
            pod["metadata"]["uid"]
            for pod in self.api("/api/v1/pods")["items"]
            if pod["metadata"]["name"].startswith(pod_start)
        )
        slot = hashlib.blake2b(uid.encode(), digest_size=4).hexdigest()
        answer = Client(self.run / "p" / slot / "admin.sock").get(path)
        return answer if isinstance(answer, str) else json.dumps(answer)

    def api(self, path: str) -> Any:
        """GET from the control plane's API."""
        return Client(self.run / "api.sock").get(path)

    def create(self, path: str, tree: Mapping[str, Any]) -> Any:
        """POST to the control plane's API."""
        return Client(self.run / "api.sock").post(path, tree)

    def delete(self, path: str) -> None:
        """DELETE at the control plane's API."""
        with socket.socket(socket.AF_UNIX) as api:
            api.connect(str(self.run / "api.sock"))
            api.sendall(
                f"DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            assert api.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"

    @contextmanager
    def made(self, collection: str, tree: Mapping[str, Any]) -> Iterator[None]:
        """An object of the API for as long as it is needed."""
        self.create(collection, tree)
        try:
            yield
        finally:
            self.delete(f"{collection}/{tree['metadata']['name']}")


def eventually(what: Callable[[], Any], *, within: float = 30.0, every: float = 0.05) -> Any:
    """Ask again until the answer is true, for a bounded time; returns it, or the last one."""
    deadline = time.monotonic() + within
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(every)
    return answer
