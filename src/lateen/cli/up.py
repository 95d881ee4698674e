"""`lateen up`: start a mesh, or apply the difference to a running one.

In: the options.    Out: an exit status: 0 all well, 1 some input was refused or some pod cannot run.
Before: cli/main.py      After: app/supervising.py, cli/view.py
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lateen.apiserver.client import Client
from lateen.app.settings import (
    HTTP_PORT,
    HTTPS_PORT,
    Settings,
    directories,
    make_private,
)
from lateen.base.errors import EnvironmentFault, Unreachable
from lateen.cli.view import View, print_result

POLL = 0.1  # seconds between looks at the mesh
START_PATIENCE = 15.0  # seconds for the control plane to answer at all


def run_up(
    *,
    name: str,
    paths: list[str],
    namespace: str,
    detach: bool,
    ports: list[str],
    timeout: float,
) -> int:
    """Start, or apply; see the module."""
    run, state, cache = directories(name)
    settings = Settings(
        name=name,
        run=str(run),
        state=str(state),
        cache=str(cache),
        paths=tuple(_absolute(path) for path in paths),
        stdin=sys.stdin.read() if "-" in paths else "",
        folder=str(Path.cwd()),
        namespace=namespace,
        ports=_port_map(ports),
    )
    client = Client(settings.api_socket)
    try:
        client.get("/lateen/v1/status")
    except Unreachable:
        _check_machine(settings)
        return _detached(settings, client, timeout) if detach else _foreground(settings, client)
    return _apply(settings, client, timeout)


def _absolute(path: str) -> str:
    if path == "-":
        return path
    try:
        Path(path).stat()
    except OSError as fault:
        raise EnvironmentFault(f"{path}: {fault.strerror}") from None
    return str(Path(path).absolute())


def _port_map(words: list[str]) -> dict[int, int]:
    ports = {80: HTTP_PORT, 443: HTTPS_PORT}
    for word in words:
        gateway, _, host = word.partition("=")
        if not (gateway.isdigit() and host.isdigit() and 0 < int(host) < 65536):
            raise EnvironmentFault(f"--port {word}: want GATEWAY=HOST, such as 80=9080")
        ports[int(gateway)] = int(host)
    return ports


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

    view = View(client)
    supervisor = Supervisor(settings)
    asyncio.run(supervisor.run(view.follow))
    return 1 if view.refused else 0


def _detached(settings: Settings, client: Client, timeout: float) -> int:
    make_private(settings.run_dir)
    make_private(settings.state_dir)
    settings.save()
    log = os.open(
        settings.state_dir / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
    )
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "lateen.app.supervising", settings.run],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    os.close(log)
    return _await_ready(client, timeout, child, settings)


def _apply(settings: Settings, client: Client, timeout: float) -> int:
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
    return _await_ready(client, timeout, None, settings)


def _await_ready(
    client: Client, timeout: float, child: subprocess.Popen[bytes] | None, settings: Settings
) -> int:
    deadline = time.monotonic() + timeout
    first_answer = time.monotonic() + START_PATIENCE
    view = View(client)
    status: dict[str, Any] | None = None
    while time.monotonic() < deadline:
        if child is not None and child.poll() is not None:
            raise EnvironmentFault(f"lateen ended; see {settings.state_dir / 'supervisor.log'}")
        try:
            status = client.get("/lateen/v1/status")
        except Unreachable:
            if status is None and time.monotonic() > first_answer:
                raise
        if status is not None:
            view.show(status)
            if status["phase"] != "starting":
                break
        time.sleep(POLL)
    view.finish()
    if status is None:
        raise Unreachable("the control plane does not answer")
    print_result(status)
    return 0 if status["phase"] == "ready" and not status["refused"] else 1
