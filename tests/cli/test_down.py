"""`down` ends a mesh whose control plane does not answer, and clears away what a crash left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lateen.cli.down import run_down

# Holds the lock as a supervisor does, and ends as one does: by removing the run directory.
SUPERVISOR = """
import fcntl, shutil, signal, sys
run, lock = sys.argv[2], open(sys.argv[3], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
shutil.rmtree(run)
"""


@pytest.fixture
def run(short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run directory of a mesh `default`, with nothing that answers."""
    monkeypatch.setenv("LATEEN_RUN_DIR", str(short / "r"))
    monkeypatch.setenv("LATEEN_STATE_DIR", str(short / "s"))
    folder = short / "r" / "default"
    folder.mkdir(parents=True)
    (short / "s" / "default").mkdir(parents=True)
    return folder


def test_without_a_control_plane_the_supervisor_is_asked_by_a_signal(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = run.parents[1] / "s" / "default" / "lock"
    command = [sys.executable, "-c", SUPERVISOR, "lateen", str(run), str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        try:
            assert supervisor.stdout is not None
            assert supervisor.stdout.readline() == "ready\n"
            (run / "pids.json").write_text(json.dumps({"supervisor": supervisor.pid}))
            assert run_down("default") == 0
            assert supervisor.wait(10) == 0
        finally:
            supervisor.kill()
    assert capsys.readouterr().out == "lateen default has ended\n"


def test_a_run_directory_without_a_supervisor_is_removed(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.parents[1] / "s" / "default" / "lock").touch()
    with subprocess.Popen(["sleep", "60"]) as bystander:  # has the number that the file names
        try:
            (run / "pids.json").write_text(json.dumps({"supervisor": bystander.pid}))
            assert run_down("default") == 0
            assert bystander.poll() is None
        finally:
            bystander.kill()
    assert capsys.readouterr().out == "lateen default does not run\n"
    assert not run.exists()
