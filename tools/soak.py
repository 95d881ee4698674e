"""Change everything at once under load and count what fails: routes, subsets, a canary, pods, the control plane.

In: --changes, --pods, --rate.    Out: counts of answers by status; exit status 1 if any request failed.
Before: -                         After: docs/benchmarks.md

A real mesh of two versions of a small app behind the ingress gateway. Routes are changed through the
Kubernetes API, as kubectl would; pods are deleted one after the other, and their Deployment makes new ones.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.e2e.harness import Mesh, eventually

ROOT = Path(__file__).parent.parent
CANARY_STEPS = 20
SHOWN = 20  # failed requests that are told of
GROUP = "/apis/networking.istio.io/v1/namespaces/shop"
WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{version}, namespace: shop}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web, version: {version}}}}}
  template:
    metadata: {{labels: {{app: web, version: {version}}}}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: web
          image: soak/echo
          ports: [{{containerPort: 8080}}]
          env: [{{name: NAME, value: web}}, {{name: VERSION, value: {version}}}]
          readinessProbe: {{httpGet: {{path: /ready, port: 8080}}, periodSeconds: 1}}
"""
MESH = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
"""


class Load:
    """Requests at a steady rate from several threads, each on a connection of its own."""

    def __init__(self, port: int, rate: float, threads: int = 8) -> None:
        self.seen: Counter[str] = Counter()
        self.faults: list[str] = []
        self._port, self._pause = port, threads / rate
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                link.request("GET", "/", headers={"host": "web.example.com"})
                answer = link.getresponse()
                body = answer.read()
                self.seen[str(answer.status)] += 1
                if answer.status != 200:
                    self.faults.append(f"{time.strftime('%X')} {answer.status} {body[:120]!r}")
            except (OSError, http.client.HTTPException) as fault:
                self.seen[type(fault).__name__] += 1
                self.faults.append(f"{time.strftime('%X')} {fault!r}")
                link.close()
            due += self._pause
            time.sleep(max(0.0, due - time.monotonic()))


class Api:
    """The Kubernetes API on the mesh's own socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; a control plane that is just away is waited for."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._call(method, path, body)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _call(self, method: str, path: str, body: Any) -> Any:
        link = http.client.HTTPConnection("localhost", timeout=20)
        link.sock = socket.socket(socket.AF_UNIX)
        link.sock.connect(str(self._path))
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        link.request(
            method, path, None if body is None else json.dumps(body), {"Content-Type": kind}
        )
        answer = link.getresponse()
        text = answer.read()
        link.close()
        if answer.status >= 400 and answer.status != 404:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()[:300]}")
        return json.loads(text)

    def apply(self, tree: dict[str, Any]) -> None:
        """Server-side apply of one of Istio's objects."""
        plural = tree["kind"].lower() + "s"
        path = f"{GROUP}/{plural}/{tree['metadata']['name']}?fieldManager=soak&force=true"
        self.call("PATCH", path, tree)


def subsets(*names: str) -> dict[str, Any]:
    """A DestinationRule with these subsets; all but v1 and v2 stand for any version."""
    labels = {name: {"version": name} if name in ("v1", "v2") else {"app": "web"} for name in names}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"host": "web", "subsets": [{"name": n, "labels": labels[n]} for n in names]},
    }


def route(shares: dict[str, int], match: int = 0) -> dict[str, Any]:
    """A VirtualService with these shares; `match` makes its first rule another one each time."""
    to = [
        {"destination": {"host": "web", "subset": name}, "weight": share}
        for name, share in shares.items()
    ]
    first = {"match": [{"uri": {"prefix": f"/never-{match}"}}], "route": to[:1]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "hosts": ["web.example.com"],
            "gateways": ["front"],
            "http": [{**first, "name": "other"}, {"route": to}],
        },
    }


def change_routes(api: Api, count: int) -> None:
    """Weights, matches, and subsets that come and go, in the order that is hardest: the route first."""
    for number in range(count):
        name = f"s{number // 4}"
        match number % 4:
            case 0:
                api.apply(route({"v1": 100 - number % 100, "v2": number % 100}, number))
            case 1:
                api.apply(subsets("v1", "v2", name))
            case 2:
                api.apply(route({name: 50, "v2": 50}, number))
            case _:
                api.apply(route({"v1": 50, "v2": 50}, number))
                api.apply(subsets("v1", "v2"))


