"""Measure what telling of requests costs at 1,000 requests a second: all of it, metrics alone, and nothing.

In: --rate, --seconds, --rounds; --soak MINUTES.    Out: CPU and latency with both, or memory and disk over time.
Before: tests/e2e/figures        After: docs/metrics.md

A running mesh with the files of the end-to-end test: one app asks another, over mTLS, on connections that stay open,
each request at its time. The ways take turns; what is off is so by a Telemetry in istio-system. CPU is of the Envoys of both pods,
of the observer and of the control plane.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness import Mesh, eventually
from tools.bench import children, memory

from lateen.base.observing import Kept

FOLDER = Path(__file__).parents[1] / "tests" / "e2e" / "figures"
TELEMETRIES = "/apis/telemetry.istio.io/v1/namespaces/istio-system/telemetries"
_QUIET = {
    "accessLogging": [{"disabled": True}],
    "tracing": [{"disableSpanReporting": True, "disableContextPropagation": True}],
}
ALL, METRICS, OFF = "all on", "metrics alone", "all off"
SPECS: dict[str, dict[str, Any]] = {
    METRICS: _QUIET,
    OFF: {**_QUIET, "metrics": [{"overrides": [{"disabled": True}]}]},
}
CONNECTIONS = 20
GROWTH = 20.0  # megabytes a process may grow by once the first third of a soak is over
LOAD = """
import json, socket, threading, time

def drive(number, each, seconds, took):
    link = socket.create_connection(("api", 8080), 10)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asked = b"GET /status/200 HTTP/1.1\\r\\nhost: api\\r\\n\\r\\n"
    begin = time.perf_counter() + number * each / {connections}
    at, mine = begin, []
    while at < begin + seconds:
        time.sleep(max(0.0, at - time.perf_counter()))
        sent = time.perf_counter()
        link.sendall(asked)
        got = b""
        while b"{{}}" not in got:
            got += link.recv(65536)
        mine.append((time.perf_counter() - sent) * 1000)
        assert got.startswith(b"HTTP/1.1 200"), got
        at += each
    took += mine

