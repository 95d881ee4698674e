"""What dies is made good, what is wrong stays out, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FOLDER
from tests.e2e.harness import Mesh, eventually
from tests.e2e.leftovers import Tree, host_tables, mounts, tree
from tests.e2e.load import Load

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
  http: [{route: [{destination: {host: web}}]}]
"""
SECRETS = 2  # each proxy has: its certificate and whom to trust; `types` does not count them
# What is made wrong in istio/gateway.yaml, and what is said of it.
FAULTS = {
    "weight": (
        "weight: 90",
        "weight: -90",
        "error IST0106 VirtualService shop/front spec.http[0].route[0].weight: "
        "weight -90 < 0: wanted a whole number, 0 or more",
    ),
    "host": (
        "host: other",
        "host: nobody",
        "error IST0101 VirtualService shop/front spec.http[1].route[0].destination.host: "
        'Referenced host not found: "nobody" (add a Service or ServiceEntry for it)',
    ),
    "field": (
        "timeout: 5s",
        "timeuot: 5s",
        "error IST0106 VirtualService shop/front spec.http[8].timeuot: "
        'unknown field "timeuot" (did you mean "timeout"?)',
    ),
}


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


def proxies(mesh: Mesh) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        mesh.lateen("proxy", "status", "-o", "json", check=False).stdout
    )["proxies"]
    return rows


def app_to_app(mesh: Mesh) -> int:
    """The status of a request from app to app, through the sidecars of both."""
    answer = mesh.get("/call?url=http://other/")
    return int(answer.json["status"]) if answer.status == 200 else answer.status


def test_the_control_plane_dies_under_load_and_no_request_fails(own: Mesh) -> None:
    first = pids(own)["control"]
    with Load(lambda: own.get("/").status) as outside, Load(lambda: app_to_app(own)) as inside:
        assert outside.more(100)
        assert inside.more(100)
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: pids(own)["control"] != first)
        assert eventually(
            lambda: own.lateen("proxy", "status", check=False).returncode == 0, within=20
        )
        assert outside.more(200)
        assert inside.more(200)
    assert set(outside.seen) == {200}, outside.seen
    assert set(inside.seen) == {200}, inside.seen
    rows = proxies(own)
    assert len(rows) == 9
    for row in rows:
        assert row["state"] == "programmed", row
        assert sum(row["sent"].values()) == 0, row
        assert row["kept"] == sum(row["types"].values()) + SECRETS, row


def configured(mesh: Mesh) -> dict[str, list[tuple[str, int]]]:
    """For each proxy the versions of its routes, clusters and listeners, and how many were sent."""
    kinds = ("RDS", "CDS", "LDS")
    return {
        row["id"]: [(row["versions"][k], row["sent"][k]) for k in kinds] for row in proxies(mesh)
    }


def test_a_changed_file_changes_the_routing_of_the_running_mesh(own: Mesh) -> None:
    file = own.folder / "istio/gateway.yaml"
    text = file.read_text()
    before = configured(own)
    try:
        file.write_text(text.replace("redirectCode: 302", "redirectCode: 308"))
        assert eventually(lambda: own.get("/old").status == 308)
        after = configured(own)
        assert [one.partition("~")[0] for one in before if before[one] != after[one]] == ["router"]
    finally:
        file.write_text(text)
    assert eventually(lambda: own.get("/old").status == 302)