def canary(api: Api) -> None:
    """From nothing to all in steps."""
    for step in range(CANARY_STEPS + 1):
        share = step * 100 // CANARY_STEPS
        api.apply(route({"v1": 100 - share, "v2": share}))
        time.sleep(0.1)


def replace_pods(api: Api, count: int) -> int:
    """Delete a pod and wait for another in its place, so often; how often it was done."""
    done = 0
    for number in range(count):
        pods = _ready(api)
        if len(pods) < 4 and not eventually(lambda: len(_ready(api)) >= 4, within=30):
            break
        pods = _ready(api)
        api.call("DELETE", f"/api/v1/namespaces/shop/pods/{pods[number % len(pods)]}")
        done += 1
    eventually(lambda: len(_ready(api)) >= 4, within=30)
    return done


def _ready(api: Api) -> list[str]:
    items = api.call("GET", "/api/v1/namespaces/shop/pods")["items"]
    return sorted(
        pod["metadata"]["name"]
        for pod in items
        if "deletionTimestamp" not in pod["metadata"]
        and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in pod.get("status", {}).get("conditions", ())
        )
    )


def restart_control_plane(mesh: Mesh) -> None:
    """Kill it; the supervisor starts another."""
    pids = mesh.run / "pids.json"
    first = json.loads(pids.read_text())["control"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: json.loads(pids.read_text())["control"] != first)
    eventually(lambda: mesh.lateen("proxy", "status", check=False).returncode == 0)


def main() -> int:
    """Bring a mesh up, do all of it, and say what the clients saw."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--changes", type=int, default=1000)
    options.add_argument("--pods", type=int, default=50)
    options.add_argument("--rate", type=float, default=200, help="requests a second")
    given = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="ltk", dir="/tmp"))
    folder = home / "mesh"
    shutil.copytree(ROOT / "tests/e2e/mesh/echo", folder / "echo")
    (folder / "lateen.yaml").write_text("images:\n  soak/echo: {build: echo}\n")
    workloads = "---".join(WORKLOAD.format(version=version) for version in ("v1", "v2"))
    (folder / "mesh.yaml").write_text(MESH + workloads)
    mesh = Mesh(folder)
    try:
        mesh.up()
        return soak(mesh, given.changes, given.pods, given.rate)
    finally:
        mesh.end()
        shutil.rmtree(home)


def soak(mesh: Mesh, changes: int, pods: int, rate: float) -> int:
    """All of it under load; the exit status."""
    api = Api(mesh.run / "api.sock")
    api.apply(subsets("v1", "v2"))
    api.apply(route({"v1": 50, "v2": 50}))
    if not eventually(lambda: mesh.get("/", headers={"host": "web.example.com"}).status == 200):
        raise SystemExit("the mesh does not answer")
    began = time.monotonic()
    with Load(mesh.http, rate) as load:
        replaced: list[int] = []
        replacing = threading.Thread(target=lambda: replaced.append(replace_pods(api, pods)))
        replacing.start()
        change_routes(api, changes)
        canary(api)
        replacing.join()
        restart_control_plane(mesh)
        canary(api)
    seconds = time.monotonic() - began
    total = load.seen.total()
    print(
        f"{changes} route changes, {2 * CANARY_STEPS} steps of a canary, {replaced[0]} pods replaced, the "
        f"control plane restarted, in {seconds:.0f} s: {total} requests ({total / seconds:.0f} a second), "
        f"answered {dict(load.seen)}"
    )
    for fault in load.faults[:SHOWN]:
        print(f"failed: {fault}")
    if load.faults:
        log = mesh.lateen("logs", "istio-system/istio-ingressgateway", check=False).stdout
        lines = [line for line in log.splitlines() if '" 200 ' not in line and '"GET /' in line]
        for line in lines[-SHOWN:]:
            print(f"the gateway says: {line}")
    return 1 if load.faults or replaced[0] < pods else 0


if __name__ == "__main__":
    sys.exit(main())
