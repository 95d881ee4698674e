"""The real kubectl's exec, attach and port-forward, by WebSocket and by SPDY."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from lateen.apiserver.app import make_app
from lateen.apiserver.deps import ExecRequest
from lateen.apiserver.kubeconfig import kubeconfig, write_kubeconfig
from lateen.apiserver.serving import TlsListener, serving
from tests.apiserver.certificates import self_signed
from tests.apiserver.pretended import ECHO_PORT, PretendedPod
from tests.apiserver.serve import TOKEN
from tests.apiserver.test_kubectl import KUBECTL
from tests.apiserver.world import deps_for, pod, store_with

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
    pytest.mark.parametrize("sockets", ["true", "false"], ids=["websocket", "spdy"]),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class Kubectl:
    """kubectl, told which protocol to use; one too old to know WebSockets speaks SPDY anyway."""

    home: Path
    sockets: str

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        environment = {
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": self.sockets,
            "KUBECTL_PORT_FORWARD_WEBSOCKETS": self.sockets,
        }
        return await asyncio.create_subprocess_exec(
            KUBECTL or "kubectl",
            f"--kubeconfig={self.home / 'kubeconfig'}",
            f"--cache-dir={self.home / 'cache'}",
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )

    async def run(self, *words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        process = await self.start(*words)
        out, err = await process.communicate(stdin)
        return process.returncode or 0, out, err.decode()


@asynccontextmanager
async def kubectl_for(home: Path, sockets: str) -> AsyncIterator[tuple[Kubectl, PretendedPod]]:
    store, pretended = store_with(pod("web")), PretendedPod()
    certificate, key = self_signed()
    app = make_app(store, replace(deps_for(store), open_stream=pretended.open), token=TOKEN)
    listener = TlsListener(port=0, certificate=certificate, key=key)
    async with serving(app, unix=home / "api.sock", tls=listener) as port:
        tree = kubeconfig(name="default", port=port, ca_pem=certificate, token=TOKEN)
        write_kubeconfig(home / "kubeconfig", tree)
        yield Kubectl(home, sockets), pretended


async def test_output_errors_and_exit_code(tmp_path: Path, sockets: str) -> None:
    async with kubectl_for(tmp_path, sockets) as (kubectl, pretended):
        code, out, err = await kubectl.run("exec", "web", "--", "fail", "--flag")
    assert (code, out) == (7, b"out\n")
    assert err.splitlines()[0] == "err"
    assert "exit code 7" in err
    assert isinstance(pretended.asked[0], ExecRequest)
    assert pretended.asked[0].command == ("fail", "--flag")


async def test_input_goes_in_and_comes_back(tmp_path: Path, sockets: str) -> None:
    sent = bytes(range(256)) * 2000
    async with kubectl_for(tmp_path, sockets) as (kubectl, _):
        code, out, err = await kubectl.run("exec", "-i", "web", "--", "cat", stdin=sent)
    assert (code, out == sent, err) == (0, True, "")


async def test_a_command_that_cannot_start(tmp_path: Path, sockets: str) -> None:
    async with kubectl_for(tmp_path, sockets) as (kubectl, _):
        code, _, err = await kubectl.run("exec", "web", "--", "missing")
    assert code == 1
    assert "Internal error occurred: no such file" in err


async def test_a_container_the_pod_has_not(tmp_path: Path, sockets: str) -> None:
    async with kubectl_for(tmp_path, sockets) as (kubectl, _):
        code, _, err = await kubectl.run("exec", "web", "-c", "none", "--", "cat")
    assert code == 1
    assert "none" in err


async def test_attach_reads_what_it_writes(tmp_path: Path, sockets: str) -> None:
    async with kubectl_for(tmp_path, sockets) as (kubectl, _):
        _, out, err = await kubectl.run("attach", "-i", "web", "-c", "app", stdin=b"hello\n")
    assert b"hello" in out, err


async def test_ports_are_forwarded(tmp_path: Path, sockets: str) -> None:
    async with kubectl_for(tmp_path, sockets) as (kubectl, _):
        process = await kubectl.start("port-forward", "pod/web", f":{ECHO_PORT}")
        assert process.stdout
        line = (await process.stdout.readline()).decode()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, line
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
            writer.write(b"ping")
            writer.write_eof()
            assert await reader.read() == b"ping"
            writer.close()
        process.terminate()
        await process.communicate()