def place(text: str, words: str) -> str:
    """Line and column of the words, as messages give them."""
    before = text[: text.index(words)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


@pytest.mark.parametrize(
    "faults", [("weight",), ("field",), ("host",), ("weight", "host", "field")]
)
def test_bad_input_is_named_line_by_line_and_the_old_routing_stays(
    own: Mesh, faults: tuple[str, ...]
) -> None:
    file = own.folder / "istio/gateway.yaml"
    text = bad = file.read_text()
    for fault in faults:
        right, wrong, _ = FAULTS[fault]
        assert bad.count(right) == 1
        bad = bad.replace(right, wrong)
    wanted = [
        f"{file}:{place(bad, wrong)}: {said}"
        for _, wrong, said in (FAULTS[fault] for fault in faults)
    ]
    before = configured(own)
    try:
        file.write_text(bad)
        done = own.lateen("up", str(own.folder), "-d", check=False)
        assert done.returncode == 1
        assert [line for line in done.stdout.splitlines() if ": error " in line] == wanted
        assert configured(own) == before
        seen = Counter(own.get("/canary").json["version"] for _ in range(400))
        assert 0.82 <= seen["v1"] / 400 <= 0.98, seen
        assert seen["v1"] + seen["v2"] == 400
        assert own.get("/other/x").json["path"] == "/x"
    finally:
        file.write_text(text)
    assert own.lateen("up", str(own.folder), "-d", check=False).returncode == 0
    assert configured(own) == before


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
    found += [line for line in mounts() if str(mesh.home) in line]
    for folder, folders, files in os.walk(mesh.home / "r"):  # while it may be removed
        found += [f"{folder}/{name}" for name in (*folders, *files)]
    return found


def host_network() -> tuple[list[str], int, list[tuple[int, str, int]]]:
    """What of the network a sandbox could have left: interfaces, named namespaces, filter tables."""
    named = Path("/run/netns")
    count = len(list(named.iterdir())) if named.exists() else 0
    return sorted(os.listdir("/sys/class/net")), count, host_tables()


def two_pods(folder: Path, source: Path = FOLDER) -> None:
    """The files of a mesh of two pods behind a gateway."""
    shutil.copytree(source / "echo", folder / "echo")
    for name in ("lateen.yaml", *(f"k8s/{part}.yaml" for part in ("00-namespace", "web", "other"))):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(source / name, folder / name)
    (folder / "front.yaml").write_text(FRONT)


def gone(trees: list[Tree]) -> bool:
    """Whether nothing is left of any of them, before long."""
    return bool(eventually(lambda: not any(one.left() for one in trees)))


def replaced(mesh: Mesh, victim: str, held: ExitStack) -> Tree:
    """Kill one process of the mesh and wait until another has its place and traffic flows; gives
    what was below all of them before, of which nothing may be left at the end."""
    roots = pids(mesh)
    whole = held.enter_context(tree(roots.values()))
    with tree([roots[victim]]) as old:
        assert {one.pid for one in old.processes} >= {roots[victim]}
        if victim == "agent":
            assert len(old.processes) >= 8, "two launchers, the agent, three Envoys, two apps"
            assert old.kinds() >= {"net", "mnt", "pid"}
        os.kill(roots[victim], signal.SIGKILL)
        assert eventually(lambda: pids(mesh)[victim] != roots[victim])
        assert eventually(lambda: mesh.get("/").status == 200, within=60)
        assert gone([old]), old.left()
    return whole


@pytest.mark.parametrize("victim", ["border", "agent", "control"])
def test_what_was_killed_is_replaced_and_nothing_of_the_old_one_is_left(
    victim: str, tmp_path: Path
) -> None:
    before = host_network()
    two_pods(tmp_path)
    mesh = Mesh(tmp_path)
    try:
        mesh.up()
        with ExitStack() as held:
            trees = [replaced(mesh, victim, held)]
            trees.append(held.enter_context(tree(pids(mesh).values())))
            os.kill(pids(mesh)["supervisor"], signal.SIGKILL)
            assert gone(trees), [one.left() for one in trees]
        assert eventually(lambda: not leftovers(mesh)), leftovers(mesh)
        assert host_network() == before
    finally:
        mesh.end()


@pytest.mark.parametrize(
    "order",
    [("supervisor",), ("control", "supervisor"), ("agent", "border", "control", "supervisor")],
)
def test_kill_9_leaves_nothing(order: tuple[str, ...], tmp_path: Path) -> None:
    before = host_network()
    two_pods(tmp_path)
    mesh = Mesh(tmp_path)
    try:
        mesh.up()
        with ExitStack() as held:
            trees = []
            for victim in order:
                trees.append(held.enter_context(tree(pids(mesh).values())))
                os.kill(pids(mesh)[victim], signal.SIGKILL)
                time.sleep(0.05)
            assert gone(trees), [one.left() for one in trees]
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
