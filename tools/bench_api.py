"""Measure the Kubernetes API with 10,000 objects in its store: reads, writes, 100 watchers, memory.

In: --objects, --watchers.    Out: a table, which docs/benchmarks.md quotes with the machine it ran on.
The API runs in a process of its own over SQLite on disk, as in a mesh but without controllers. Clients
speak HTTPS with a bearer token over connections they keep, as kubectl's and client libraries' do.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import platform
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.apiserver.certificates import self_signed
from tests.apiserver.serve import TOKEN
from tests.apiserver.world import deps_for, namespace
from tools.bench import memory

from lateen.apiserver.app import make_app
from lateen.apiserver.serving import LOOPBACK, TlsListener, serving
from lateen.store.sqlite import SqliteStore

OBJECTS, WATCHERS = 10_000, 100
NAMESPACES = 10
PAGE = 500  # as kubectl asks
WATCHED, BURST = 200, 500  # changes, one at a time and as quickly as they are taken
PATIENCE = 120.0  # seconds
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}


async def serve(folder: Path) -> None:
    """The process that is measured: serves on a port it writes to FOLDER/port, until killed."""
    store = SqliteStore.open(folder / "store.db")
    if not store.revision:
        for name in ("default", "watched", *(f"bench-{n}" for n in range(NAMESPACES))):
            store.put(namespace(name))
    certificate, key = self_signed()
    tls = TlsListener(port=0, certificate=certificate, key=key)
    app = make_app(store, deps_for(store), token=TOKEN)
    async with serving(app, unix=folder / "api.sock", tls=tls) as port:
        (folder / "port.new").write_text(str(port))
        (folder / "port.new").replace(folder / "port")
        await asyncio.Event().wait()


def config_map(number: int) -> dict[str, Any]:
    """An object of about 1 KB, as it is sent."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"settings-{number:05}",
            "namespace": f"bench-{number % NAMESPACES}",
            "labels": {"app": f"app-{number % 100}", "tier": "bench"},
        },
        "data": {f"key-{n}": f"value-{number}-" + "x" * 60 for n in range(8)},
    }


