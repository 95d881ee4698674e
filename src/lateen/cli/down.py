"""`lateen down`: end a mesh and see that nothing is left.

In: the mesh's name.    Out: exit status 0 when it has ended (or did not run).
Before: cli/main.py     After: app/supervising.py
"""

from __future__ import annotations

import time

from lateen.apiserver.client import Client
from lateen.app.settings import directories
from lateen.base.errors import LateenError, Unreachable

PATIENCE = 60.0  # seconds
POLL = 0.05  # seconds


def run_down(name: str) -> int:
    """Ask the supervisor to stop and wait until the run directory is gone."""
    run, _, _ = directories(name)
    client = Client(run / "api.sock")
    try:
        client.post("/lateen/v1/shutdown", {})
    except Unreachable:
        if not run.exists():
            print(f"lateen {name} does not run")
            return 0
    deadline = time.monotonic() + PATIENCE
    while run.exists():
        if time.monotonic() > deadline:
            raise LateenError(f"{run} is still there after {PATIENCE:.0f} s")
        time.sleep(POLL)
    print(f"lateen {name} has ended")
    return 0
