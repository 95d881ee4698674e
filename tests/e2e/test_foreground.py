"""`lateen up` and `lateen logs -f` in the foreground, as a terminal has them: Ctrl-C ends them, and cleanly."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import FOLDER
from tests.e2e.harness import LATEEN, READY, Mesh, eventually
from tests.e2e.test_resilience import host_network, leftovers

FRONT = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [front]
  http:
    - match: [{uri: {exact: /old}}]
      redirect: {uri: /new, redirectCode: 302}
    - route: [{destination: {host: web}}]
"""


def small(folder: Path) -> Mesh:
    """A mesh of two pods, the ingress gateway and `web`, that is not up yet."""
    shutil.copytree(FOLDER / "echo", folder / "echo")
    for name in ("lateen.yaml", "k8s/00-namespace.yaml", "k8s/web.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(FOLDER / name, folder / name)
    (folder / "front.yaml").write_text(FRONT)
    return Mesh(folder)


@contextmanager
def started(mesh: Mesh, words: Sequence[str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on, its output in a file; killed should the test fail before its end."""
    # A shell that starts tests in the background ignores SIGINT; a terminal's user does not.
    command = ["env", "--default-signal=INT", LATEEN, *words, "--name", "t"]
    with (
        out.open("wb") as written,
        subprocess.Popen(command, env=mesh.env, stdout=written, stderr=written) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def up_words(mesh: Mesh) -> list[str]:
    """`up` of the mesh's folder, on its own ports, in the foreground."""
    return ["up", str(mesh.folder), "--port", f"80={mesh.http}", "--port", f"443={mesh.https}"]


def is_up(mesh: Mesh) -> bool:
    """Whether all is ready and `web` answers outside."""
    return mesh.lateen("status", check=False).returncode == 0 and mesh.get("/").status == 200


def identities() -> dict[tuple[int, str], int]:
    """Every process there is, as (pid, start time in clock ticks), and its parent's pid."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        found[int(stat.parent.name), fields[19]] = int(fields[1])
    return found


def descendants(pid: int) -> set[tuple[int, str]]:
    """All processes below one, so named that a pid used again is not mistaken for one of them."""
    everyone = identities()
    below, parents = set[tuple[int, str]](), {pid}
    while parents:
        children = {key for key, parent in everyone.items() if parent in parents} - below
        below |= children
        parents = {number for number, _ in children}
    return below


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_up_with_status_0_and_leaves_nothing(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = host_network()
    mesh = small(tmp_path / "mesh")
    try:
        with started(mesh, up_words(mesh), tmp_path / "out") as up:
            assert eventually(lambda: is_up(mesh), within=READY), (tmp_path / "out").read_text()
            family = descendants(up.pid)
            assert len(family) > 5, "the control plane, the agent, the pods and their Envoys"
            up.send_signal(number)
            assert up.wait(timeout=READY) == 0, (tmp_path / "out").read_text()
        assert (tmp_path / "out").read_text().endswith("lateen t has ended\n")
        assert eventually(lambda: not family & identities().keys()), family & identities().keys()
        assert leftovers(mesh) == []
        assert not mesh.run.exists()
        assert host_network() == before
    finally:
        mesh.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh whose `up` is in the foreground of another process."""
    folder = tmp_path_factory.mktemp("foreground")
    mesh = small(folder / "mesh")
    try:
        with started(mesh, up_words(mesh), folder / "out") as up:
            assert eventually(lambda: is_up(mesh), within=READY), (folder / "out").read_text()
            yield mesh
            up.terminate()
            up.wait(timeout=READY)
    finally:
        mesh.end()


def test_logs_follow_a_line_written_later_until_ctrl_c(running: Mesh, tmp_path: Path) -> None:
    def write(line: str) -> None:
        running.inside(f"import sys; print({line!r}, file=sys.stderr, flush=True)")

    out = tmp_path / "out"
    write("an early line")
    with started(running, ["logs", "web", "-f"], out) as logs:
        assert eventually(lambda: "an early line\n" in out.read_text()), out.read_text()
        assert "a later line" not in out.read_text()
        write("a later line")
        assert eventually(lambda: "a later line\n" in out.read_text()), out.read_text()
        logs.send_signal(signal.SIGINT)
        assert logs.wait(timeout=READY) == 130
    assert "Traceback" not in out.read_text()


def test_up_again_from_another_process_applies_the_difference(
    running: Mesh, tmp_path: Path
) -> None:
    (pod,) = running.pods("web")
    # A copy, as the running mesh would see a change of its own files without being asked.
    folder = tmp_path / "mesh"
    shutil.copytree(running.folder, folder)
    file = folder / "front.yaml"
    file.write_text(file.read_text().replace("redirectCode: 302", "redirectCode: 308"))
    assert running.get("/old").status == 302
    done = running.lateen("up", str(folder))
    assert "lateen t is running; applied: 0 created, 1 changed, 0 deleted" in done.stdout
    assert eventually(lambda: running.get("/old").status == 308)
    assert [one["name"] for one in running.pods("web")] == [pod["name"]]
