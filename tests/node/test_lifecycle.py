"""Init containers, sidecars, hooks, last words and volumes of this machine, in the real sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lateen.api.pod import ContainerStatus, ExecAction, Lifecycle, LifecycleHandler, Probe
from lateen.node.protocol import HostPath, PodReport, VolumeRun, VolumeTarget
from tests.node.sandboxed import Sandbox, app, pod

pytestmark = pytest.mark.sandbox

_SHARED = VolumeRun(name="work", empty_dir=True)
_WORK = VolumeTarget(name="work", path="/work")
_TELL = "open('/work/told', 'a').write(%r); print(open('/work/told').read())"
_SIDECAR = """
import signal, time
def end(*_):
    open('/work/told', 'a').write('side-ended ')
    print(open('/work/told').read())
    exit(0)
signal.signal(signal.SIGTERM, end)
open('/work/told', 'a').write('side ')
open('/work/up', 'w').close()
while True: time.sleep(1)
"""
_UP = Probe(exec=ExecAction(command=("/bin/sh", "-c", "test -e /work/up")), failure_threshold=99)


def _done(report: PodReport) -> bool:
    return report.status.phase in {"Succeeded", "Failed"}


def _helpers_ended(report: PodReport) -> bool:
    inits = report.status.init_container_statuses
    return _done(report) and all(c.state.running is None for c in inits)


def _ended(status: ContainerStatus) -> tuple[int, str]:
    assert status.state.terminated
    return status.state.terminated.exit_code, status.state.terminated.message


def test_init_containers_run_in_order_and_sidecars_end_after_the_work(sandbox: Sandbox) -> None:
    running = pod(
        60,
        "",
        restart_policy="Never",
        init_containers=(
            app(_TELL % "first ", name="first", volumes=(_WORK,)),
            app(_SIDECAR, name="side", volumes=(_WORK,), restart_policy="Always", startup=_UP),
            app(_TELL % "second ", name="second", volumes=(_WORK,)),
        ),
        containers=(app(_TELL % "app ", volumes=(_WORK,)),),
        volumes=(_SHARED,),
    )
    sandbox.put(running)
    report = sandbox.until(running.uid, _helpers_ended)
    assert report.status.phase == "Succeeded"
    assert sandbox.log(running) == ["first side second app "]
    assert sandbox.log(running, "side") == ["first side second app side-ended "]
    pending = [r for r in sandbox.history if r.uid == running.uid and r.status.phase == "Pending"]
    waiting = pending[0].status.container_statuses[0].state.waiting
    assert waiting
    assert waiting.reason == "PodInitializing"
    sandbox.drop(running.uid)


def test_a_failing_init_container_fails_a_pod_that_never_restarts(sandbox: Sandbox) -> None:
    running = pod(
        61,
        "print('not to be')",
        restart_policy="Never",
        init_containers=(app("exit(3)", name="first"),),
    )
    sandbox.put(running)
    report = sandbox.until(running.uid, _done)
    assert report.status.phase == "Failed"
    assert _ended(report.status.init_container_statuses[0]) == (3, "")
    assert report.status.container_statuses[0].state.waiting
    sandbox.drop(running.uid)


def test_a_failing_init_container_is_tried_again_otherwise(sandbox: Sandbox) -> None:
    script = "import os; p = '/work/x'; f = os.path.exists(p); open(p, 'w'); exit(0 if f else 1)"
    running = pod(
        62,
        "print('started')",
        restart_policy="OnFailure",
        init_containers=(app(script, name="first", volumes=(_WORK,)),),
        volumes=(_SHARED,),
    )
    sandbox.put(running)
    report = sandbox.until(running.uid, _done)
    assert report.status.phase == "Succeeded"
    assert report.status.init_container_statuses[0].restart_count == 1
    sandbox.drop(running.uid)


def test_hooks_run_inside_the_container(sandbox: Sandbox) -> None:
    script = """
