"""Measure the commands that look at files without running them: how soon they start, how long they take.

In: --runs, --starts, --strict.    Out: a table, which docs/benchmarks.md quotes with the machine it ran on.
Each figure is the best and the median of several runs, each in a process of its own. "After start" leaves out what Python needs
until the command is called, which the first rows tell. Starts are taken with compiled modules, after one that does not count, and told
with the CPU time (user and system) of the whole process, which others on the machine disturb less than the clock.
With --strict each median beyond its aim is named in the end, and the exit status is then 1.
To add a figure, write a function that gives `Figure`s and name it in `MEASURES`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

LATEEN = Path(sys.executable).with_name("lateen")
COUNT = 1_000  # VirtualServices, and as many policies
HOSTS = 20  # Services they are for
START_AIM, ANALYZE_AIM, TEST_AIM, DIFF_AIM = 0.2, 1.0, 1.0, 3.0  # seconds

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: svc-{n}, namespace: shop}}
spec:
  selector: {{app: svc-{n}}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: svc-{n}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: svc-{n}}}}}
  template:
    metadata: {{labels: {{app: svc-{n}, version: v1}}}}
    spec:
      containers:
        - name: app
          image: registry.example.com/svc-{n}:1.0.0
          ports: [{{containerPort: 8080}}]
"""
ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: route-{n}
  namespace: shop
spec:
  hosts:
    - route-{n}.example.com
  http:
    - match:
        - uri:
            prefix: /api/v{m}
          headers:
            x-user:
              exact: user-{n}
      route:
        - destination:
            host: svc-{h}
    - timeout: 5s
      retries:
        attempts: 2
        perTryTimeout: 1s
      route:
        - destination:
            host: svc-{h}
          weight: 90
        - destination:
            host: svc-{o}
          weight: 10
"""
POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: policy-{n}
  namespace: shop
spec:
  selector:
    matchLabels:
      app: svc-{h}
  action: ALLOW
  rules:
    - from:
        - source:
            principals:
              - cluster.local/ns/shop/sa/default
      to:
        - operation:
            methods: [GET, POST]
            paths: ["/api/{n}/*"]
"""


# With modules compiled and kept so, as whoever installed lateen has them.
COMPILED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


class Asked(Struct, frozen=True, kw_only=True):
    """How many runs of what takes long, and how many starts."""

    runs: int
    starts: int


class Figure(Struct, frozen=True, kw_only=True):
    """What was measured, in seconds, run by run; `aim` is what the median should stay below, if anything."""

    name: str
    seconds: tuple[float, ...]
    aim: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it did not stay below its aim."""
        return self.aim is not None and statistics.median(self.seconds) >= self.aim

    def row(self) -> str:
        """A line of the table."""
        best, middle = min(self.seconds), statistics.median(self.seconds)
        aim = f"under {self.aim:g} s" if self.aim else ""
        return f"| {self.name} | {best:.3f} s | {middle:.3f} s | {aim} |"


def write_set(folder: Path) -> None:
    """1,000 VirtualServices and 1,000 policies for 20 Services, without a fault."""
    numbers = range(COUNT)
    routes = (ROUTE.format(n=n, m=n % 5, h=n % HOSTS, o=(n + 1) % HOSTS) for n in numbers)
    texts = {
        "services.yaml": (SERVICE.format(n=n) for n in range(HOSTS)),
        "routes.yaml": routes,
        "policies.yaml": (POLICY.format(n=n, h=n % HOSTS) for n in numbers),
    }
    for name, documents in texts.items():
        (folder / name).write_text("---\n".join(documents), encoding="utf-8")


def timed(command: list[str]) -> float:
    """Seconds from start to end of a command that must end with status 0 or 1."""
    start = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, check=False)
    taken = time.perf_counter() - start
    if ended.returncode not in (0, 1):
        raise SystemExit(f"{command}: {ended.stderr.decode()}")
    return taken


def first_word(command: list[str]) -> tuple[float, float]:
    """Seconds from start to the first byte of output, and of CPU from start to end."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=COMPILED
    ) as running:
        assert running.stdout is not None  # noqa: S101 - it was asked for
        said = running.stdout.read(1)
        taken = time.perf_counter() - start
        said += running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode not in (0, 1):
        raise SystemExit(f"{command}: {said.decode()}")
    return taken, used.ru_utime + used.ru_stime


