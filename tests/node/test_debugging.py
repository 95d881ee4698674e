"""A container that comes to look sees its target's processes; a pod ends when its time is over."""

from __future__ import annotations

import msgspec
import pytest

from lateen.node.frames import CLOSE, STDIN
from lateen.node.protocol import Attach
from tests.node.sandboxed import Sandbox, app, pod
from tests.node.test_streams import Stream

pytestmark = pytest.mark.sandbox

_WAIT = "import time; print('up'); time.sleep(60)"
_LOOK = """
import glob
commands = [open(path, 'rb').read() for path in glob.glob('/proc/[0-9]*/cmdline')]
print(len(commands), sum(b"print('up'" b"); time" in command for command in commands))
"""
_TALK = "print('heard', input())"


def test_it_sees_its_targets_processes_and_can_be_talked_to(sandbox: Sandbox) -> None:
    run = pod(160, _WAIT)
    sandbox.put(run)
    sandbox.until_ready(run.uid)
    looker = app(_LOOK, name="looker", target="app")
    alone = app(_LOOK, name="alone")
    talker = app(_TALK, name="talker", stdin=True, stdin_once=True)
    sandbox.put(msgspec.structs.replace(run, ephemeral_containers=(looker, alone, talker)))

    def ended(report: object) -> set[str]:
        status = report.status  # type: ignore[attr-defined]
        return {s.name for s in status.ephemeral_container_statuses if s.state.terminated}

    sandbox.until(run.uid, lambda report: {"looker", "alone"} <= ended(report))
    assert sandbox.log(run, "looker") == ["2 1"]
    assert sandbox.log(run, "alone") == ["1 0"]
    stream = Stream(sandbox, run.uid, Attach(container="talker", stdin=True))
    stream.send(STDIN, b"you\n")
    stream.send(CLOSE)
    out, _, end = stream.finish()
    assert (out, end.get("error", "")) == (b"heard you\n", "")
    report = sandbox.until(run.uid, lambda report: "talker" in ended(report))
    assert report.status.phase == "Running"
    sandbox.drop(run.uid)


def test_one_whose_target_does_not_run_says_so(sandbox: Sandbox) -> None:
    run = pod(161, _WAIT)
    sandbox.put(run)
    sandbox.until_ready(run.uid)
    lost = app(_LOOK, name="lost", target="nobody")
    sandbox.put(msgspec.structs.replace(run, ephemeral_containers=(lost,)))
    report = sandbox.until(
        run.uid,
        lambda report: any(
            s.state.terminated is not None for s in report.status.ephemeral_container_statuses
        ),
    )
    (status,) = report.status.ephemeral_container_statuses
    ended = status.state.terminated
    assert ended is not None
    assert ended.message == 'unable to find target container "nobody"'
    sandbox.drop(run.uid)


def test_a_pod_ends_when_its_time_is_over(sandbox: Sandbox) -> None:
    run = pod(162, _WAIT, deadline_seconds=3600, grace_seconds=1)
    sandbox.put(run)
    sandbox.until_ready(run.uid)
    sandbox.put(msgspec.structs.replace(run, deadline_seconds=1))
    report = sandbox.until(
        run.uid,
        lambda report: all(s.state.terminated for s in report.status.container_statuses),
    )
    assert (report.status.phase, report.status.reason) == ("Failed", "DeadlineExceeded")
    assert "longer than the specified deadline" in report.status.message
    sandbox.drop(run.uid)


def test_work_that_is_done_in_time_has_succeeded(sandbox: Sandbox) -> None:
    run = pod(163, "print('done')", deadline_seconds=60, restart_policy="Never")
    assert sandbox.execute(run) == ["done"]
