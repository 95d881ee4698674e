"""A control plane without pods: what it answers, and what it does about faults, its own included."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lateen.apiserver.client import Client
from lateen.app import control
from lateen.app.control import ControlPlane
from lateen.app.settings import Settings, load_settings, make_private

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports: [{port: 80}]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A mesh of one file, as the supervisor leaves it to the control plane."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files/web.yaml").write_text(SERVICE)
    made = Settings(
        run=str(tmp_path / "r"),
        state=str(tmp_path / "s"),
        cache=str(tmp_path / "c"),
        paths=(str(tmp_path / "files"),),
        folder=str(tmp_path),
    )
    for folder in (made.run_dir, made.state_dir):
        make_private(folder)
    (made.run_dir / "boot").write_text("one")
    made.save()
    return made


class Running:
    """A control plane in this process."""

    def __init__(self, settings: Settings) -> None:
        self.plane = ControlPlane(settings)
        self._client = Client(settings.api_socket)

    def has_service(self, name: str) -> bool:
        """Whether the store has it, of the default namespace."""
        services = self.plane.store.list(kind="Service", namespace="default")
        return any(obj.key.name == name for obj in services)

    async def get(self, path: str) -> Any:
        return await asyncio.to_thread(self._client.get, path)

    async def status(self, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status of which that is true."""
        async with asyncio.timeout(20):
            while True:
                status: dict[str, Any] = await self.get("/lateen/v1/status")
                if until(status):
                    return status
                await asyncio.sleep(0.01)


def run(settings: Settings, scenario: Callable[[Running], Awaitable[None]]) -> None:
    """Run a control plane until the scenario is over, then end it as the supervisor does."""
    here = os.getcwd()

    async def scene() -> None:
        running = Running(settings)
        plane = asyncio.create_task(running.plane.run())
        async with asyncio.timeout(20):
            while not settings.api_socket.exists():
                assert not plane.done(), plane.exception()
                await asyncio.sleep(0.01)
        try:
            await scenario(running)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await plane

    try:
        asyncio.run(scene())
    finally:
        os.chdir(here)
        gc.unfreeze()


def test_it_serves_what_the_files_say_and_says_where(settings: Settings) -> None:
    async def scenario(running: Running) -> None:
        status = await running.status(lambda status: status["phase"] == "ready")
        assert status["problems"] == []
        assert status["kubeconfig"] == str(settings.run_dir / "kubeconfig")
        service = await running.get("/api/v1/namespaces/default/services/web")
        assert service["spec"]["clusterIP"].startswith("198.19.")
        assert (await running.get("/lateen/v1/proxies")) == {"proxies": []}
        port = load_settings(settings.run_dir).api_port
        assert f"127.0.0.1:{port}" in (settings.run_dir / "kubeconfig").read_text()

    run(settings, scenario)
    assert not settings.api_socket.exists()
    assert not (settings.run_dir / "x" / "xds.sock").exists()


def test_one_that_comes_back_answers_where_the_first_did(settings: Settings) -> None:
    ports = []

    async def scenario(running: Running) -> None:
        await running.status(lambda status: status["phase"] == "ready")
        ports.append(running.plane.settings.api_port)

    run(settings, scenario)
    run(load_settings(settings.run_dir), scenario)
    assert ports[0] == ports[1] > 0


def test_a_fault_of_ours_is_said_until_a_round_succeeds_and_nothing_else_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(running: Running) -> None:
        await running.status(lambda status: status["phase"] == "ready")
        good = running.plane.planning.step

        def step(*_: object) -> None:
            raise KeyError("subset")

        monkeypatch.setattr(running.plane.planning, "step", step)
        (Path(settings.folder) / "files/other.yaml").write_text(SERVICE.replace("web", "other"))
        status = await running.status(
            lambda status: bool(status["problems"]) and running.has_service("other")
        )
        (problem,) = status["problems"]
        assert problem["code"] == "LAT9999"
        assert "KeyError: 'subset'" in problem["message"]
        assert status["phase"] == "degraded"
        assert await running.get("/api/v1/namespaces/default/services/other")
        monkeypatch.setattr(running.plane.planning, "step", good)
        (Path(settings.folder) / "files/third.yaml").write_text(SERVICE.replace("web", "third"))
        await running.status(lambda status: status["phase"] == "ready")

    run(settings, scenario)


def test_a_port_that_is_taken_is_said_in_one_line(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        tree = json.loads((settings.run_dir / "settings.json").read_text())
        (settings.run_dir / "settings.json").write_text(json.dumps(tree | {"api_port": port}))
        ended = subprocess.run(
            [sys.executable, "-P", "-m", control.__name__, settings.run],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert f"port {port} of 127.0.0.1 for the Kubernetes API cannot be used" in last
    assert "Traceback" not in ended.stderr