import os, signal, time
while not os.path.exists('/tmp/hello'): time.sleep(0.02)
print('greeted')
signal.signal(signal.SIGTERM, lambda *_: (print('parted' if os.path.exists('/tmp/bye') else 'alone'), exit(0)))
while True: time.sleep(1)
"""
    hooks = Lifecycle(
        post_start=LifecycleHandler(exec=ExecAction(command=("/bin/sh", "-c", "> /tmp/hello"))),
        pre_stop=LifecycleHandler(exec=ExecAction(command=("/bin/sh", "-c", "> /tmp/bye"))),
    )
    up = Probe(exec=ExecAction(command=("/bin/sh", "-c", "test -e /tmp/hello")))
    running = pod(63, "", containers=(app(script, lifecycle=hooks, readiness=up),))
    sandbox.put(running)
    sandbox.until_ready(running.uid)
    sandbox.until_logged(running, ["greeted"])
    sandbox.drop(running.uid, grace=10)
    assert sandbox.log(running) == ["greeted", "parted"]


@pytest.mark.parametrize(
    ("number", "script", "from_log", "said"),
    [
        (71, "open('/dev/termination-log', 'w').write('why'); exit(3)", False, "why"),
        (72, "print('last line'); exit(3)", True, "last line\n"),
        (73, "print('last line'); exit(3)", False, ""),
    ],
)
def test_last_words_are_reported(
    sandbox: Sandbox, number: int, script: str, from_log: bool, said: str
) -> None:
    container = app(script, message_path="/dev/termination-log", message_from_log=from_log)
    running = pod(number, "", containers=(container,), restart_policy="Never")
    sandbox.put(running)
    report = sandbox.until(running.uid, _done)
    assert _ended(report.status.container_statuses[0]) == (3, said)
    sandbox.drop(running.uid)


def test_a_claims_folder_is_kept_and_shared(sandbox: Sandbox) -> None:
    kept = VolumeRun(name="data", kept=str(sandbox.state / "volumes" / "shop" / "data"))
    at = VolumeTarget(name="data", path="/data")
    script = "open('/data/count', 'a').write('x'); print(open('/data/count').read())"
    printed = [
        sandbox.execute(
            pod(
                number,
                "",
                containers=(app(script, volumes=(at,)),),
                volumes=(kept,),
                restart_policy="Never",
            )
        )
        for number in (65, 66)
    ]
    assert printed == [["x"], ["xx"]]


def _shown_folder(sandbox: Sandbox) -> Path:
    folder = sandbox.folder / "mine"
    folder.mkdir(mode=0o777, exist_ok=True)
    folder.chmod(0o777)
    (folder / "file").write_text("of the host")
    return folder


@pytest.mark.parametrize("asked", [False, True])
def test_a_host_path_is_written_to_only_when_asked(sandbox: Sandbox, asked: bool) -> None:
    folder = _shown_folder(sandbox)
    script = """
print(open('/host/file').read())
try: open('/host/new', 'w').write('x'); print('written')
except OSError as error: print(error.strerror)
"""
    target = VolumeTarget(name="host", path="/host", read_only=not asked)
    volume = VolumeRun(name="host", host=HostPath(path=str(folder), type="Directory"))
    shown = pod(
        75 if asked else 74,
        "",
        containers=(app(script, volumes=(target,)),),
        volumes=(volume,),
        restart_policy="Never",
    )
    printed = sandbox.execute(shown)
    assert printed == ["of the host", "written" if asked else "Read-only file system"]
    assert (folder / "new").exists() is asked
    (folder / "new").unlink(missing_ok=True)


def test_no_host_path_shows_what_is_lateens_own(sandbox: Sandbox) -> None:
    """Neither from above, nor below, nor through a link; nor the sandbox's processes."""
    script = """
import os, sys
for path in sys.argv[1:]:
    print(os.listdir('/host' + path))
"""
    base = app(script)
    arguments = (str(sandbox.run), str(sandbox.state), "/proc")
    container = app(
        "",
        argv=(*base.argv, *arguments),
        volumes=(VolumeTarget(name="host", path="/host", read_only=True),),
    )
    from_above = VolumeRun(name="host", host=HostPath(path="/"))
    above = pod(68, "", containers=(container,), volumes=(from_above,), restart_policy="Never")
    assert sandbox.execute(above) == ["[]", "[]", "[]"]
    link = _shown_folder(sandbox) / "link"
    link.symlink_to(sandbox.run / "p")
    for path in (link, sandbox.run, sandbox.state / "logs", Path("/proc/1")):
        volume = VolumeRun(name="host", host=HostPath(path=str(path)))
        below = pod(69, "", containers=(container,), volumes=(volume,), restart_policy="Never")
        sandbox.put(below)
        report = sandbox.until(below.uid, _done)
        code, words = _ended(report.status.container_statuses[0])
        assert code == 128
        assert "belongs to lateen's sandbox" in words
        sandbox.drop(below.uid)
    os.unlink(link)


def test_a_host_path_that_is_not_there_is_said_so(sandbox: Sandbox) -> None:
    volume = VolumeRun(name="host", host=HostPath(path="/no/such/place", type="Directory"))
    sandbox.put(pod(70, "", volumes=(volume,)))
    report = sandbox.until("uid-70", lambda r: bool(r.status.message))
    assert report.status.message.endswith("/no/such/place is not a directory")
    sandbox.drop("uid-70")