def starts(name: str, words: list[str], count: int) -> Iterator[Figure]:
    """The first words of as many starts, and their CPU time."""
    command = [str(LATEEN), *words]
    first_word(command)  # reads the files, and compiles what was not
    taken = [first_word(command) for _ in range(count)]
    words_at, cpu = zip(*taken, strict=True)
    yield Figure(name=f"{name}, start to first output", seconds=words_at, aim=START_AIM)
    yield Figure(name=f"{name}, CPU from start to end", seconds=cpu)


def after_start(words: list[str], module: str = "lateen.cli.analyze") -> float:
    """Seconds of a command in a fresh process, from when all its modules are there."""
    code = (
        f"import sys, time; from lateen.cli.main import app; import {module}, lateen.sources.files\n"
        "sys.argv = ['lateen', *sys.argv[1:]]; start = time.perf_counter()\n"
        "try:\n    app()\n"
        "finally:\n    print(time.perf_counter() - start, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(ended.stderr.splitlines()[-1])


def measure_starts(folder: Path, asked: Asked) -> Iterator[Figure]:
    """How soon commands say their first word, those that look at files on a mesh of five objects."""
    old, new = folder / "old", folder / "new"
    for side, weight in ((old, 90), (new, 80)):
        side.mkdir()
        services = (SERVICE.format(n=n) for n in (0, 1))
        mesh = MESH.replace("weight: 90", f"weight: {weight}")
        mesh = mesh.replace("weight: 10", f"weight: {100 - weight}")
        (side / "mesh.yaml").write_text("---\n".join((mesh, *services)), encoding="utf-8")
    text = "\n".join(("from: web.shop", "tests:", TEST.format(n=1, who="jason")))
    (old / "one.mesh-test.yaml").write_text(text, encoding="utf-8")
    here = str(old)
    for name, words in (
        ("`lateen --help`", ["--help"]),
        ("`lateen version`", ["version"]),
        ("`lateen up --help`", ["up", "--help"]),
        ("`lateen status`, no mesh", ["status", "--name", "lateen-bench-none"]),
        ("`lateen analyze`", ["analyze", here]),
        ("`lateen translate`", ["translate", here, "--for", "web", "--part", "proxy"]),
        ("`lateen translate --to envoy`", ["translate", here, "--for", "web", "--to", "envoy"]),
        ("`lateen explain`", ["explain", "http://svc-0.shop/", "--from", "web", "-f", here]),
        ("`lateen test`", ["test", here]),
        ("`lateen diff`", ["diff", here, str(new)]),
    ):
        yield from starts(name, words, asked.starts)


def measure_analyze(folder: Path, asked: Asked) -> Iterator[Figure]:
    """How long 1,000 VirtualServices and 1,000 policies take."""
    many = folder / "many"
    many.mkdir()
    write_set(many)
    what = f"`lateen analyze` of {COUNT:,} VirtualServices and {COUNT:,} policies"
    words = ["analyze", str(many), "-o", "json"]
    whole = tuple(timed([str(LATEEN), *words]) for _ in range(asked.runs))
    rest = tuple(after_start(words) for _ in range(asked.runs))
    yield Figure(name=f"{what}, after start", seconds=rest, aim=ANALYZE_AIM)
    yield Figure(name=f"{what}, start to end", seconds=whole)


MESH = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: app}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: svc-0, namespace: shop}
spec:
  hosts: [svc-0]
  http:
  - {match: [{uri: {prefix: /old}}], redirect: {uri: /new}}
  - {match: [{headers: {x-user: {exact: jason}}}], route: [{destination: {host: svc-1}}]}
  - route: [{destination: {host: svc-0}, weight: 90}, {destination: {host: svc-1}, weight: 10}]
