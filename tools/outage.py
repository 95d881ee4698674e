"""Play an incident of examples/outage: all is well, a change goes out, it hurts, the fix is applied, all is well again.

In: `payments` (the book's case study 8.5) or `stock` (its walkthrough 11.5).
Out: a running mesh under load with its console's address, figures before, during and after; exit status 0 if each is as told.
Before: examples/outage        After: tools/pictures.py, docs/outage.md

At a terminal it waits for Enter before the fix and before the end, so that one can look for the cause oneself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "examples" / "outage"
LATEEN = str(Path(sys.executable).with_name("lateen"))
MESH = "outage"
SETTLED = 12.0  # seconds of load after which figures are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A change that hurts, what its users see, and what mends it."""

    name: str
    told: str
    path: str
    callers: int  # at once
    pause: float  # seconds between a caller's answer and its next request
    change: str
    fix: str
    fails: bool  # whether users see errors, or slow answers only
    slow: float  # seconds: during it the 95th percentile is above, before and after below
    look: tuple[str, ...]  # pages of the console, after `#/`


INCIDENTS = {
    "payments": Incident(
        name="outage",
        told="the book's case study 8.5: payments fail after a release",
        path="/pay",
        callers=10,
        pause=0.4,
        change="release.yaml",
        fix="fix.yaml",
        fails=True,
        slow=1.0,
        look=("", "graph", "service/shop/payment-service", "traces?error=true", "logs?level=error"),
    ),
    "stock": Incident(
        name="latency",
        told="the book's walkthrough 11.5: the stock is slow, and nothing fails",
        path="/stock",
        callers=4,
        pause=0.4,
        change="latency.yaml",
        fix="latency-fix.yaml",
        fails=False,
        slow=0.6,
        look=("graph", "service/shop/stock", "traces?service=stock.shop&min=600"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the callers saw for some seconds."""

    rate: float  # answers a second
    statuses: Counter[int]
    p50: float  # seconds
    p95: float

    @property
    def failed(self) -> float:
        """The share of answers that are no 200."""
        return 1 - self.statuses[200] / max(1, self.statuses.total())

    def __str__(self) -> str:
        statuses = ", ".join(f"{n} x {status}" for status, n in sorted(self.statuses.items()))
        return (
            f"{self.rate:5.1f} answers/s, {self.failed:4.0%} fail, "
            f"p50 {self.p50:.2f} s, p95 {self.p95:.2f} s   ({statuses})"
        )


class Shop:
    """The running example: changes it, asks it, and knows where its console is."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._answers: deque[tuple[float, int, float]] = deque(maxlen=20_000)

    def lateen(self, *words: str) -> str:
        """What a command says about this mesh."""
        asked = [LATEEN, *words, "--name", MESH]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout

    def status(self) -> dict[str, Any]:
        """`lateen status -o json`."""
        found: dict[str, Any] = json.loads(self.lateen("status", "-o", "json"))
        return found

    def change(self, file: str) -> None:
        """`kubectl apply` of a file of changes/, until all its pods are ready."""
        kubectl = ["kubectl", "--kubeconfig", self.lateen("kubeconfig").strip(), "-n", "shop"]
        for words in (
            ["apply", "-f", str(FOLDER / "changes" / file)],
            ["rollout", "status", "deploy", "--timeout=90s"],
        ):
            done = subprocess.run(
                [*kubectl, *words], check=False, capture_output=True, text=True, timeout=120
            )
            if done.returncode:
                sys.exit(f"kubectl {' '.join(words)}: {done.stderr}")

    @contextmanager
    def load(self, incident: Incident) -> Iterator[None]:
        """Callers who ask through the gateway, each again and again, while the context is open."""
        ended = threading.Event()
        callers = [
            threading.Thread(target=self._call, args=(incident, ended))
            for _ in range(incident.callers)
        ]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            ended.set()
            for caller in callers:
                caller.join()

    def _call(self, incident: Incident, ended: threading.Event) -> None:
        while not ended.wait(incident.pause):
            began = time.monotonic()
            link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                link.request("GET", incident.path)
                status = link.getresponse().status
            except OSError:
                status = 0
            finally:
                link.close()
            self._answers.append((began, status, time.monotonic() - began))

    def watch(self, seconds: float = SETTLED) -> Seen:
        """Let the load go on for so long; what came back of what was asked in the meantime."""
        since = time.monotonic()
        time.sleep(seconds)
        mine = [(status, took) for began, status, took in list(self._answers) if began >= since]
        if not mine:
            sys.exit(f"no answer in {seconds:.0f} seconds")
        times = sorted(took for _, took in mine)
        return Seen(
            rate=len(mine) / seconds,
            statuses=Counter(status for status, _ in mine),
            p50=times[len(times) // 2],
            p95=times[len(times) * 95 // 100],
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def shop() -> Iterator[Shop]:
    """examples/outage as a mesh named `outage`, taken down at the end."""
    http_port, https_port = _free_port(), _free_port()
    ports = ["--port", f"80={http_port}", "--port", f"443={https_port}"]
    up = [LATEEN, "up", str(FOLDER / "shop.yaml"), "-d", "--name", MESH, *ports]
    subprocess.run(up, check=True, stdout=subprocess.DEVNULL)
    try:
        yield Shop(http_port)
    finally:
        subprocess.run([LATEEN, "down", "--name", MESH], check=False, stdout=subprocess.DEVNULL)


def _pause(words: str) -> None:
    if sys.stdin.isatty():
        input(f"{words} [Enter] ")


def _look(at: Shop, incident: Incident) -> None:
    base, _, token = at.status()["console"].partition("?")
    print("\nLook for the cause:")
    for page in incident.look:
        print(f"  {base}?{token}#/{page}")
    print(f"  or, in another terminal:  lateen traces --errors --name {MESH}", flush=True)


def play(incident: Incident) -> bool:
    """Before, during and after; whether each was as it is told."""
    print(f"{incident.told}\nstarting examples/outage …", flush=True)
    with shop() as running, running.load(incident):
        running.watch(3)  # connections are made, caches are warm
        before = running.watch()
        print(f"\nbefore  {before}", flush=True)
        running.change(incident.change)
        print(f"\n{incident.change} is out", flush=True)
        during = running.watch()
        print(f"during  {during}", flush=True)
        _look(running, incident)
        _pause(f"\nApply changes/{incident.fix}")
        running.change(incident.fix)
        print(f"\n{incident.fix} is applied", flush=True)
        running.watch(4)  # what was asked before the fix is answered
        after = running.watch()
        print(f"after   {after}", flush=True)
        _pause("\nEnd it")
    return (
        before.failed == 0
        and max(before.p95, after.p95) < incident.slow < during.p95
        and (during.failed > 0) == incident.fails
        and (after.failed == 0 or not incident.fails)
    )


def main() -> int:
    """Play what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("incident", choices=INCIDENTS, help="which incident")
    asked = parser.parse_args()
    if shutil.which("kubectl") is None:
        print("kubectl is needed to apply the changes", file=sys.stderr)
        return 2
    told = play(INCIDENTS[asked.incident])
    print("as it is told" if told else "NOT as it is told")
    return 0 if told else 1


if __name__ == "__main__":
    sys.exit(main())
