"""The official Python client runs commands and forwards ports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.stream import portforward, stream

from tests.apiserver.pretended import ECHO_PORT
from tests.apiserver.test_kubectl_streams import kubectl_for

pytestmark = [
    pytest.mark.anyio,
    # This client leaves closing its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
_POD = ("web", "default")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _with_client(home: Path, work: Callable[[Any], Any]) -> Any:
    """Do something with a client of a served API, in a thread: this client blocks."""
    async with kubectl_for(home, "true"):
        settings = client.Configuration()
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(home / "kubeconfig"), client_configuration=settings
        )
        with client.ApiClient(settings) as api:
            return await asyncio.to_thread(work, client.CoreV1Api(api))


def _exec(core: Any, *command: str, **fields: Any) -> Any:
    asked = {"command": list(command), "stdout": True, "stderr": True} | fields
    return stream(core.connect_get_namespaced_pod_exec, *_POD, **asked)


async def test_a_command_gives_its_output(tmp_path: Path) -> None:
    assert await _with_client(tmp_path, lambda core: _exec(core, "fail")) == "out\nerr\n"


async def test_a_commands_exit_code_is_known(tmp_path: Path) -> None:
    def work(core: Any) -> tuple[str, int]:
        running = _exec(core, "fail", _preload_content=False)
        running.run_forever(timeout=10)
        running.close()
        return running.read_stdout(), running.returncode

    assert await _with_client(tmp_path, work) == ("out\n", 7)


async def test_input_is_echoed(tmp_path: Path) -> None:
    def work(core: Any) -> str:
        running = _exec(core, "cat", stdin=True, _preload_content=False)
        running.write_stdin("hello\n")
        line: str = running.readline_stdout(timeout=10)
        running.close()
        return line

    assert await _with_client(tmp_path, work) == "hello"


async def test_a_port_is_forwarded(tmp_path: Path) -> None:
    def work(core: Any) -> bytes:
        forwarded = portforward(
            core.connect_get_namespaced_pod_portforward, *_POD, ports=str(ECHO_PORT)
        )
        connection = forwarded.socket(ECHO_PORT)
        connection.settimeout(10)
        connection.sendall(b"ping")
        answer: bytes = connection.recv(4)
        connection.close()
        return answer

    assert await _with_client(tmp_path, work) == b"ping"


async def test_what_pods_use_is_a_custom_object(tmp_path: Path) -> None:
    def work(core: Any) -> str:
        custom = client.CustomObjectsApi(core.api_client)
        return json.dumps(custom.list_cluster_custom_object("metrics.k8s.io", "v1beta1", "pods"))

    assert json.loads(await _with_client(tmp_path, work))["kind"] == "PodMetricsList"
