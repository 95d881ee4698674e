"""The real kubectl on a small mesh: every command says what its users expect."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import Mesh, eventually
from tests.e2e.kubectl_steps import STEPS, Step

KUBECTL = os.environ.get("LATEEN_TEST_KUBECTL") or shutil.which("kubectl")
HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds that a step may take to come true
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh without pods of its own, that can run `test/echo`."""
    folder = tmp_path_factory.mktemp("kubectl") / "mesh"
    shutil.copytree(HERE / "mesh" / "echo", folder / "echo")
    shutil.copy(HERE / "mesh" / "lateen.yaml", folder)
    (folder / "settings.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-the-files}\n"
    )
    running = Mesh(folder)
    try:
        running.up()
        yield running
    finally:
        running.end()


class Kubectl:
    """kubectl with a kubeconfig of its own, so that it may change the context's namespace."""

    def __init__(self, mesh: Mesh, home: Path) -> None:
        self._home = home
        given = Path(mesh.lateen("kubeconfig").stdout.strip())
        shutil.copy(given, home / "kubeconfig")
        told = self.run("version --client -o json", {}).stdout
        minor = json.loads(told)["clientVersion"].get("minor", "")
        self.minor = int(re.sub(r"\D", "", minor) or "99")

    def run(self, typed: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """What it did with a line."""
        return subprocess.run(
            [KUBECTL or "", f"--cache-dir={self._home / 'cache'}", *shlex.split(typed)],
            env={**os.environ, "KUBECONFIG": str(self._home / "kubeconfig"), **env},
            cwd=HERE / "kubectl",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def running(self, typed: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on until it is ended."""
        with subprocess.Popen(
            [KUBECTL or "", f"--cache-dir={self._home / 'cache'}", *shlex.split(typed)],
            env={**os.environ, "KUBECONFIG": str(self._home / "kubeconfig")},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def fault(self, step: Step) -> str:
        """What is wrong with the answer to a step; "" if nothing is."""
        done = self.run(step.typed, dict(step.env))
        said = done.stdout + done.stderr
        if (done.returncode != 0) != step.fails:
            return f"exit status {done.returncode}: {said[:1000]}"
        if not re.search(step.says, said, re.MULTILINE):
            return f"{step.says!r} is not in {said[:1000]}"
        return ""

    def follow(self, step: Step) -> str:
        """The same, waiting for what may take a while."""
        if not step.until:
            return self.fault(step)
        eventually(lambda: not self.fault(step), within=PATIENCE, every=0.3)
        return self.fault(step)


def test_there_are_enough_of_them() -> None:
    assert len(STEPS) >= 120


def test_kubectl_says_what_its_users_expect(small: Mesh, tmp_path: Path) -> None:
    kubectl = Kubectl(small, tmp_path)
    faults = [
        f"kubectl {step.typed}\n  {fault}"
        for step in STEPS
        if step.since <= kubectl.minor < step.before and (fault := kubectl.follow(step))
    ]
    assert not faults, "\n".join(faults)


def answers(url: str) -> bool:
    """Whether there is a 200; a pod without a probe is ready before it listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def test_kubectl_forwards_a_port(small: Mesh, tmp_path: Path) -> None:
    kubectl = Kubectl(small, tmp_path)
    made = kubectl.run("run forwarded --image=test/echo:1.0 --restart=Never --port=8080", {})
    assert made.returncode == 0, made.stderr
    ready = kubectl.run("wait --for=condition=Ready pod/forwarded --timeout=60s", {})
    assert ready.returncode == 0, ready.stderr
    with kubectl.running("port-forward pod/forwarded :8080") as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+) -> 8080", told)
        assert found, told
        eventually(lambda: answers(f"http://127.0.0.1:{found[1]}/"), within=10)
    assert kubectl.run("delete pod forwarded --now", {}).returncode == 0
