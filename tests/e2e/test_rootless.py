"""What only an ordinary user's mesh can show: no rights are needed, none are there, nobody else gets in."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.harness import Mesh, eventually
from tests.e2e.leftovers import tree
from tests.e2e.others import NOBODY, ForAll, become
from tests.e2e.test_resilience import gone, host_network, leftovers, pids, replaced, two_pods


def processes(mesh: Mesh) -> dict[int, dict[str, str]]:
    """What /proc/PID/status says of every process that knows this mesh's folder, but for ours."""
    found = {}
    for number in (int(line.partition(":")[0]) for line in leftovers(mesh) if line[0].isdigit()):
        try:
            lines = Path(f"/proc/{number}/status").read_text().splitlines()
        except OSError:
            continue
        found[number] = {key: value.strip() for key, _, value in (s.partition(":") for s in lines)}
    return found


def test_every_process_is_the_users_own_and_has_no_rights_on_the_host(mesh: Mesh) -> None:
    seen = processes(mesh)
    assert len(seen) > 10
    assert {word for status in seen.values() for word in status["Uid"].split()} == {str(mesh.uid)}
    for name, number in pids(mesh).items():
        assert int(seen[number]["CapEff"], 16) == 0 or name == "agent", (name, seen[number])


def test_the_sandbox_maps_one_user_and_no_other(mesh: Mesh) -> None:
    launcher = pids(mesh)["agent"]
    mapped = Path(f"/proc/{launcher}/uid_map").read_text().split()
    assert mapped == ["0", str(mesh.uid), "1"]
    assert os.readlink(f"/proc/{launcher}/ns/user") != os.readlink("/proc/self/ns/user")


def test_an_app_has_no_capability_even_in_its_own_sandbox(mesh: Mesh) -> None:
    code = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')])"
    assert mesh.inside(code) == str(["0" * 16] * 5)


def test_another_user_reaches_neither_the_api_nor_the_files(mesh: Mesh) -> None:
    if os.getuid():
        pytest.skip("only root can be another user")
    places = ("api.sock", "node.sock", "border.sock", "settings.json", "x/xds.sock", "p")
    paths = [mesh.run / place for place in places] + [mesh.state / "store.db", mesh.state / "ca"]
    assert all(path.exists() for path in paths)
    code = "import os, sys; print([p for p in sys.argv[1:] if os.path.exists(p)])"
    done = subprocess.run(
        [*become(NOBODY), "/usr/bin/env", mesh.python, "-c", code, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[]\n"


@pytest.fixture
def small(everyone: ForAll) -> Iterator[Mesh]:
    """A mesh of two pods that is not up yet, of the user `nobody`."""
    mesh = Mesh(everyone.mesh, uid=NOBODY, lateen=everyone.lateen)
    mesh.folder = mesh.home / "f"
    two_pods(mesh.folder, everyone.mesh)
    yield mesh
    mesh.end()


def test_a_user_s_mesh_comes_up_from_a_closed_folder_and_goes_without_a_trace(
    small: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = host_network()
    (tmp_path / "secrets.py").write_text("raise SystemExit('not a module of ours')")
    monkeypatch.chdir(tmp_path)  # root's own: the user cannot read where the command is given
    small.env["PATH"] = f"{tmp_path}:{small.env['PATH']}"
    small.up()
    assert small.pods("web")[0]["isReady"]
    small.lateen("down")
    assert leftovers(small) == []
    assert host_network() == before


def test_kill_9_of_any_part_of_a_user_s_mesh_leaves_nothing(small: Mesh) -> None:
    before = host_network()
    small.up()
    with ExitStack() as held:
        trees = [replaced(small, victim, held) for victim in ("border", "agent", "control")]
        trees.append(held.enter_context(tree(pids(small).values())))
        assert trees[-1].kinds() == {"net", "mnt", "pid", "user"}
        os.kill(pids(small)["supervisor"], signal.SIGKILL)
        assert gone(trees), [one.left() for one in trees]
    assert eventually(lambda: not leftovers(small)), leftovers(small)
    assert host_network() == before


def test_without_a_home_it_says_so_in_one_line(small: Mesh) -> None:
    small.env["HOME"] = "/nonexistent"
    del small.env["LATEEN_STATE_DIR"]
    done = small.up(check=False)
    assert done.returncode
    assert done.stderr.count("\n") == 1
    assert "/nonexistent/.local/state/lateen/t cannot be made" in done.stderr
