"""`lateen up`: start a mesh, or apply the difference to a running one.

In: the options.    Out: an exit status: 0 all well, 1 some input was refused or some pod cannot run.
Before: cli/main.py      After: app/supervising.py, cli/view.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lateen.apiserver.client import Client
from lateen.app.settings import (
    HTTP_PORT,
    HTTPS_PORT,
    Settings,
    directories,
    make_private,
)
from lateen.base.errors import EnvironmentFault, Unreachable
from lateen.base.observing import Observing
from lateen.cli.finding import status_of
from lateen.cli.view import View, is_well, print_result

POLL = 0.1  # seconds between looks at the mesh
MOST_NODES = 50
REGION = "local"  # of a zone that was given without one
_LABEL = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
START_PATIENCE = 60.0  # seconds for the control plane to answer at all, or to be given up


def run_up(
    *,
    name: str,
    paths: list[str],
    namespace: str,
    detach: bool,
    ports: list[str],
    nodes: int,
    zones: str,
    timeout: float,
) -> int:
    """Start, or apply; see the module."""
    run, state, cache = directories(name)
    asked = parse_ports(ports)
    places = parse_nodes(nodes, zones)
    settings = Settings(
        name=name,
        run=str(run),
        state=str(state),
        cache=str(cache),
        paths=tuple(absolute(path) for path in paths),
        stdin=standard_input() if "-" in paths else "",
        folder=str(Path.cwd()),
        namespace=namespace,
    )
    client = Client(settings.api_socket)
    try:
        before = status_of(client)
    except Unreachable:
        settings = msgspec.structs.replace(
            settings,
            ports=ports_of(paths, asked),
            nodes=places or ("",),
            observing=observing_of(paths, os.environ),
        )
        _check_machine(settings)
        return _detached(settings, client, timeout) if detach else _foreground(settings, client)
    _check_same_ports(before, asked)
    _check_same_nodes(before, places)
    return _apply(settings, client, timeout, before)


def absolute(path: str) -> str:
    """The whole path of what was given; `-` stays. Raises EnvironmentFault where nothing is there."""
    if path == "-":
        return path
    try:
        Path(path).stat()
    except OSError as fault:
        raise EnvironmentFault(f"{path}: {fault.strerror}") from None
    return str(Path(path).absolute())


def standard_input() -> str:
    """What comes in; nothing at all is a command before the pipe that failed, not a wish."""
    try:
        text = sys.stdin.read()
    except UnicodeDecodeError as fault:
        raise EnvironmentFault(f"standard input is not UTF-8 text: {fault.reason}") from None
    if not text.strip():
        raise EnvironmentFault("nothing came in on standard input")
    return text


def parse_ports(words: Sequence[str]) -> dict[int, int]:
    """`80=9080` as {80: 9080}; raises EnvironmentFault for anything else. 0 is any free port."""
    ports: dict[int, int] = {}
    for word in words:
        gateway, _, host = word.partition("=")
        numbers = [int(n) for n in (gateway, host) if n.isascii() and n.isdigit() and len(n) <= 5]
        if len(numbers) != 2 or not (0 < numbers[0] < 65536 and numbers[1] < 65536):
            raise EnvironmentFault(
                f"--port {word}: wanted GATEWAY=HOST, such as 80=9080 (a HOST of 0 is any free port)"
            )
        ports[numbers[0]] = numbers[1]
    return ports


def ports_of(paths: Sequence[str], asked: Mapping[int, int]) -> dict[int, int]:
    """The usual ones, those of lateen.yaml over them, and those of the command line over these."""
    from lateen.sources.project import read_project

    project, _ = read_project(paths)
    ports = {80: HTTP_PORT, 443: HTTPS_PORT} | dict(project.ports) | dict(asked)
    free = _free_ports(sum(not host for host in ports.values()))
    return {gateway: host or next(free) for gateway, host in ports.items()}


def observing_of(paths: Sequence[str], environ: Mapping[str, str]) -> Observing:
    """What lateen.yaml says is kept and handed on, and over it the environment; raises EnvironmentFault."""
    from lateen.sources.project import read_project
    from lateen.sources.telemetry import with_environment

    return with_environment(read_project(paths)[0].observing, environ)


def _free_ports(count: int) -> Iterator[int]:
    """Loopback ports nobody uses now; all are held until all are found, so none comes twice."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return iter([int(probe.getsockname()[1]) for probe in probes])


def _check_same_ports(before: Mapping[str, Any], asked: Mapping[int, int]) -> None:
    """A running mesh keeps its ports; raises EnvironmentFault when others are asked for."""
    for gateway, host in asked.items():
        now = before["ports"].get(str(gateway), gateway)
        if host not in (0, now):
            raise EnvironmentFault(
                f"lateen {before['name']} runs with --port {gateway}={now}; "
                "end it with `lateen down` to start it with another"
            )


