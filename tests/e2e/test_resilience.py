"""What dies is made good, what is wrong stays out, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FOLDER
from tests.e2e.harness import Mesh, eventually


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh of a few pods whose files the tests may change."""
    folder = tmp_path_factory.mktemp("mesh")
    for part in ("echo", "lateen.yaml", "istio/gateway.yaml", "istio/rules.yaml"):
        source, target = FOLDER / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (folder / "k8s").mkdir()
    for name in ("00-namespace", "web", "canary", "other", "flaky", "plain", "api"):
        shutil.copy(FOLDER / "k8s" / f"{name}.yaml", folder / "k8s")
    mesh = Mesh(folder)
    try:
        mesh.up()
        yield mesh
    finally:
        mesh.end()


def pids(mesh: Mesh) -> dict[str, int]:
    found: dict[str, int] = json.loads((mesh.run / "pids.json").read_text())
    return found


class Load:
    """Requests one after the other in some threads, counted by status."""

    def __init__(self, mesh: Mesh, path: str = "/", threads: int = 4) -> None:
        self.seen: Counter[int] = Counter()
        self._mesh, self._path = mesh, path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._stop.is_set():
            self.seen[self._mesh.get(self._path).status] += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def proxies(mesh: Mesh) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        mesh.lateen("proxy", "status", "-o", "json", check=False).stdout
    )["proxies"]
    return rows


def test_the_control_plane_dies_under_load_and_no_request_fails(own: Mesh) -> None:
    first = pids(own)["control"]
    with Load(own) as load:
        assert eventually(lambda: load.seen[200] > 200)
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: pids(own)["control"] != first)
        assert eventually(
            lambda: own.lateen("proxy", "status", check=False).returncode == 0, within=20
        )
        enough = load.seen[200] + 200
        assert eventually(lambda: load.seen[200] > enough)
    assert set(load.seen) == {200}, load.seen
    for row in proxies(own):
        assert row["state"] == "programmed", row
        sent = {kind: n for kind, n in row["sent"].items() if kind != "EDS"}
        assert set(sent.values()) == {0}, "no cluster, listener, route or secret is sent again"
        assert row["kept"] > 0


def test_a_changed_file_changes_the_routing_of_the_running_mesh(own: Mesh) -> None:
    file = own.folder / "istio/gateway.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("redirectCode: 302", "redirectCode: 308"))
        assert eventually(lambda: own.get("/old").status == 308)
    finally:
        file.write_text(text)
    assert eventually(lambda: own.get("/old").status == 302)


def test_bad_input_is_named_line_by_line_and_the_old_routing_stays(own: Mesh) -> None:
    file = own.folder / "istio/gateway.yaml"
    text = file.read_text()
    bad = (
        text.replace("weight: 90", "weight: -90")
        .replace("timeout: 5s", "timeuot: 5s")
        .replace("{host: other}", "{host: nobody}")
    )
    lines = {
        word: 1 + next(i for i, line in enumerate(bad.splitlines()) if word in line)
        for word in ("-90", "timeuot", "nobody")
    }
    try:
        file.write_text(bad)
        done = own.lateen("up", str(own.folder), "-d", check=False)
        assert done.returncode == 1
        for word, line in lines.items():
            said = [one for one in done.stdout.splitlines() if f"gateway.yaml:{line}:" in one]
            assert said, (word, line, done.stdout)
            assert "VirtualService shop/front" in said[0]
        assert "did you mean timeout" in done.stdout.lower() or "timeout" in done.stdout
        seen = Counter(own.get("/canary").json["version"] for _ in range(50))
        assert seen["v1"] > seen["v2"]
        assert own.get("/other/x").json["path"] == "/x"
    finally:
        file.write_text(text)
    assert own.lateen("up", str(own.folder), "-d", check=False).returncode == 0


def test_a_new_file_brings_a_pod_and_its_removal_takes_it_away(own: Mesh) -> None:
    file = own.folder / "k8s/extra.yaml"
    web = (own.folder / "k8s/other.yaml").read_text()
    file.write_text(web.replace("name: other", "name: extra").replace("app: other", "app: extra"))
    assert eventually(lambda: [p for p in own.pods("extra") if p["isReady"]], within=60)
    assert own.call("http://extra/").status == 200
    file.unlink()
    assert eventually(lambda: not own.pods("extra"), within=60)


def test_the_agent_dies_and_the_pods_come_back(own: Mesh) -> None:
    before = pids(own)["agent"]
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: pids(own)["agent"] != before)
    assert eventually(lambda: own.get("/").status == 200, within=60)
    assert eventually(lambda: own.lateen("status", check=False).returncode == 0, within=60)


def leftovers(mesh: Mesh) -> list[str]:
    """Processes that know this mesh's folder, mounts of it, and its files."""
    mark = str(mesh.home).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if (mark in line or mark in environment) and state != "Z":
            found.append(f"{entry.name}: {line.replace(bytes(1), b' ').decode()}")
    found += [
        line for line in Path("/proc/mounts").read_text().splitlines() if str(mesh.home) in line
    ]
    for folder, folders, files in os.walk(mesh.home / "r"):  # while it may be removed
        found += [f"{folder}/{name}" for name in (*folders, *files)]
    return found


def host_network() -> tuple[list[str], int]:
    """What of the network a sandbox could have left: interfaces, and named namespaces."""
    named = Path("/run/netns")
    return sorted(os.listdir("/sys/class/net")), len(list(named.iterdir())) if named.exists() else 0


@pytest.mark.parametrize(
    "order",
    [("supervisor",), ("control", "supervisor"), ("agent", "border", "control", "supervisor")],
)
def test_kill_9_leaves_nothing(order: tuple[str, ...], tmp_path: Path) -> None:
    before = host_network()
    shutil.copytree(FOLDER / "echo", tmp_path / "echo")
    for name in ("lateen.yaml", "k8s/00-namespace.yaml", "k8s/web.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(FOLDER / name, tmp_path / name)
    mesh = Mesh(tmp_path)
    try:
        mesh.up()
        for victim in order:
            os.kill(pids(mesh)[victim], signal.SIGKILL)
            time.sleep(0.05)
        assert eventually(lambda: not leftovers(mesh)), leftovers(mesh)
        assert host_network() == before
    finally:
        mesh.end()


def test_down_leaves_nothing(tmp_path: Path) -> None:
    before = host_network()
    shutil.copytree(FOLDER / "echo", tmp_path / "echo")
    for name in ("lateen.yaml", "k8s/00-namespace.yaml", "k8s/web.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(FOLDER / name, tmp_path / name)
    mesh = Mesh(tmp_path)
    try:
        mesh.up()
        assert mesh.lateen("down").returncode == 0
        assert leftovers(mesh) == []
        assert host_network() == before
    finally:
        mesh.end()
