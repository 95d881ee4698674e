"""The live view of a mesh that starts, and the table at the end.

In: `GET /lateen/v1/status`.    Out: a terminal that redraws, or plain lines where there is none.
Before: cli/up.py       After: -
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any, TypedDict

from lateen.apiserver.client import Client
from lateen.base.errors import Unreachable

POLL = 0.15  # seconds


class _Row(TypedDict):
    namespace: str
    name: str
    ready: str
    isReady: bool
    state: str
    message: str
    restarts: int
    proxy: str
    age: float


class View:
    """Draws status after status."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._live: Any = None
        self._said: dict[str, str] = {}
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self.refused = False

    async def follow(self) -> None:
        """Draw until the task is cancelled; after the first readiness, print changes as lines."""
        settled = False
        while True:
            try:
                status = await asyncio.to_thread(self._client.get, "/lateen/v1/status")
            except Unreachable:
                await asyncio.sleep(POLL)
                continue
            self.refused = bool(status["refused"])
            if settled:
                self._print_changes(status)
            else:
                self.show(status)
                if status["phase"] != "starting":
                    settled = True
                    self.finish()
                    print_result(status)
                    print("\nRunning. Ctrl-C ends everything.", flush=True)
                    self._print_changes(status, silent=True)
            await asyncio.sleep(POLL)

    def show(self, status: dict[str, Any]) -> None:
        """Draw one status while the mesh starts."""
        if not self._terminal:
            self._print_changes(status)
            return
        from rich.live import Live

        if self._live is None:
            self._live = Live(refresh_per_second=8, transient=True)
            self._live.start()
        self._live.update(_table(status, time.monotonic() - self._started))

    def finish(self) -> None:
        """Stop redrawing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print_changes(self, status: dict[str, Any], *, silent: bool = False) -> None:
        now: dict[str, str] = {}
        for pod in status["pods"]:
            message = f": {pod['message']}" if pod["message"] and not pod["isReady"] else ""
            proxy = f", proxy {pod['proxy']}" if pod["proxy"] else ""
            now[f"pod {pod['namespace']}/{pod['name']}"] = (
                f"{_word(pod)} {pod['ready']}{proxy}{message}"
            )
        for problem in status["problems"]:
            now[problem_line(problem)] = ""
        for key, text in now.items():
            if self._said.get(key) != text and not silent:
                seconds = time.monotonic() - self._started
                print(f"{seconds:6.1f}s  {key} {text}".rstrip(), flush=True)
        self._said = now


def _word(pod: _Row) -> str:
    """Building, Starting, Ready …: what a person wants to know of a pod."""
    if pod["isReady"]:
        return "Ready"
    return "Starting" if pod["state"] == "Running" else pod["state"]


def _table(status: dict[str, Any], seconds: float) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"lateen {status['name']}: {status['phase']}, {seconds:.1f} s", title_justify="left"
    )
    for heading in ("NAMESPACE", "POD", "READY", "STATE", "PROXY", "RESTARTS", ""):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    for pod in status["pods"]:
        bad = pod["state"] in ("BuildFailed", "CrashLoopBackOff", "Error")
        colour = "green" if pod["isReady"] else "red" if bad else "yellow"
        table.add_row(
            pod["namespace"],
            pod["name"],
            pod["ready"],
            Text(_word(pod), style=colour),
            pod["proxy"],
            str(pod["restarts"]),
            Text(pod["message"]),
        )
    return table


def print_result(status: dict[str, Any]) -> None:
    """The table once all is ready (or cannot get ready), problems and addresses."""
    rows = [("NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "PROXY", "AGE")]
    rows += [
        (
            pod["namespace"],
            pod["name"],
            pod["ready"],
            pod["state"],
            str(pod["restarts"]),
            pod["proxy"] or "-",
            age(pod["age"]),
        )
        for pod in status["pods"]
    ]
    print_columns(rows)
    for pod in status["pods"]:
        if pod["message"] and not pod["isReady"]:
            print(f"\n{pod['namespace']}/{pod['name']}: {pod['state']}: {pod['message']}")
    if status["problems"]:
        print()
    for problem in status["problems"]:
        print(problem_line(problem))
    if status["urls"]:
        print()
    for url in status["urls"]:
        hosts = ", ".join(url["hosts"])
        print(f"{url['url']}  {hosts}")
    if status.get("console"):
        print(f"{status['console']}  the console")
    sys.stdout.flush()


def print_columns(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows with aligned columns, three spaces apart, as kubectl does."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def problem_line(problem: dict[str, Any]) -> str:
    """`istio/vs.yaml:14:9: error IST0106 VirtualService shop/web spec.http[0]: … (fix)`."""
    where = problem["file"]
    if where and problem["line"]:
        where += f":{problem['line']}" + (f":{problem['column']}" if problem["column"] else "")
    who = f"{problem['kind']} {problem['namespace']}/{problem['name']}".replace(" /", " ")
    field = f" {problem['field']}" if problem["field"] else ""
    fix = f" ({problem['fix']})" if problem["fix"] else ""
    front = f"{where}: " if where else ""
    return f"{front}{problem['level'].lower()} {problem['code']} {who}{field}: {problem['message']}{fix}"


def age(seconds: float) -> str:
    """`42s`, `5m`, `3h`, `2d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (unit != "m" and seconds >= size):
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