"""
TEST = "- {{request: 'http://svc-0/{n}', headers: {{x-user: {who}}}, expect: {{status: 200, mtls: true}}}}"


def measure_tests(folder: Path, asked: Asked) -> Iterator[Figure]:
    """How long a thousand tests take that are played and not sent."""
    services = (SERVICE.format(n=n) for n in range(HOSTS))
    (folder / "mesh.yaml").write_text("---\n".join((MESH, *services)), encoding="utf-8")
    tests = (TEST.format(n=n, who=("jason", "jane")[n % 2]) for n in range(COUNT))
    text = "\n".join(("from: web.shop", "tests:", *tests))
    (folder / "mesh.mesh-test.yaml").write_text(text, encoding="utf-8")
    words = ["test", str(folder)]
    what = f"`lateen test` of {COUNT:,} tests"
    rest = tuple(after_start(words, "lateen.cli.trying") for _ in range(asked.runs))
    yield Figure(name=f"{what}, after start", seconds=rest, aim=TEST_AIM)
    whole = tuple(timed([str(LATEEN), *words]) for _ in range(asked.runs))
    yield Figure(name=f"{what}, start to end", seconds=whole)


def write_changed_set(folder: Path) -> None:
    """The same set a line further down, with ten other weights and one other method."""
    write_set(folder)
    for name, every, before, after in (
        ("routes.yaml", 100, ("weight: 90", "weight: 10"), ("weight: 80", "weight: 20")),
        ("policies.yaml", COUNT, ("POST",), ("PUT",)),
    ):
        path = folder / name
        documents = path.read_text(encoding="utf-8").split("---\n")
        for number in range(0, COUNT, every):
            for old, new in zip(before, after, strict=True):
                documents[number] = documents[number].replace(old, new)
        path.write_text("# moved\n" + "---\n".join(documents), encoding="utf-8")


def measure_diff(folder: Path, asked: Asked) -> Iterator[Figure]:
    """How long it takes to tell what traffic changes between two such sets."""
    sides = [folder / "old", folder / "new"]
    for side, write in zip(sides, (write_set, write_changed_set), strict=True):
        side.mkdir()
        write(side)
    what = f"`lateen diff` of two sets of {COUNT:,} VirtualServices and {COUNT:,} policies"
    words = ["diff", *map(str, sides), "-o", "json"]
    rest = tuple(after_start(words, "lateen.cli.differing") for _ in range(asked.runs))
    whole = tuple(timed([str(LATEEN), *words]) for _ in range(asked.runs))
    yield Figure(name=f"{what}, after start", seconds=rest, aim=DIFF_AIM)
    yield Figure(name=f"{what}, start to end", seconds=whole)


MEASURES: tuple[Callable[[Path, Asked], Iterator[Figure]], ...] = (
    measure_starts,
    measure_analyze,
    measure_tests,
    measure_diff,
)


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--starts", type=int, default=15)
    parser.add_argument("--strict", action="store_true", help="exit with 1 when an aim is missed")
    given = parser.parse_args()
    asked = Asked(runs=given.runs, starts=given.starts)
    print(f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}\n")
    print("| | best | median | aim |\n|---|---|---|---|")
    late = []
    for measure in MEASURES:
        with tempfile.TemporaryDirectory(prefix="lateen-bench-") as made:
            for figure in measure(Path(made), asked):
                print(figure.row(), flush=True)
                late += [figure] if figure.missed else []
    for figure in late:
        print(f"aim missed: {figure.name}")
    return 1 if late and given.strict else 0


if __name__ == "__main__":
    sys.exit(main())
