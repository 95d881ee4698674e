"""Be a program that goes around its pod's proxy: in the pod's network namespace, with the proxy's own mark.

In: a running mesh, a pod.       Out: what came back, and what the border counted.
Before: tests/e2e/harness.py     After: tests/e2e/test_istio_traffic.py
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lateen.apiserver.client import Client
from lateen.node.addresses import PROXY_MARK
from lateen.stages.resolving import slot_of
from tests.e2e.harness import Mesh

_SO_MARK = 36
_DIAL = f"""
import socket, sys
link = socket.socket()
link.setsockopt(socket.SOL_SOCKET, {_SO_MARK}, {PROXY_MARK})
link.settimeout(5)
try:
    link.connect((sys.argv[1], int(sys.argv[2])))
    link.sendall(b"GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
    print(link.recv(99))
except OSError as fault:
    print(type(fault).__name__)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """A pod's network without its proxy."""

    mesh: Mesh
    slot: str

    @classmethod
    def pod(cls, mesh: Mesh, start: str) -> Around:
        """The pod whose name begins so."""
        pods = mesh.api("/api/v1/pods")["items"]
        (uid,) = (p["metadata"]["uid"] for p in pods if p["metadata"]["name"].startswith(start))
        return cls(mesh=mesh, slot=slot_of(uid))

    def dial(self, address: str, port: int) -> str:
        """What a marked connection brings: bytes, or the name of the failure."""
        into = [*self.mesh.prefix, "nsenter", "--target", str(self._proxy()), "--net"]
        if self.mesh.uid:
            into += ["--user", "--preserve-credentials"]
        asked = [*into, self.mesh.python, "-c", _DIAL, address, str(port)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip()

    def _proxy(self) -> int:
        """The pod's Envoy, by its number on the host."""
        own = f"{self.slot}/".encode()
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = entry.read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            if b"/envoy" in line.partition(b"\0")[0] and own in line:
                return int(entry.parent.name)
        raise AssertionError(f"no Envoy of {self.slot}")

    def counted(self, end: str) -> int:
        """How many connections by number the border closed (`nowhere`) or dialled (`by-number`)."""
        wanted = rf"/stats?filter=^tcp.{end}.{self.slot}.downstream_cx_total"
        stats = str(Client(self.mesh.run / "border.sock").get(wanted))
        return sum(int(line.rpartition(": ")[2]) for line in stats.splitlines())

    def connect(self, authority: str) -> str:
        """The first line of the answer to CONNECT at the pod's own way out."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.mesh.run / "p" / self.slot / "out.sock"))
            link.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode())
            return link.recv(4096).partition(b"\r\n")[0].decode()
