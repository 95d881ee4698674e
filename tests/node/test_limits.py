"""Limits and accounts: what control groups are told, what the kernel does, what is said without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lateen.node.accounting import Used, measure
from lateen.node.cgroups import Limiter, find_limiter
from lateen.node.groupplaces import folder_name, left_behind
from lateen.node.protocol import Limits, PodReport
from tests.node.sandboxed import Sandbox, app, pod

_ALL = Limits(memory=64 * 2**20, cpu=500, shares=250)


def test_version_2_is_told_the_limits(tmp_path: Path) -> None:
    folder = tmp_path / "mesh"
    limiter = Limiter(memory=folder, cpu=folder)
    group = limiter.enter("s1.app", _ALL)
    assert group
    told = {path.name: path.read_text() for path in (folder / "s1.app").iterdir()}
    assert told == {
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "50000 100000",
        "cpu.weight": "10",
    }
    assert (folder / "cgroup.subtree_control").read_text() == "+memory +cpu"
    assert group.members == (str(folder / "s1.app" / "cgroup.procs"),)
    assert group.memory_kills() == 0
    (folder / "s1.app" / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    assert group.memory_kills() == 2


def test_version_1_has_a_folder_for_each_controller(tmp_path: Path) -> None:
    memory, cpu = tmp_path / "memory", tmp_path / "cpu"
    limiter = Limiter(memory=memory, cpu=cpu, unified=False)
    group = limiter.enter("s1.app", _ALL)
    assert group
    assert (memory / "s1.app" / "memory.limit_in_bytes").read_text() == "67108864"
    assert (cpu / "s1.app" / "cpu.cfs_quota_us").read_text() == "50000"
    assert (cpu / "s1.app" / "cpu.shares").read_text() == "256"
    assert len(group.members) == 2


def test_without_limits_there_is_no_group(tmp_path: Path) -> None:
    assert Limiter(memory=tmp_path, cpu=tmp_path).enter("s1.app", Limits()) is None
    assert os.listdir(tmp_path) == []


def test_what_is_not_enforced_is_named() -> None:
    none = Limiter(why_not="they are read-only")
    assert none.enter("s1.app", _ALL) is None
    assert none.unmet(_ALL) == (
        "limits of memory and cpu are not enforced here: they are read-only"
    )
    assert none.unmet(Limits(shares=100)) == ""
    half = Limiter(memory=Path("/x"), why_not="cpu is not used")
    assert half.unmet(_ALL) == "limits of cpu are not enforced here: cpu is not used"


def test_accounts_are_summed_by_pid_namespace(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    for pid, namespace, cpu, memory in ((7, "a", 2, 100), (8, "a", 3, 50), (9, "b", 9, 9)):
        folder = tmp_path / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "ns" / "pid").symlink_to(namespace)
        zeros = "0 " * 10
        (folder / "stat").write_text(f"{pid} (a ) b) S {zeros}{cpu * ticks} 0 0 {ticks} 0 0")
        (folder / "status").write_text(
            f"RssAnon:\t{memory} kB\nRssFile:\t999 kB\nRssShmem:\t1 kB\n"
        )
    (tmp_path / "self").mkdir()
    found = measure({"a": ("uid", "app")}, tmp_path)
    assert found == {("uid", "app"): Used(cpu=7.0, memory=152 * 1024)}


def _ended(report: PodReport) -> bool:
    return report.status.phase in {"Succeeded", "Failed"}


def _unenforced(report: PodReport) -> str:
    return next((c.message for c in report.status.conditions if c.type == "LimitsEnforced"), "")


@pytest.mark.sandbox
def test_too_much_memory_kills_or_is_said_not_to(sandbox: Sandbox) -> None:
    script = "held = bytearray(200 * 2**20); print('it fits')"
    container = app(script, limits=Limits(memory=64 * 2**20, cpu=500))
    hungry = pod(85, "", containers=(container,), restart_policy="Never")
    sandbox.put(hungry)
    report = sandbox.until(hungry.uid, _ended)
    (status,) = report.status.container_statuses
    assert status.state.terminated
    if sandbox.hello.unlimited:
        assert "limits of memory" in _unenforced(report)
        assert status.state.terminated.reason == "Completed"
    else:
        assert _unenforced(report) == ""
        assert (status.state.terminated.reason, status.state.terminated.exit_code) == (
            "OOMKilled",
            137,
        )
    sandbox.drop(hungry.uid)
    left = list(Path("/sys/fs/cgroup").glob("*/" + folder_name(sandbox.run)))
    assert left == []


@pytest.mark.sandbox
def test_use_is_told_of_every_container(sandbox: Sandbox) -> None:
    script = """
held = bytearray(b"x") * (40 * 2**20)
import time
while time.process_time() < 0.5: pass
time.sleep(60)
"""
    busy = pod(86, script)
    sandbox.put(busy)
    sandbox.until_ready(busy.uid)
    found = sandbox.until_used(busy.uid, "app", lambda used: used.cpu >= 0.4)
    assert 40 * 2**20 < found.memory < 100 * 2**20
    sandbox.drop(busy.uid)


def test_a_machine_without_control_groups_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("proc /proc proc rw 0 0\n")
    monkeypatch.setattr("lateen.node.groupplaces._MOUNTS", mounts)
    limiter = find_limiter(tmp_path)
    assert (limiter.memory, limiter.cpu) == (None, None)
    assert limiter.why_not == "this machine has no control groups that lateen may use"


def test_what_a_killed_mesh_leaves_is_known_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts, own = tmp_path / "mounts", tmp_path / "own"
    mounts.write_text(
        "cgroup /cg/memory cgroup rw,memory 0 0\n"
        "cgroup /cg/pids cgroup rw,pids 0 0\n"
        "cgroup2 /cg/unified cgroup2 rw 0 0\n"
    )
    own.write_text("4:memory:/x\n0::/user.slice/session.scope\n")
    monkeypatch.setattr("lateen.node.groupplaces._MOUNTS", mounts)
    monkeypatch.setattr("lateen.node.groupplaces._OWN", own)
    name = folder_name(tmp_path)
    assert left_behind(tmp_path) == (
        f"/cg/unified/{name}",
        f"/cg/unified/user.slice/{name}",
        f"/cg/memory/{name}",
    )
