"""Listening, the client of the command line, and who is let in."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from lateen.apiserver.app import make_app
from lateen.apiserver.client import Client
from lateen.apiserver.kubeconfig import kubeconfig, write_kubeconfig
from lateen.apiserver.serving import TlsListener, serving
from lateen.base.errors import EnvironmentFault, NotFound, Unreachable
from tests.apiserver.certificates import self_signed
from tests.apiserver.serve import TOKEN
from tests.apiserver.world import Calls, deps_for, pod, store_with

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_unix_socket_is_private_and_needs_no_token(tmp_path: Path) -> None:
    store, calls = store_with(pod("web-1")), Calls()
    app = make_app(store, deps_for(store, calls))
    path = tmp_path / "api.sock"
    client = Client(path)
    async with serving(app, unix=path) as port:
        assert (port, mode(path)) == (0, 0o600)
        status = await asyncio.to_thread(client.get, "/lateen/v1/status")
        assert status["phase"] == "ready"
        body = {"paths": ["/a"], "stdin": "", "folder": "/", "namespace": "shop"}
        answer = await asyncio.to_thread(client.post, "/lateen/v1/sources", body)
        assert answer["created"] == ["/a"]
        assert calls.sources[0].namespace == "shop"
        await asyncio.to_thread(client.post, "/lateen/v1/shutdown", {})
        assert calls.ended
        assert "istio_requests_total 3" in await asyncio.to_thread(client.get, "/lateen/v1/metrics")
        with pytest.raises(NotFound, match='pods "nobody" not found'):
            await asyncio.to_thread(client.get, "/api/v1/namespaces/default/pods/nobody")
        with pytest.raises(EnvironmentFault, match="not an absolute path"):
            await asyncio.to_thread(client.post, "/lateen/v1/sources", {"paths": ["a"]})
    assert not path.exists()


async def test_the_client_streams_lines(tmp_path: Path) -> None:
    store = store_with(pod("web-1"))
    folder = tmp_path / "pods" / f"default_web-1_{store.list(kind='Pod')[0].meta.uid}" / "app"
    folder.mkdir(parents=True)
    (folder / "0.log").write_text("2026-01-01T00:00:00.0Z stdout F hello\n")
    app = make_app(store, deps_for(store, logs=tmp_path / "pods"))
    client = Client(tmp_path / "api.sock")
    path = "/api/v1/namespaces/default/pods/web-1/log"
    async with serving(app, unix=tmp_path / "api.sock"):
        lines = await asyncio.to_thread(lambda: list(client.stream_lines(path)))
        assert lines == ["hello\n"]
        with pytest.raises(EnvironmentFault, match="not valid for pod"):
            await asyncio.to_thread(lambda: list(client.stream_lines(f"{path}?container=no")))


async def test_a_watch_ends_when_its_client_leaves(tmp_path: Path) -> None:
    store = store_with()
    path = tmp_path / "api.sock"
    async with serving(make_app(store, deps_for(store)), unix=path):
        connector = aiohttp.UnixConnector(path=str(path))
        async with aiohttp.ClientSession(connector=connector) as session:
            answer = await session.get("http://api/api/v1/pods?watch=1&resourceVersion=1")
            watches = {task for task in asyncio.all_tasks() if "RequestHandler" in repr(task)}
            answer.close()
        async with asyncio.timeout(5):
            await asyncio.wait(watches)


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no lateen runs here"):
        Client(tmp_path / "api.sock").get("/lateen/v1/status")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        with pytest.raises(Unreachable, match="does not answer"):
            Client(tmp_path / "silent.sock").get("/", timeout=0.05)


def test_the_client_starts_without_the_server() -> None:
    code = "import sys, lateen.apiserver.client; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_tls_takes_a_token_or_an_admins_certificate(tmp_path: Path) -> None:
    certificate, key = self_signed()
    admin, admin_key = self_signed("system:masters")
    other, other_key = self_signed("shop")
    store = store_with()
    app = make_app(store, deps_for(store), token=TOKEN)
    listener = TlsListener(port=0, certificate=certificate, key=key, client_ca=admin + other)
    async with serving(app, unix=tmp_path / "api.sock", tls=listener) as port:

        async def status(ctx: ssl.SSLContext, token: str = "") -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            url = f"https://127.0.0.1:{port}/api/v1/pods"
            async with (
                aiohttp.ClientSession() as session,
                session.get(url, ssl=ctx, headers=headers) as answer,
            ):
                return answer.status

        def context(*pair: str) -> ssl.SSLContext:
            made = ssl.create_default_context(cadata=certificate)
            if pair:
                both = tmp_path / "both.pem"
                both.write_text("\n".join(pair))
                made.load_cert_chain(both)
            return made

        assert await status(context()) == 401
        assert await status(context(), "wrong") == 401
        assert await status(context(), TOKEN) == 200
        assert await status(context(admin, admin_key)) == 200
        assert await status(context(other, other_key)) == 403  # known, and allowed nothing


async def test_a_pods_way_in_asks_who_calls_whatever_the_host_is_named(tmp_path: Path) -> None:
    certificate, key = self_signed()
    app = make_app(store := store_with(), deps_for(store), token=TOKEN)
    pods = tmp_path / "pods.sock"
    listener = TlsListener(port=0, certificate=certificate, key=key, pods=pods)
    async with serving(app, unix=tmp_path / "api.sock", tls=listener):
        assert mode(pods) == 0o600

        def status(token: str) -> str:
            context = ssl.create_default_context(cadata=certificate)
            asked = f"GET /api/v1/pods HTTP/1.1\r\nHost: kubernetes.default.svc\r\nAuthorization: Bearer {token}\r\n\r\n"
            with socket.socket(socket.AF_UNIX) as plain:
                plain.settimeout(10)
                plain.connect(str(pods))
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
                    encrypted.sendall(asked.encode())
                    return encrypted.recv(4096).split()[1].decode()

        assert await asyncio.to_thread(status, "wrong") == "401"
        assert await asyncio.to_thread(status, TOKEN) == "200"
    assert not pods.exists()


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    certificate, key = self_signed()
    app = make_app(store := store_with(), deps_for(store))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listener = TlsListener(port=port, certificate=certificate, key=key)
        with pytest.raises(EnvironmentFault, match=f"port {port} of 127.0.0.1"):
            async with serving(app, unix=tmp_path / "api.sock", tls=listener):
                pass
    assert not (tmp_path / "api.sock").exists()


def test_the_kubeconfig_is_private_from_its_first_moment(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_kubeconfig(tmp_path / "config", kubeconfig(name="a", port=1, ca_pem="x", token=TOKEN))
    finally:
        os.umask(before)
    assert mode(tmp_path / "config") == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["config"]
