"""Measure the control plane with 1,000 services and 1,000 connected proxies.

In: --services, --proxies, --namespaces, --changes, --strict.    Out: a table for docs/benchmarks.md.
Before: tools/scale_mesh.py, tools/scale_proxies.py       After: docs/benchmarks.md

The control plane is the real one, in a process of its own; proxies are pretended, in another. A change is
written through the Kubernetes API; it has arrived when the last proxy it concerns has read it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench import Figure, memory, missed
from tools.scale_mesh import (
    Size,
    mesh_wide_rule,
    pod_address,
    pod_name,
    pod_status,
    prepare,
    virtual_service,
)

from lateen.base import layout
from lateen.xds.tokens import TokenKey

PATIENCE = 60.0  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What proxies got of one change: seconds from its writing to each, and the price of it."""

    seconds: tuple[float, ...]
    written: float  # seconds until the API had answered
    size: int
    responses: int
    resources: dict[str, int]
    cpu: float  # seconds of the control plane

    @property
    def last(self) -> float:
        """Seconds to the last proxy."""
        return self.seconds[-1]


class Plane:
    """A control plane over a prepared store, and the proxies that are connected to it."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.home = Path(tempfile.mkdtemp(prefix="lts", dir="/tmp"))
        self.settings = prepare(self.home, size)
        log = (self.home / "control.log").open("wb")
        command = [sys.executable, "-P", "-m", "lateen.app.control", self.settings.run]
        self.began = time.monotonic()
        self.control = subprocess.Popen(command, stderr=log)
        self.proxies: subprocess.Popen[str] | None = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the API."""
        link = http.client.HTTPConnection("localhost")
        link.sock = socket.socket(socket.AF_UNIX)
        link.sock.connect(str(self.settings.api_socket))
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        content = None if body is None else json.dumps(body)
        link.request(method, path, content, {"Content-Type": kind})
        answer = link.getresponse()
        text = answer.read()
        link.close()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def plan(self) -> float:
        """Wait until everything is planned; seconds since the start of the process."""
        wanted = self.size.pods + 1  # the ingress gateway
        while time.monotonic() - self.began < PATIENCE:
            if self.control.poll() is not None:
                raise SystemExit((self.home / "control.log").read_text())
            try:
                self.rows = self.ask("GET", "/lateen/v1/proxies")["proxies"]
            except OSError:  # it does not listen yet
                self.rows = []
            if len(self.rows) >= wanted:
                return time.monotonic() - self.began
            time.sleep(0.1)
        raise SystemExit("the control plane did not get ready")

    def connect(self) -> Came:
        """Let all proxies come at once."""
        key = TokenKey.open(self.settings.state_dir / "tokens.key")
        tokens = {row["id"]: key.mint(row["id"]) for row in self.rows}
        (self.home / "tokens.json").write_text(json.dumps(tokens))
        socket_path = str(layout.xds_socket(self.settings.run_dir))
        cpu, began = self.cpu(), time.monotonic()
        self.proxies = subprocess.Popen(
            [sys.executable, "-P", "-m", "tools.scale_proxies", socket_path,
             str(self.home / "tokens.json")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )  # fmt: skip
        return self._report(began, cpu, len(self.rows), 5.0)

    def change(self, method: str, path: str, body: Any, quiet: float = 0.5) -> Came:
        """Write something and see it come to every sidecar; nothing more came for `quiet` seconds."""
        cpu, began = self.cpu(), time.monotonic()
        self.ask(method, path, body)
        return self._report(began, cpu, self.size.pods, quiet, time.monotonic() - began)

    def _report(
        self, began: float, cpu: float, proxies: int, quiet: float, written: float = 0.0
    ) -> Came:
        if self.proxies is None or not self.proxies.stdin or not self.proxies.stdout:
            raise SystemExit("no proxy is connected")
        self.proxies.stdin.write(f"{proxies} {quiet}\n")
        self.proxies.stdin.flush()
        told = json.loads(self.proxies.stdout.readline())
        return Came(
            seconds=tuple(at - began for at in told["times"]),
            written=written,
            size=told["bytes"],
            responses=told["responses"],
            resources=told["resources"],
            cpu=self.cpu() - cpu,
        )

    def cpu(self) -> float:
        """Seconds of CPU the control plane has used."""
        fields = Path(f"/proc/{self.control.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """Private megabytes of the control plane."""
        return memory(self.control.pid)[1]

    def end(self) -> None:
        """End both processes and remove the folder."""
        if self.proxies is not None and self.proxies.stdin is not None:
            self.proxies.stdin.close()
            self.proxies.wait(30)
        self.control.terminate()
        self.control.wait(30)
        shutil.rmtree(self.home)

    def flip_pod(self, number: int, *, ready: bool) -> Came:
        """A pod becomes ready, or is not any more: an endpoint change."""
        space = self.size.namespace(number % self.size.services)
        return self.change(
            "PATCH",
            f"/api/v1/namespaces/{space}/pods/{pod_name(number)}/status",
            {"status": pod_status(pod_address(number), ready=ready)},
        )

    def route(self, number: int, generation: int) -> Came:
        """Another route for one service."""
        tree = virtual_service(self.size, number, generation)
        meta = tree["metadata"]
        path = "/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/{name}"
        return self.change("PATCH", path.format(**meta), tree, quiet=2.0)

    def mesh_wide(self, generation: int) -> Came:
        """Another setting for every service."""
        path = "/apis/networking.istio.io/v1/namespaces/istio-system/destinationrules/all"
        return self.change("PATCH", path, mesh_wide_rule(generation), quiet=5.0)


@contextmanager
def plane(size: Size) -> Iterator[Plane]:
    """A control plane of that size, ended whatever happens."""
    made = Plane(size)
    try:
        yield made
    finally:
        made.end()


def at(ordered: list[float], part: float) -> float:
    """The value below which that part of them is."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def show(what: str, came: list[Came], proxies: int) -> float:
    """Print one line; the p99 of the time to the last proxy, in milliseconds."""
    short = [each for each in came if len(each.seconds) < proxies]
    if short and what != "one VirtualService":
        print(f"  {what}: reached {len(short[0].seconds)} of {proxies} proxies")
    lasts = sorted(each.last * 1000 for each in came)
    every = sorted(s * 1000 for each in came for s in each.seconds)
    cpu = sum(each.cpu for each in came) / len(came)
    size = sum(each.size for each in came) / len(came)
    print(
        f"  {what:<26} {len(came):3} x  last proxy p50 {at(lasts, 0.5):7.1f} p99 {at(lasts, 0.99):7.1f} ms"
        f"  all p50 {at(every, 0.5):7.1f} p99 {at(every, 0.99):7.1f} ms  CPU {cpu * 1000:6.0f} ms"
        f"  {size / 1e6:7.2f} MB  {came[0].resources}"
    )
    slowest = max(came, key=lambda each: each.last)
    print(
        f"  {'':<26} the slowest, number {came.index(slowest) + 1}: written after {slowest.written * 1000:.1f} ms,"
        f" first proxy {slowest.seconds[0] * 1000:.1f} ms, last {slowest.last * 1000:.1f} ms,"
        f" CPU {slowest.cpu * 1000:.0f} ms; median of all: written {_median(c.written for c in came):.1f} ms,"
        f" first proxy {_median(c.seconds[0] for c in came):.1f} ms"
    )
    return at(lasts, 0.99)


def _median(seconds: Iterable[float]) -> float:
    """In milliseconds."""
    return at(sorted(seconds), 0.5) * 1000


def repeated(times: int, change: Callable[[int], Came]) -> list[Came]:
    """The change again and again; the first warms up and is not counted."""
    return [change(number) for number in range(times + 1)][1:]


def measure(size: Size, changes: int, *, all_of_it: bool) -> tuple[float, float]:
    """One size; the last proxy's p99 of an endpoint change in ms, and its CPU in ms."""
    print(f"{size.services} services, {size.namespaces} namespaces, {size.pods} proxies")
    with plane(size) as running:
        planned, cpu = running.plan(), running.cpu()
        print(
            f"  planned after {planned:.2f} s, CPU {cpu:.2f} s, {running.memory():.0f} MB private"
        )
        first = running.connect()
        print(
            f"  first sync: {first.last:.2f} s, CPU {first.cpu:.2f} s, {first.size / 1e6:.0f} MB in "
            f"{first.responses} responses, {first.resources}; {running.memory():.0f} MB private"
        )
        flips = repeated(changes, lambda n: running.flip_pod(7 + n // 2, ready=n % 2 == 1))
        p99 = show("one endpoint", flips, size.pods)
        cost = sum(each.cpu for each in flips) / len(flips) * 1000
        if all_of_it:
            show(
                "one VirtualService",
                repeated(changes // 2, lambda n: running.route(10, n + 1)),
                size.pods,
            )
            show("mesh-wide", repeated(3, lambda n: running.mesh_wide(n + 1)), size.pods)
        print(f"  memory at the end: {running.memory():.0f} MB private")
    return p99, cost


def main() -> int:
    """A quarter, a half and all of the services, with the same number of proxies."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--services", type=int, default=1000)
    options.add_argument("--namespaces", type=int, default=100)
    options.add_argument("--proxies", type=int, default=1000)
    options.add_argument("--changes", type=int, default=40)
    options.add_argument("--strict", action="store_true", help="exit with 1 when an aim is missed")
    given = options.parse_args()
    costs = []
    for part in (4, 2, 1):
        size = Size(
            services=given.services // part, namespaces=given.namespaces, pods=given.proxies
        )
        costs.append(measure(size, given.changes, all_of_it=part == 1))
    growth = costs[-1][1] / costs[0][1]
    print(f"CPU of an endpoint change, all services against a quarter of them: {growth:.2f}")
    figures = (
        Figure(what="endpoint change, last proxy, p99", measured=costs[-1][0], aim=100, unit="ms"),
        Figure(what="growth of its CPU with services x 4", measured=growth, aim=1.25, unit="x"),
    )
    late = missed(figures) if given.strict else ()
    for figure in late:
        print(f"aim missed: {figure}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
