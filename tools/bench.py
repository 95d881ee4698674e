"""Measure a 20-pod mesh of small Python apps: start, memory, and the way of a changed file.

In: --strict or nothing.    Out: a table, which docs/benchmarks.md quotes with the machine it ran on.
With --strict each figure beyond its aim is named in the end, and the exit status is then 1.
Times are of whole processes and real Envoys; nothing is simulated. Images are built beforehand.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LATEEN = str(Path(sys.executable).with_name("lateen"))
PODS, STARTS, CHANGES = 20, 3, 100
MESH = "bench"
PATIENCE = 120.0  # seconds

WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{n}, namespace: bench}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata: {{labels: {{app: app-{n}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: app
          image: bench/echo
          ports: [{{containerPort: 8080}}]
          env: [{{name: NAME, value: app-{n}}}]
          readinessProbe: {{httpGet: {{path: /ready, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: app-{n}, namespace: bench}}
spec:
  selector: {{app: app-{n}}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
"""
MESH_YAML = """
apiVersion: v1
kind: Namespace
metadata: {name: bench}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: bench}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: bench}
spec:
  hosts: ["*"]
  gateways: [front]
  http: [{route: [{destination: {host: app-0}}]}]
---
"""
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: changing, namespace: bench}}
spec:
  hosts: [app-1]
  http:
    - match: [{{uri: {{prefix: /v{n}}}}}]
      route: [{{destination: {{host: app-2}}}}]
    - route: [{{destination: {{host: app-1}}}}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, and the aim it should stay under, in the same unit."""

    what: str
    measured: float
    aim: float
    unit: str

    def __str__(self) -> str:
        """As a line of the report names it."""
        return (
            f"{self.what}: {self.measured:.1f} {self.unit}, wanted under {self.aim:g} {self.unit}"
        )


def missed(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """Those that are not under their aim."""
    return tuple(figure for figure in figures if figure.measured >= figure.aim)


class Bench:
    """One folder of YAML and the mesh that runs it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ltb", dir="/tmp"))
        self.folder = self.home / "mesh"
        shutil.copytree(ROOT / "tests/e2e/mesh/echo", self.folder / "echo")
        (self.folder / "lateen.yaml").write_text("images:\n  bench/echo: {build: echo}\n")
        workloads = "---".join(WORKLOAD.format(n=n) for n in range(PODS - 1))
        (self.folder / "mesh.yaml").write_text(MESH_YAML + workloads)
        self.route(0)
        with socket.socket() as http, socket.socket() as https:
            http.bind(("127.0.0.1", 0))
            https.bind(("127.0.0.1", 0))
            self.port, self.https = http.getsockname()[1], https.getsockname()[1]
        self.env = {
            **os.environ,
            "LATEEN_RUN_DIR": str(self.home / "r"),
            "LATEEN_STATE_DIR": str(self.home / "s"),
        }

    @property
    def run(self) -> Path:
        """The run directory."""
        return self.home / "r" / MESH

    def route(self, number: int) -> None:
        """Write another version of one VirtualService, as an editor does: a new file put in place."""
        new = self.folder / "route.new"
        new.write_text(ROUTE.format(n=number))
        new.replace(self.folder / "route.yaml")

    def lateen(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command against this mesh."""
        return subprocess.run(
            [LATEEN, *words, "--name", MESH],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def get(self, path: str) -> Any:
        """GET from the control plane."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.run / "api.sock"))
            link.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            parts = []
            while part := link.recv(65536):
                parts.append(part)
        return json.loads(b"".join(parts).partition(b"\r\n\r\n")[2])

    def start(self) -> tuple[float, float]:
        """Seconds from `lateen up` to the first 200 through the ingress, and to all pods ready."""
        began = time.monotonic()
        with subprocess.Popen(
            [LATEEN, "up", str(self.folder), "-d", "--port", f"80={self.port}", "--port",
             f"443={self.https}", "--name", MESH],
            env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as up:  # fmt: skip
            while not self.answers():
                if time.monotonic() - began > PATIENCE:
                    raise SystemExit("no answer through the ingress")
                time.sleep(0.02)
            first = time.monotonic() - began
            output = up.communicate(timeout=PATIENCE)[0]
        if up.returncode:
            raise SystemExit(output)
        return first, time.monotonic() - began

    def answers(self) -> bool:
        """Whether the ingress gives a 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def change(self, number: int) -> float:
        """Seconds from a written file to the last proxy's acknowledgement of its routes."""
        before = {
            row["pod"]: row["types"]["RDS"] for row in self.get("/lateen/v1/proxies")["proxies"]
        }
        sidecars = {p for p, v in before.items() if "ingressgateway" not in p}
        wrote = time.time()
        self.route(number)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            rows = [r for r in self.get("/lateen/v1/proxies")["proxies"] if r["pod"] in sidecars]
            if all(r["ackedAt"]["RDS"] and r["ackedAt"]["RDS"] > wrote for r in rows):
                return float(max(r["ackedAt"]["RDS"] for r in rows) - wrote)
            time.sleep(0.02)
        raise SystemExit("a change was not acknowledged within 10 s")


def memory(pid: int) -> tuple[float, float]:
    """(resident, private) megabytes of a process."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.strip().endswith("kB"):
            found[name] = int(rest.split()[0]) / 1024
    return found["Rss"], found["Private_Clean"] + found["Private_Dirty"]


def children(pid: int) -> list[int]:
    """All processes below one."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    direct = [int(word) for word in text.split()]
    return [*direct, *(deep for child in direct for deep in children(child))]


def show_memory(bench: Bench) -> tuple[Figure, ...]:
    """Resident and private memory of lateen's own processes, of the border and of the pods' Envoys."""
    pids = json.loads((bench.run / "pids.json").read_text())
    below = children(pids["agent"])
    envoys = [p for p in below if "envoy" in Path(f"/proc/{p}/comm").read_text()]
    agents = [p for p in below if b"lateen.node" in Path(f"/proc/{p}/cmdline").read_bytes()]
    groups = {
        "supervisor": [pids["supervisor"]],
        "control plane": [pids["control"]],
        "observer": [pids["observer"]],
        "node agent": [p for p in agents if p not in envoys],
    }
    total = sum(show_group(name, members) for name, members in groups.items())
    print(f"memory, control side in all, private               {total:6.1f} MB")
    show_group("border Envoy", [pids["border"]])
    private_each = sorted(memory(pid)[1] for pid in envoys)
    median, most = statistics.median(private_each), private_each[-1]
    print(
        f"memory, Envoy, private, {len(envoys)} of them: median {median:.1f} MB, most {most:.1f} MB"
    )
    return (
        Figure(what="private memory of the control side", measured=total, aim=300, unit="MB"),
        Figure(what="private memory of an Envoy, the most", measured=most, aim=20, unit="MB"),
    )


def show_group(name: str, members: list[int]) -> float:
    """Print one line of the memory table; returns the private megabytes."""
    each = [memory(pid) for pid in members]
    resident, private = sum(r for r, _ in each), sum(p for _, p in each)
    print(
        f"memory, {name:<14} {len(members)} process(es)  "
        f"resident {resident:6.1f} MB  private {private:6.1f} MB"
    )
    return private


def show_starts(bench: Bench) -> tuple[Figure, ...]:
    """Start some times, with nothing kept but the images; the last mesh is left running."""
    bench.start()
    starts = []
    for _ in range(STARTS):
        bench.lateen("down")
        shutil.rmtree(bench.home / "s", ignore_errors=True)
        starts.append(bench.start())
    firsts, readies = zip(*starts, strict=True)
    for what, seconds in (("first 200 through the ingress:", firsts), ("all ready:", readies)):
        print(f"{PODS} pods, up to {what:<30} " + ", ".join(f"{s:.2f} s" for s in seconds))
    return (
        Figure(what="up to the first 200, the longest", measured=max(firsts), aim=5, unit="s"),
        Figure(what="up to all ready, the longest", measured=max(readies), aim=5, unit="s"),
    )


def show_changes(bench: Bench) -> tuple[Figure, ...]:
    """Change a file again and again."""
    times = sorted(bench.change(number + 1) * 1000 for number in range(CHANGES))
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99) - 1]
    print(
        f"file change to the ACK of all {PODS - 1} sidecars, {CHANGES} changes: "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {times[-1]:.0f} ms"
    )
    return (Figure(what="file change to the ACK of all, p99", measured=p99, aim=100, unit="ms"),)


def main() -> int:
    """Build, start some times, measure memory, then the way of changes; the exit status."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--strict", action="store_true", help="exit with 1 when an aim is missed")
    strict = options.parse_args().strict
    cpu = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), "")
    print(
        f"{os.cpu_count()} cores,{cpu.partition(':')[2]}, Linux {platform.release()}, Python {platform.python_version()}"
    )
    bench = Bench()
    try:
        figures = show_starts(bench)
        time.sleep(3)
        figures += show_memory(bench) + show_changes(bench)
    finally:
        bench.lateen("down")
        shutil.rmtree(bench.home, ignore_errors=True)
    late = missed(figures) if strict else ()
    for figure in late:
        print(f"aim missed: {figure}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
