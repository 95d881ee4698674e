"""A real Prometheus with the figures of a fixture, and lateen's own history with the same.

The fixture has counters, one that begins anew now and then, gauges, a histogram, a series with an end, and an info metric,
each 15 seconds; nothing falls together with the moments that are asked for, but for those of `steady`.
"""

from __future__ import annotations

import json
import math
import random
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lateen.telemetry.history.store import History
from lateen.telemetry.promtext import Labels

START = 1_700_000_000
STEP, COUNT = 15, 240
Fixture = dict[Labels, list[tuple[int, float]]]
"""Points (milliseconds, value) by labels."""


def fixture() -> Fixture:
    """The same figures each time."""
    chance = random.Random(6)  # noqa: S311 - figures
    made: Fixture = {}

    def add(name: str, values: Iterator[float], shift: int = 3, **labels: Any) -> None:
        key = tuple(sorted({"__name__": name, **labels}.items()))
        made[key] = [((START + i * STEP + shift) * 1000, v) for i, v in enumerate(values)]

    def counter(per: float, again: float = 0.0) -> Iterator[float]:
        value = float(chance.randrange(1000))
        for _ in range(COUNT):
            value = (
                0.0 if chance.random() < again else value + chance.randrange(int(per * STEP * 2))
            )
            yield value

    def gauge(middle: float) -> Iterator[float]:
        for i in range(COUNT):
            yield round(middle + 4 * math.sin(i / 20) + chance.uniform(-1, 1), 3)

    for instance in ("a:1", "b:2"):
        for method in ("GET", "POST"):
            for code in ("200", "404", "500"):
                labels = {"job": "api", "instance": instance, "method": method, "code": code}
                add("http_requests_total", counter(3 if code == "200" else 0.5), 3, **labels)
        add("build_info", iter([1.0] * COUNT), instance=instance, version=f"v{instance[0]}")
    for job, instance, value in (("api", "a:1", 1.0), ("api", "b:2", 0.0), ("db", "c:3", 1.0)):
        add("up", iter([value] * COUNT), job=job, instance=instance)
    add("restarting_total", counter(2, again=0.05), job="api", instance="a:1")
    for room, kind in (("hall", "wall"), ("attic", "roof"), ("attic", "wall")):
        add("temperature", gauge(20.0), shift=7, room=room, kind=kind)
    for room in ("hall", "attic"):
        add("humidity", gauge(50.0), shift=9, room=room)
    add("steady", iter([2.5] * COUNT), shift=0)
    add("short_lived", iter([float(i) for i in range(60)]))
    for job in ("api", "db"):
        columns = dict.fromkeys(("0.005", "0.05", "0.1", "0.5", "1", "+Inf"), 0.0)
        rows: dict[str, list[float]] = {le: [] for le in columns}
        sums, counts, spent = [], [], 0.0
        for _ in range(COUNT):
            for _ in range(chance.randrange(20)):
                took = chance.expovariate(8)
                spent += took
                for le in columns:
                    columns[le] += took <= float(le)
            for le, value in columns.items():
                rows[le].append(value)
            sums.append(spent)
            counts.append(columns["+Inf"])
        for le, values in rows.items():
            add("request_duration_seconds_bucket", iter(values), job=job, le=le)
        add("request_duration_seconds_sum", iter(sums), job=job)
        add("request_duration_seconds_count", iter(counts), job=job)
    return made


def own(path: Path, made: Fixture) -> History:
    """lateen's history of the fixture."""
    history = History(path)
    for number, (labels, points) in enumerate(made.items()):
        shelf = history.shelf(f"series {number}")
        series = history.series(shelf, labels)
        assert series is not None
        for at, value in points:
            history.append([(shelf, at, [(series, value)])])
    return history


def _open_metrics(made: Fixture) -> str:
    lines = []
    for labels, points in sorted(made.items()):
        named = dict(labels)
        name = named.pop("__name__")
        inside = ",".join(f'{key}="{value}"' for key, value in named.items())
        lines += [f"{name}{{{inside}}} {value!r} {at / 1000:.3f}" for at, value in points]
    return "\n".join([*lines, "# EOF\n"])


class Prometheus:
    """A real one, on a port of its own."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **parameters: str) -> Any:
        """The whole answer as plain data, also where it is a fault."""
        url = f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http
                return json.load(answer)
        except urllib.error.HTTPError as fault:
            return json.load(fault)


@contextmanager
def running(folder: Path, made: Fixture) -> Iterator[Prometheus]:
    """A real Prometheus that has the fixture in its database."""
    (folder / "fixture.txt").write_text(_open_metrics(made))
    (folder / "prometheus.yml").write_text("global: {}\n")
    data = folder / "data"
    blocks = ("promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "fixture.txt", data)
    subprocess.run(blocks, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stderr=log) as process:
        try:
            _wait_until_ready(port, process)
            yield Prometheus(port)
        finally:
            process.terminate()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the real Prometheus did not start")
