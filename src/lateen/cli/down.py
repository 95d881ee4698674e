"""`lateen down`: end a mesh and see that nothing is left.

In: the mesh's name.    Out: exit status 0 when it has ended (or did not run).
Before: cli/main.py     After: app/supervising.py
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from pathlib import Path

from lateen.apiserver.client import Client
from lateen.app.settings import directories
from lateen.base.errors import LateenError, Unreachable

PATIENCE = 60.0  # seconds
POLL = 0.05  # seconds


def run_down(name: str) -> int:
    """Ask the supervisor to stop and wait until the run directory is gone."""
    run, state, _ = directories(name)
    client = Client(run / "api.sock")
    try:
        client.post("/lateen/v1/shutdown", {})
    except Unreachable:
        if not _stop_supervisor(run, state):
            print(f"lateen {name} does not run")
            return 0
    deadline = time.monotonic() + PATIENCE
    while run.exists():
        if time.monotonic() > deadline:
            raise LateenError(f"{run} is still there after {PATIENCE:.0f} s")
        time.sleep(POLL)
    print(f"lateen {name} has ended")
    return 0


def _stop_supervisor(run: Path, state: Path) -> bool:
    """Ask it by a signal, as no control plane is there to pass it on.

    False if there is none; what a power cut left of the run directory is then removed.
    """
    try:
        lock = (state / "lock").open("r+")
    except FileNotFoundError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _signal(run)
            return True
        shutil.rmtree(run, ignore_errors=True)
        return False


def _signal(run: Path) -> None:
    # A file from before may be there still, and the number another process's by now.
    with contextlib.suppress(OSError, ValueError, KeyError):
        pid = int(json.loads((run / "pids.json").read_text())["supervisor"])
        if b"lateen" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