took = []
threads = [
    threading.Thread(target=drive, args=(i, {connections} / {rate}, {seconds}, took))
    for i in range({connections})
]
[t.start() for t in threads]
[t.join() for t in threads]
took.sort()
print(json.dumps([len(took), took[len(took) // 2], took[len(took) * 99 // 100]]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One run: requests a second, milliseconds, and microseconds of CPU a request by process."""

    rate: float
    p50: float
    p99: float
    cpu: dict[str, float]


@contextmanager
def running() -> Iterator[Mesh]:
    """The mesh, until the context is left."""
    mesh = Mesh(FOLDER)
    try:
        mesh.up()
        if not eventually(lambda: mesh.status().get("prometheus")):
            raise SystemExit("the observer does not answer")
        yield mesh
    finally:
        mesh.end()


def processes(mesh: Mesh) -> dict[str, list[int]]:
    """Process ids by what they are."""
    pids = json.loads((mesh.run / "pids.json").read_text())
    below = children(pids["agent"])
    envoys = [p for p in below if "envoy" in Path(f"/proc/{p}/comm").read_text()]
    return {
        "Envoys": envoys,
        "observer": [pids["observer"]],
        "control plane": [pids["control"]],
    }


def cpu(pids: list[int]) -> float:
    """Microseconds used so far by all threads of the processes."""
    threads = (thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((t / "schedstat").read_text().split()[0]) for t in threads) / 1e3


def drive(mesh: Mesh, rate: int, seconds: float) -> Took:
    """Send the load once."""
    of = processes(mesh)
    before = {name: cpu(pids) for name, pids in of.items()}
    code = LOAD.format(connections=CONNECTIONS, rate=rate, seconds=seconds)
    said = mesh.inside(code)
    try:
        count, p50, p99 = json.loads(said)
    except ValueError:
        raise SystemExit(said) from None
    spent = {name: (cpu(pids) - before[name]) / count for name, pids in of.items()}
    return Took(rate=count / seconds, p50=p50, p99=p99, cpu=spent)


def show(name: str, runs: list[Took]) -> Took:
    """Print the median of some runs."""
    middle = sorted(runs, key=lambda run: sum(run.cpu.values()))[len(runs) // 2]
    parts = ", ".join(f"{what} {spent:.0f}" for what, spent in middle.cpu.items())
    print(
        f"{name:<13} {middle.rate:6.0f} requests/s   p50 {middle.p50:5.2f} ms   p99 {middle.p99:6.2f} ms   "
        f"CPU a request {sum(middle.cpu.values()):5.0f} us ({parts})"
    )
    return middle


def compare(mesh: Mesh, rate: int, seconds: float, rounds: int) -> None:
    """All ways in turn."""
    drive(mesh, rate, 2)
    runs: dict[str, list[Took]] = {ALL: [], METRICS: [], OFF: []}
    for _ in range(rounds):
        for name, some in runs.items():
            with telling(mesh, name):
                some.append(drive(mesh, rate, seconds))
    took = {name: show(name, some) for name, some in runs.items()}
    without = took[OFF]
    for name in (METRICS, ALL):
        more = sum(took[name].cpu.values()) - sum(without.cpu.values())
        print(
            f"cost of {name}: {more:.0f} us of CPU a request ({more * rate / 1e6:.1%} of a core at {rate} "
            f"requests/s), p50 {took[name].p50 - without.p50:+.2f} ms, p99 {took[name].p99 - without.p99:+.2f} ms"
        )


@contextmanager
def telling(mesh: Mesh, name: str) -> Iterator[None]:
    """Have the proxies tell so much, until the context is left."""
    if name not in SPECS:
        yield
        return
    head = {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry"}
    meta = {"name": "quiet", "namespace": "istio-system"}
    with mesh.made(TELEMETRIES, {**head, "metadata": meta, "spec": SPECS[name]}):
        time.sleep(2)  # every proxy has it, and connections made before are gone
        yield
    time.sleep(2)


def soak(mesh: Mesh, rate: int, minutes: float) -> int:
    """Load without a pause; memory and disk as they go. The exit status is 1 where something keeps growing."""
    rows: list[dict[str, float]] = []
    began, piece = time.monotonic(), min(15.0, minutes * 10)
    while time.monotonic() - began < minutes * 60:
        drive(mesh, rate, piece)
        row = {name: sum(memory(pid)[1] for pid in pids) for name, pids in processes(mesh).items()}
        row["kept on disk"] = _size(mesh.state / "observe")
        row["logs"] = _size(mesh.state / "logs")
        rows.append(row)
        told = "   ".join(f"{name} {value:.1f}" for name, value in row.items())
        print(f"{(time.monotonic() - began) / 60:5.1f} min   MB: {told}", flush=True)
    first = rows[len(rows) // 3]
    bad = 0
    for name in ("Envoys", "observer", "control plane"):
        grown = rows[-1][name] - first[name]
        print(f"{name}: {grown:+.1f} MB since a third of the time (at most {GROWTH:.0f})")
        bad |= grown > GROWTH
    kept = Kept()
    most = {"kept on disk": kept.metrics_bytes + kept.traces_bytes, "logs": kept.logs_bytes}
    for name, bound in most.items():
        highest = max(row[name] for row in rows)
        print(f"{name}: {highest:.0f} MB at the highest (at most {bound / 1e6:.0f})")
        bad |= highest > bound / 1e6
    return bad


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main(words: Any = None) -> int:
    """Measure; the exit status."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rate", type=int, default=1000, help="requests a second")
    asked.add_argument("--seconds", type=float, default=10, help="of one run")
    asked.add_argument("--rounds", type=int, default=3, help="runs with and without, in turn")
    asked.add_argument(
        "--soak", type=float, default=0, metavar="MINUTES", help="look for growth instead"
    )
    options = asked.parse_args(words)
    with running() as mesh:
        if options.soak:
            return soak(mesh, options.rate, options.soak)
        compare(mesh, options.rate, options.seconds, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
