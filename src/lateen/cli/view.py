"""The live view of a mesh that starts, and the table at the end.

In: `GET /lateen/v1/status`.    Out: a terminal that redraws, or plain lines where there is none.
Before: cli/up.py, cli/frame.py       After: -
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from lateen.apiserver.client import Client
from lateen.base.errors import Unreachable
from lateen.cli.frame import Line, Stages, frame, is_bad, pod_key

OUTPUT_LINES = 20  # of a build that failed
POLL, CALM_POLL = 0.15, 0.5  # seconds between looks while the mesh starts, and after


class View:
    """Draws status after status; `ending` tells whether the mesh was asked to end."""

    def __init__(self, client: Client, *, ending: Callable[[], bool] = lambda: False) -> None:
        self._client = client
        self._ending = ending
        self._live: Any = None
        self._stages = Stages()
        self._said: dict[str, str] = {}
        self._news = 0
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self.failed = False

    async def follow(self) -> None:
        """Draw until the task is cancelled; after the first readiness, print changes as lines."""
        settled = False
        try:
            while not self._ending():
                with contextlib.suppress(Unreachable):
                    status = await asyncio.to_thread(self._client.get, "/lateen/v1/status")
                    settled = self._drawn(status, settled)
                await asyncio.sleep(CALM_POLL if settled else POLL)
            self.finish()
            print(
                "Ending: pods first, then the rest. Ctrl-C once more ends all at once.", flush=True
            )
            await asyncio.Event().wait()
        finally:
            self.finish()

    def _drawn(self, status: dict[str, Any], settled: bool) -> bool:
        """Draw one status; whether the mesh has been at rest once."""
        self.failed = status["phase"] == "degraded" or bool(errors_of(status))
        if self._ending():
            return settled
        if settled:
            self._print_changes(status)
            return True
        self.show(status)
        if status["phase"] == "starting":
            return False
        self.finish()
        self.result(status)
        print("\nRunning. Ctrl-C ends everything.", flush=True)
        return True

    def show(self, status: dict[str, Any]) -> None:
        """Draw one status while the mesh starts."""
        if not self._terminal:
            self._print_changes(status)
            return
        from rich.live import Live

        self._stages.take(status["pods"], time.monotonic() - self._started)
        if self._live is None:
            self._live = Live(auto_refresh=False, transient=True)
            self._live.start()
        size = self._live.console.size
        seconds = time.monotonic() - self._started
        lines = frame(
            status, self._stages, seconds=seconds, width=size.width, height=size.height - 1
        )
        self._live.update(_coloured(lines), refresh=True)

    def seen(self, status: dict[str, Any]) -> None:
        """Take a status for known, and say only what becomes different."""
        self._stages.take(status["pods"], time.monotonic() - self._started)
        self._said = self._lines(status)
        self._take_news(status)

    def result(self, status: dict[str, Any]) -> None:
        """The table, problems and addresses, of which nothing is repeated later."""
        self.seen(status)
        print_result(status)

    def finish(self) -> None:
        """Stop redrawing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print_changes(self, status: dict[str, Any]) -> None:
        seconds = time.monotonic() - self._started
        self._stages.take(status["pods"], seconds)
        now = self._lines(status)
        lines = self._take_news(status)
        lines += [f"{key}{text}" for key, text in now.items() if self._said.get(key) != text]
        lines += [
            f"mended: {key}" for key in self._said if key not in now and self._is_problem(key)
        ]
        self._said = now
        for line in lines:
            print(f"{seconds:6.1f}s  {line}", flush=True)

    def _take_news(self, status: dict[str, Any]) -> list[str]:
        """What has come since the last time, also from a control plane that began anew."""
        newest = max((n["number"] for n in status["news"]), default=0)
        known = self._news if newest >= self._news else 0
        self._news = newest
        return [n["text"] for n in status["news"] if n["number"] > known]

    def _lines(self, status: dict[str, Any]) -> dict[str, str]:
        """What there is to say, by what it is said of."""
        said: dict[str, str] = {}
        for pod in status["pods"]:
            stage = self._stages.now[pod_key(pod)]
            message = f": {pod['message']}" if pod["message"] and is_bad(stage) else ""
            said[f"pod {pod_key(pod)} "] = f"{stage}{message}"
        for image, output in status["outputs"].items():
            said[f"build of {image} "] = f"failed; the end of its output:\n{_quoted(output)}"
        return said | {problem_line(problem): "" for problem in status["problems"]}

    def _is_problem(self, key: str) -> bool:
        return self._said[key] == ""