def parse_nodes(count: int, zones: str) -> tuple[str, ...]:
    """The places of so many nodes, over the zones in turn; () when nothing was asked for.

    A zone is `ZONE` or `REGION/ZONE`; 0 nodes are one in each zone. Raises EnvironmentFault.
    """
    known = [z if "/" in z else f"{REGION}/{z}" for z in zones.split(",") if zones]
    for zone in known:
        parts = zone.split("/")
        if len(parts) > 3 or not all(_LABEL.fullmatch(part) for part in parts):
            raise EnvironmentFault(f"--zones {zones}: wanted names such as a,b or eu/a,us/b")
    if count > MOST_NODES:
        raise EnvironmentFault(f"--nodes {count}: at most {MOST_NODES}")
    return tuple(known[n % len(known)] if known else "" for n in range(count or len(known)))


def _check_same_nodes(before: Mapping[str, Any], places: tuple[str, ...]) -> None:
    """A running mesh keeps its nodes; raises EnvironmentFault when others are asked for."""
    if places and list(places) != before["nodes"]:
        words = f"lateen {before['name']} runs with other nodes; end it with `lateen down` to change them"
        raise EnvironmentFault(words)


def _check_machine(settings: Settings) -> None:
    """Say at once what would not work, before anything is started."""
    from lateen.node.launch import supported

    if why := supported():
        raise EnvironmentFault(why)
    for gateway, host in sorted(settings.ports.items()):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", host))
            except OSError as fault:
                raise EnvironmentFault(
                    f"port {host} of 127.0.0.1, for Gateway port {gateway}, cannot be used "
                    f"({fault.strerror}); choose another with --port {gateway}=PORT"
                ) from None


def _foreground(settings: Settings, client: Client) -> int:
    from lateen.app.supervising import Supervisor

    supervisor = Supervisor(settings)
    view = View(client, ending=lambda: supervisor.ending)
    asyncio.run(supervisor.run(view.follow))
    print(f"lateen {settings.name} has ended", flush=True)
    return 1 if view.failed else 0


def _detached(settings: Settings, client: Client, timeout: float) -> int:
    make_private(settings.run_dir)
    make_private(settings.state_dir)
    settings.save()
    path = settings.state_dir / "supervisor.log"
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    logged = path.stat().st_size
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "lateen.app.supervising", settings.run],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    os.close(log)

    def check() -> None:
        if child.poll() is not None:
            raise EnvironmentFault(_last_words(path, logged))

    return _await_ready(client, timeout, View(client), check)


def _last_words(log: Path, start: int) -> str:
    """Why the supervisor ended, from what it wrote after `start` bytes."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    said = [line.removeprefix("lateen: ") for line in lines if line.startswith("lateen: ")]
    return said[-1] if said else f"lateen ended at once; see {log}"


def _apply(settings: Settings, client: Client, timeout: float, before: dict[str, Any]) -> int:
    answer = client.post(
        "/lateen/v1/sources",
        {
            "paths": list(settings.paths),
            "stdin": settings.stdin,
            "folder": settings.folder,
            "namespace": settings.namespace,
        },
    )
    counts = ", ".join(f"{len(answer[k])} {k}" for k in ("created", "changed", "deleted"))
    print(f"lateen {settings.name} is running; applied: {counts}", flush=True)
    view = View(client)
    view.seen(before)
    return _await_ready(client, timeout, view, lambda: None)


def _await_ready(client: Client, timeout: float, view: View, check: Callable[[], None]) -> int:
    """Draw until the mesh is at rest; `check` raises when there is nothing to wait for any more."""
    try:
        status = _settled(client, timeout, view, check)
    except KeyboardInterrupt:
        view.finish()
        print("It goes on without this terminal: `lateen status` shows it, `lateen down` ends it.")
        return 130
    print_result(status)
    if status["phase"] == "starting":
        print(f"\nNot ready after {timeout:.0f} s; it goes on: `lateen status` shows how it is.")
    return 0 if is_well(status) else 1


def _settled(
    client: Client, timeout: float, view: View, check: Callable[[], None]
) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    first_answer = time.monotonic() + START_PATIENCE
    status: dict[str, Any] | None = None
    try:
        while status is None or time.monotonic() < deadline:
            check()
            try:
                status = status_of(client)
            except Unreachable:
                if status is None and time.monotonic() > first_answer:
                    raise
            if status is not None:
                view.show(status)
                if status["phase"] != "starting":
                    break
            time.sleep(POLL)
    finally:
        view.finish()
    return status
