"""What commands print and how they end: with a mesh, without one, and with what cannot be."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lateen.app.settings import Settings, make_private
from lateen.cli.main import main
from lateen.node.launch import supported

GOOD = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports: [{port: 80}]
"""
BAD = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
    - route: [{destination: {host: web}}]
      timeuot: 5s
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


class Shell:
    """Runs commands in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["lateen", *words])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)


@pytest.fixture
def lateen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a mesh `default` whose control plane runs, without a node and so without pods."""
    folder = tmp_path_factory.mktemp("m")
    (folder / "files").mkdir()
    (folder / "files/web.yaml").write_text(GOOD)
    settings = Settings(
        run=str(folder / "r/default"),
        state=str(folder / "s/default"),
        cache=str(folder / "c"),
        paths=(str(folder / "files"),),
        folder=str(folder),
    )
    make_private(settings.run_dir)
    make_private(settings.state_dir)
    (settings.run_dir / "boot").write_text("one")
    settings.save()
    command = [sys.executable, "-P", "-m", "lateen.console.serve", settings.run]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as control:
        try:
            deadline = time.monotonic() + 30
            while not settings.api_socket.exists() and time.monotonic() < deadline:
                assert control.poll() is None
                time.sleep(0.02)
            yield folder
        finally:
            control.terminate()


@pytest.fixture
def running(mesh: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the running mesh, whose files are read anew by `up`."""
    for name in ("run", "state"):
        monkeypatch.setenv(f"LATEEN_{name.upper()}_DIR", str(mesh / name[0]))
    monkeypatch.chdir(mesh)
    return mesh / "files"


@pytest.fixture
def nothing(short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which no mesh runs."""
    monkeypatch.setenv("LATEEN_RUN_DIR", str(short / "r"))
    monkeypatch.setenv("LATEEN_STATE_DIR", str(short / "s"))
    return short


def test_status_is_a_table_or_json_and_ends_with_0_when_all_is_well(
    lateen: Shell, running: Path
) -> None:
    assert lateen("up", str(running), "-d").status == 0
    text = lateen("status")
    assert text.status == 0
    assert text.out.startswith("no pods\n")
    shown = lateen("status", "-o", "json")
    assert shown.status == 0
    assert shown.json["phase"] == "ready"
    assert {
        "name",
        "phase",
        "pods",
        "urls",
        "gateways",
        "problems",
        "refused",
        "console",
    } <= shown.json.keys()


def test_up_on_a_running_mesh_applies_the_difference(lateen: Shell, running: Path) -> None:
    (running / "more.yaml").write_text(GOOD.replace("web", "more"))
    # The file's watcher may be first.
    ended = lateen("up", str(running), "-d")
    assert ended.status == 0
    assert ended.out.startswith("lateen default is running; applied: ")
    (running / "more.yaml").unlink()
    assert lateen("up", str(running), "-d").status == 0


def test_analyze_without_a_path_looks_at_what_the_mesh_has(lateen: Shell, running: Path) -> None:
    rule = running / "rule.yaml"
    rule.write_text(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        "metadata: {name: lost}\nspec: {host: nowhere}\n"
    )
    try:
        assert lateen("up", str(running), "-d").status == 0
        ended = lateen("analyze", "-o", "json", "--failure-threshold", "Warning")
        assert ended.status == 1
        found = [(p["code"], p["kind"], p["name"], p["file"], p["line"]) for p in ended.json]
        assert found == [("IST0174", "DestinationRule", "lost", "files/rule.yaml", 4)]
    finally:
        rule.unlink()
    assert lateen("up", str(running), "-d").status == 0
    calm = lateen("analyze")
    assert calm.status == 0
    assert calm.out.endswith("of the running mesh\n")


def test_bad_input_is_named_by_every_command_and_ends_with_1(lateen: Shell, running: Path) -> None:
    (running / "bad.yaml").write_text(BAD)
    try:
        up = lateen("up", str(running), "-d")
        assert up.status == 1
        assert "files/bad.yaml:9:7: error" in up.out
        assert "timeuot" in up.out
        assert lateen("status").status == 1
        shown = lateen("status", "-o", "json")
        assert shown.status == 1
        assert shown.json["refused"] == ["VirtualService default/web"]
        (problem,) = shown.json["problems"]
        assert (problem["file"], problem["line"]) == ("files/bad.yaml", 9)
        assert (problem["kind"], problem["name"]) == ("VirtualService", "web")
        assert problem["level"] == "Error"
    finally:
        (running / "bad.yaml").unlink()
    assert lateen("up", str(running), "-d").status == 0


def test_proxy_status_has_one_shape(lateen: Shell, running: Path) -> None:
    shown = lateen("proxy", "status", "-o", "json")
    assert (shown.status, shown.json) == (0, {"proxies": []})
    assert lateen("proxy", "status").out.split()[:4] == ["NAMESPACE", "POD", "TYPE", "STATE"]


def test_kubeconfig_prints_a_path_that_is_there_and_private(lateen: Shell, running: Path) -> None:
    path = Path(lateen("kubeconfig").out.strip())
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("command", [("logs", "web"), ("proxy", "config", "web")], ids=" ".join)
def test_a_pod_that_is_not_there_is_one_line(
    command: tuple[str, ...], lateen: Shell, running: Path
) -> None:
    ended = lateen(*command)
    assert ended.status == 1
    assert ended.err.startswith("lateen: no pod web")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "-o", "json"),
        ("logs", "web"),
        ("proxy", "status"),
        ("proxy", "config", "web"),
        ("kubeconfig",),
    ],
    ids=" ".join,
)
def test_without_a_mesh_a_command_says_how_to_start_one(
    command: tuple[str, ...], lateen: Shell, nothing: Path
) -> None:
    ended = lateen(*command)
    assert ended.status == 1
    assert ended.out == ""
    assert ended.err == "lateen: no mesh default runs; `lateen up PATH` starts it\n"


def test_down_without_a_mesh_has_nothing_to_do(lateen: Shell, nothing: Path) -> None:
    ended = lateen("down")
    assert (ended.status, ended.out) == (0, "lateen default does not run\n")


@pytest.mark.parametrize("command", ["up .", "down", "status", "kubeconfig"])
def test_a_name_that_leads_elsewhere_is_refused(command: str, lateen: Shell, nothing: Path) -> None:
    ended = lateen(*command.split(), "--name", "../x")
    assert ended.status == 1
    assert "../x" in ended.err
    assert ended.err.count("\n") == 1
    assert not (nothing / "x").exists()


def test_a_path_that_is_not_there_is_named_before_anything_starts(
    lateen: Shell, nothing: Path
) -> None:
    ended = lateen("up", str(nothing / "none.yaml"))
    assert ended.status == 1
    assert ended.err == f"lateen: {nothing}/none.yaml: No such file or directory\n"
    assert not (nothing / "r").exists()


@pytest.mark.skipif(bool(supported()), reason="no pods can be run here")
def test_a_port_that_is_taken_is_named_with_a_way_out(lateen: Shell, nothing: Path) -> None:
    (nothing / "web.yaml").write_text(GOOD)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = lateen("up", str(nothing / "web.yaml"), "-d", "--port", f"80={port}")
    assert ended.status == 1
    assert f"port {port} of 127.0.0.1, for Gateway port 80, cannot be used" in ended.err
    assert "choose another with --port 80=" in ended.err
    assert not os.path.exists(nothing / "r/default/pids.json")