def _quoted(output: str) -> str:
    return "\n".join(f"    {line}" for line in output.splitlines()[-OUTPUT_LINES:])


def _coloured(lines: Sequence[Line]) -> Any:
    from rich.text import Text

    colours = {"good": "green", "bad": "red", "waiting": "yellow", "heading": "bold", "plain": ""}
    text = Text(no_wrap=True, overflow="crop")
    for number, line in enumerate(lines):
        one = Text(line.text)
        one.stylize(colours[line.style], *line.span)
        text.append("\n" if number else "").append_text(one)
    return text


def errors_of(status: dict[str, Any]) -> list[str]:
    """What was refused or is wrong, a line each; warnings are not among it."""
    wrong = [problem_line(p) for p in status["problems"] if p["level"].lower() == "error"]
    return wrong or list(status["refused"])


def is_well(status: dict[str, Any]) -> bool:
    """Whether all is ready, and all that was given is carried out: exit status 0."""
    return status["phase"] == "ready" and not errors_of(status)


def print_result(status: dict[str, Any]) -> None:
    """The table once all is ready (or cannot get ready), problems and addresses."""
    _print_pods(status["pods"])
    for pod in status["pods"]:
        if pod["message"] and not pod["isReady"]:
            print(f"\n{pod['namespace']}/{pod['name']}: {pod['state']}: {pod['message']}")
            if pod["restarts"]:
                print(f"    see `lateen logs {pod['namespace']}/{pod['name']} --previous`")
    for image, output in status["outputs"].items():
        print(f"\nThe end of the output of the build of {image}:\n{_quoted(output)}")
    if status["problems"]:
        print()
    for problem in status["problems"]:
        print(problem_line(problem))
    if status["urls"]:
        print()
    for url in status["urls"]:
        hosts = ", ".join(url["hosts"])
        print(f"{url['url']}  for {'any host' if hosts == '*' else hosts}")
    if status.get("console"):
        print(f"{status['console']}  the console")
    sys.stdout.flush()


def _print_pods(pods: Sequence[dict[str, Any]]) -> None:
    """As `kubectl get pods -A` has them; in a narrow terminal by namespace, which saves a column."""
    heading = ("NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "PROXY", "AGE")
    rows = [
        (
            pod["namespace"],
            pod["name"],
            pod["ready"],
            pod["state"],
            str(pod["restarts"]),
            pod["proxy"] or "-",
            age(pod["age"]),
        )
        for pod in pods
    ]
    if not rows:
        print("no pods")
        return
    wide = [heading, *rows]
    if not sys.stdout.isatty() or _width_of(wide) <= shutil.get_terminal_size().columns:
        print_columns(wide)
        return
    for namespace, group in groupby(rows, lambda row: row[0]):
        print(f"namespace {namespace}")
        print_columns([heading[1:], *(row[1:] for row in group)], gap=2)


def _width_of(rows: Sequence[tuple[str, ...]]) -> int:
    columns = range(len(rows[0]))
    return sum(max(len(row[i]) for row in rows) for i in columns) + 3 * (len(rows[0]) - 1)


def print_columns(rows: Sequence[tuple[str, ...]], *, gap: int = 3) -> None:
    """Print rows with aligned columns, three spaces apart, as kubectl does."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            (" " * gap)
            .join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            .rstrip()
        )


def problem_line(problem: dict[str, Any]) -> str:
    """`istio/vs.yaml:14:9: error IST0106 VirtualService shop/web spec.http[0]: … (fix)`."""
    where = problem["file"]
    if where and problem["line"]:
        where += f":{problem['line']}" + (f":{problem['column']}" if problem["column"] else "")
    name = "/".join(filter(None, (problem["namespace"], problem["name"])))
    words = (problem["level"].lower(), problem["code"], problem["kind"], name, problem["field"])
    fix = f" ({problem['fix']})" if problem["fix"] else ""
    front = f"{where}: " if where else ""
    return f"{front}{' '.join(filter(None, words))}: {problem['message']}{fix}"


def age(seconds: float) -> str:
    """`42s`, `5m`, `3h`, `2d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (unit != "m" and seconds >= size):
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
