"""However the agent ends, the kernel takes everything away with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lateen.node import launch
from lateen.node.protocol import ProxyRun
from tests.node.bootstraps import passing
from tests.node.sandboxed import WAIT_SECONDS, RunAs, Sandbox, pod, users

pytestmark = pytest.mark.sandbox


def _tree(root: int) -> set[int]:
    """A process and all below it."""
    found, fresh = {root}, {root}
    while fresh:
        fresh = {
            int(child)
            for pid in fresh
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        }
        found |= fresh
    return found


def _living(pids: set[int]) -> set[int]:
    def state(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "gone"

    return {pid for pid in pids if state(pid) not in {"gone", "Z", "X"}}


def _host() -> tuple[str, list[str]]:
    links = sorted(os.listdir("/sys/class/net"))
    return Path("/proc/self/mounts").read_text(), links


def _eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + WAIT_SECONDS
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


@pytest.mark.parametrize("user", users(), ids=lambda user: user.name)
@pytest.mark.parametrize("victim", ["unshare", "agent", "zygote", "link"])
def test_nothing_is_left(user: RunAs, victim: str) -> None:
    if why := launch.supported():
        pytest.skip(why)
    before = _host()
    sandbox = Sandbox(user)
    bootstrap = passing(sandbox.run / "p" / "s2")
    proxied = pod(2, "import time; time.sleep(60)", proxy=ProxyRun(bootstrap=bootstrap))
    sandbox.put(proxied)
    sandbox.until_ready(proxied.uid)
    assert _host() == before
    everything = _tree(sandbox.process.pid)
    agent, zygote, *_ = sorted(everything - {sandbox.process.pid})
    match victim:
        case "unshare":
            os.kill(sandbox.process.pid, signal.SIGKILL)
        case "agent":
            os.kill(agent, signal.SIGKILL)
        case "zygote":
            os.kill(zygote, signal.SIGKILL)
    sandbox.close()
    assert len(everything) >= 5
    assert _eventually(lambda: not _living(everything)), victim
    assert _host() == before