def trusting() -> ssl.SSLContext:
    """The certificate is made anew by each server; what is measured is the time it takes."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(slots=True)
class Caller:
    """One client with a connection it keeps."""

    port: int
    link: http.client.HTTPSConnection = field(init=False)

    def __post_init__(self) -> None:
        self.link = http.client.HTTPSConnection(LOOPBACK, self.port, context=trusting())

    def call(self, method: str, path: str, body: Any = None, accept: str = "") -> bytes:
        """The answer's body; ends the run when it is a refusal."""
        headers = AUTHORIZATION | ({"Accept": accept} if accept else {})
        if body is not None:
            headers |= {"Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        self.link.request(method, path, content, headers)
        answer = self.link.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return text


def shown(what: str, seconds: Sequence[float], more: str = "") -> None:
    """One line of the report, in milliseconds."""
    each = sorted(s * 1000 for s in seconds)
    p50, p99 = statistics.median(each), each[max(0, int(len(each) * 0.99) - 1)]
    print(f"{what:<40} p50 {p50:8.2f} ms  p99 {p99:8.2f} ms  {more}", flush=True)


def work_of(pid: int) -> float:
    """The seconds of CPU a process has used; other load on the machine hardly changes these."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopwatch:
    """Times calls to the API, and the work of its process for them."""

    pid: int

    def show(self, what: str, times: int, call: Callable[[int], object], more: str = "") -> None:
        """Call so often and print a line."""
        took, before = [], work_of(self.pid)
        for number in range(times):
            began = time.perf_counter()
            call(number)
            took.append(time.perf_counter() - began)
        each = (work_of(self.pid) - before) / times * 1000
        shown(what, took, f"{times / sum(took):6.0f} a second, {each:.2f} ms of CPU each  {more}")


def show_writes(caller: Caller, watch: Stopwatch, objects: int) -> None:
    """Create every object, then change some in two ways."""
    place = "/api/v1/namespaces/bench-{}/configmaps"

    def create(n: int) -> None:
        caller.call("POST", place.format(n % NAMESPACES), config_map(n))

    def update(n: int) -> None:
        changed = config_map(n) | {"data": {"changed": str(n)}}
        caller.call("PUT", f"{place.format(n % NAMESPACES)}/settings-{n:05}", changed)

    watch.show(f"create, {objects} times", objects, create)
    watch.show("update, 1,000 times", 1000, update)


def show_reads(caller: Caller, watch: Stopwatch, objects: int) -> None:
    """Read one object, all of them, and all of them as kubectl does."""

    def get(n: int) -> None:
        number = n * 7919 % objects
        at = f"/api/v1/namespaces/bench-{number % NAMESPACES}/configmaps/settings-{number:05}"
        caller.call("GET", at)

    def pages(_: int) -> None:
        token = ""
        while True:
            query = f"limit={PAGE}" + (f"&continue={token}" if token else "")
            piece = json.loads(caller.call("GET", f"/api/v1/configmaps?{query}"))
            token = piece["metadata"].get("continue", "")
            if not token:
                return

    watch.show("get, 2,000 times", 2000, get)
    everything = "/api/v1/configmaps"
    size = len(caller.call("GET", everything)) / 1e6
    watch.show(
        f"list all {objects}", 20, lambda _: caller.call("GET", everything), f"{size:.1f} MB"
    )
    selected = f"{everything}?labelSelector=app%3Dapp-7"
    watch.show("list 1 in 100, by label", 50, lambda _: caller.call("GET", selected))
    watch.show(f"list all {objects} in pieces, decoded", 10, pages)
    piece = f"{everything}?limit={PAGE}"
    watch.show(f"list a piece of {PAGE}", 50, lambda _: caller.call("GET", piece))
    watch.show(f"list {PAGE} as a Table", 50, lambda _: caller.call("GET", piece, accept=TABLE))


@dataclass(slots=True)
class Watchers:
    """Clients that watch one namespace, and when each heard of each change."""

    port: int
    heard: dict[int, list[float]] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, ready: asyncio.Semaphore) -> None:
        """One watcher."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port, ssl=trusting())
        path = "/api/v1/namespaces/watched/configmaps?watch=true"
        lines = (f"GET {path} HTTP/1.1", f"Host: {LOOPBACK}", f"Authorization: Bearer {TOKEN}")
        writer.write("\r\n".join((*lines, "", "")).encode())
        await reader.readuntil(b"\r\n\r\n")
        ready.release()
        try:
            while True:
                line = await reader.readline()
                now = time.perf_counter()
                _, mark, rest = line.partition(b'"number":"')
                if mark:
                    self.heard.setdefault(int(rest[: rest.index(b'"')]), []).append(now)
                    self.woken.set()
        finally:
            writer.close()

    async def until(self, number: int, count: int) -> None:
        """Wait until so many have heard of that change."""
        async with asyncio.timeout(PATIENCE):
            while len(self.heard.get(number, ())) < count:
                self.woken.clear()
                await self.woken.wait()


async def show_watches(port: int, pid: int, count: int) -> None:
    """How long a change takes to all watchers, one at a time and many at once."""
    watchers, ready = Watchers(port), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(watchers.follow(ready)) for _ in range(count)]
    for _ in range(count):
        await ready.acquire()
    caller = Caller(port)
    place = "/api/v1/namespaces/watched/configmaps"

    def change(number: int) -> None:
        tree = config_map(0) | {"metadata": {"name": "changing", "namespace": "watched"}}
        tree["data"]["number"] = str(number)
        if number:
            caller.call("PUT", f"{place}/changing", tree)
        else:
            caller.call("POST", place, tree)

    began = {}
    for number in range(WATCHED):
        began[number] = time.perf_counter()
        await asyncio.to_thread(change, number)
        await watchers.until(number, count)
    each = [at - began[n] for n in range(WATCHED) for at in watchers.heard[n]]
    last = [max(watchers.heard[n]) - began[n] for n in range(WATCHED)]
    shown(f"a change to each of {count} watchers", each, f"{WATCHED} changes, one at a time")
    shown(f"a change to the last of {count} watchers", last)
    start, before = time.perf_counter(), work_of(pid)
    for number in range(WATCHED, WATCHED + BURST):
        await asyncio.to_thread(change, number)
    wrote = time.perf_counter() - start
    await watchers.until(WATCHED + BURST - 1, count)
    took, work = time.perf_counter() - start, work_of(pid) - before
    print(
        f"{BURST} changes at once, to {count} watchers: written in {wrote:.2f} s, all heard after "
        f"{took:.2f} s, {BURST * count / took:.0f} events a second, {work / BURST / count * 1e6:.0f} µs of CPU each"
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def started(folder: Path) -> tuple[subprocess.Popen[bytes], int, float]:
    """The server's process, its port, and the seconds until it served."""
    (folder / "port").unlink(missing_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "tools.bench_api", "--serve", str(folder)])
    while not (folder / "port").exists():
        if process.poll() is not None or time.perf_counter() - began > PATIENCE:
            raise SystemExit("the API did not start")
        time.sleep(0.01)
    return process, int((folder / "port").read_text()), time.perf_counter() - began


def show_memory(what: str, process: subprocess.Popen[bytes]) -> None:
    """One line of the report."""
    resident, private = memory(process.pid)
    print(f"{what:<40} private {private:6.1f} MB, resident {resident:6.1f} MB")


def main() -> int:
    """Measure all of it, or serve."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--objects", type=int, default=OBJECTS)
    words.add_argument("--watchers", type=int, default=WATCHERS)
    words.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.serve))
        return 0
    print(f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}")
    folder = Path(tempfile.mkdtemp(prefix="ltba", dir="/tmp"))
    process, port, _ = started(folder)
    try:
        show_memory("memory of the API, nothing stored", process)
        caller = Caller(port)
        stopwatch = Stopwatch(pid=process.pid)
        show_writes(caller, stopwatch, asked.objects)
        show_reads(caller, stopwatch, asked.objects)
        asyncio.run(show_watches(port, process.pid, asked.watchers))
        show_memory(f"memory of the API, {asked.objects} objects, in use", process)
        process.kill()
        process.wait()
        process, port, seconds = started(folder)
        print(f"started again with {asked.objects} objects in {seconds:.2f} s")
        show_memory(f"memory of the API, {asked.objects} objects, started", process)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
