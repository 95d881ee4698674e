"""`lateen down`: end a mesh and see that nothing is left.

In: the mesh's name.    Out: exit status 0 when it has ended (or did not run).
Before: cli/commands/running.py    After: app/supervising.py
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path

from lateen.apiserver.client import Client
from lateen.app.settings import directories
from lateen.base.errors import LateenError, Unreachable
from lateen.cli.finding import running_meshes

PATIENCE = 60.0  # seconds
ANSWER = 5.0  # seconds for the control plane to pass the wish on; else its parent is asked
POLL = 0.05  # seconds


def run_down(name: str) -> int:
    """Ask the supervisor to stop and wait until the run directory is gone."""
    run, state, _ = directories(name)
    client = Client(run / "api.sock")
    supervisor = _supervisor(run)
    try:
        client.post("/lateen/v1/shutdown", {}, timeout=ANSWER)
    except Unreachable:
        if not _runs(state):
            shutil.rmtree(run, ignore_errors=True)  # what a power cut left
            others = ", ".join(running_meshes(run.parent))
            print(f"lateen {name} does not run" + (f"; these do: {others}" if others else ""))
            return 0
        if supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while run.exists() or _runs(state) or not _has_ended(supervisor):
        if time.monotonic() > deadline:
            raise LateenError(
                f"lateen {name} has not ended after {PATIENCE:.0f} s; see {state}/logs"
            )
        time.sleep(POLL)
    print(f"lateen {name} has ended")
    return 0


def _runs(state: Path) -> bool:
    """Whether some supervisor has this mesh: it lets go of its lock as the last it does."""
    try:
        lock = (state / "lock").open("r+")
    except FileNotFoundError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _supervisor(run: Path) -> int | None:
    """A descriptor of the supervisor's process, whose number nobody else can have while it is open."""
    # A file from before may be there still, and the number another process's by now.
    with contextlib.suppress(OSError, ValueError, KeyError):
        pid = int(json.loads((run / "pids.json").read_text())["supervisor"])
        descriptor = os.pidfd_open(pid)
        if b"lateen" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return descriptor
        os.close(descriptor)
    return None


def _has_ended(process: int | None) -> bool:
    return process is None or bool(select.select([process], [], [], 0)[0])
