"""Measure a 20-pod mesh of small Python apps: start, memory, and the way of a changed file.

In: nothing.    Out: a table, which docs/benchmarks.md quotes with the machine it ran on.
Times are of whole processes and real Envoys; nothing is simulated. Images are built beforehand.
"""

from __future__ import annotations

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


def show_memory(bench: Bench) -> None:
    """Resident and private memory of lateen's own processes and of the Envoys."""
    pids = json.loads((bench.run / "pids.json").read_text())
    total = 0.0
    groups: dict[str, list[int]] = {
        "supervisor": [pids["supervisor"]],
        "control plane": [pids["control"]],
        "node agent": [],
    }
    envoys: list[int] = []
    for pid in children(pids["agent"]):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        if "envoy" in name:
            envoys.append(pid)
        elif b"lateen.node" in line:
            groups["node agent"].append(pid)
    for name, members in groups.items():
        resident = sum(memory(pid)[0] for pid in members)
        private = sum(memory(pid)[1] for pid in members)
        total += private
        print(
            f"memory, {name:<14} {len(members)} process(es)  resident {resident:6.1f} MB  private {private:6.1f} MB"
        )
    print(f"memory, control side in all, private               {total:6.1f} MB")
    private_each = sorted(memory(pid)[1] for pid in envoys)
    print(
        f"memory, Envoy, private, {len(envoys)} of them: median {statistics.median(private_each):.1f} MB,"
        f" most {private_each[-1]:.1f} MB"
    )


def main() -> None:
    """Build, start some times, measure memory, then change a file again and again."""
    cpu = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), "")
    print(
        f"{os.cpu_count()} cores,{cpu.partition(':')[2]}, Linux {platform.release()}, Python {platform.python_version()}"
    )
    bench = Bench()
    try:
        bench.start()
        bench.lateen("down")
        starts = []
        for number in range(STARTS):
            shutil.rmtree(bench.home / "s", ignore_errors=True)
            starts.append(bench.start())
            if number < STARTS - 1:
                bench.lateen("down")
        firsts, readies = zip(*starts, strict=True)
        print(
            f"{PODS} pods, up to first 200 through the ingress: "
            + ", ".join(f"{s:.2f} s" for s in firsts)
        )
        print(
            f"{PODS} pods, up to all ready:                     "
            + ", ".join(f"{s:.2f} s" for s in readies)
        )
        time.sleep(3)
        show_memory(bench)
        times = sorted(bench.change(number + 1) for number in range(CHANGES))
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99) - 1]
        print(
            f"file change to the ACK of all {PODS - 1} sidecars, {CHANGES} changes: "
            f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, most {times[-1] * 1000:.0f} ms"
        )
    finally:
        bench.lateen("down")
        shutil.rmtree(bench.home, ignore_errors=True)


if __name__ == "__main__":
    main()
