"""The owner's client certificate: made once, private, renewed in time, and enough for the API."""

from __future__ import annotations

import ssl
import stat
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from lateen.apiserver.app import make_app
from lateen.apiserver.serving import TlsListener, serving
from lateen.app.clients import LIFE, open_clients
from lateen.base.clock import FakeClock, SystemClock
from tests.apiserver.certificates import self_signed
from tests.apiserver.world import deps_for, store_with

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_it_stays_and_is_renewed_before_it_ends(tmp_path: Path) -> None:
    clock = FakeClock()
    first = open_clients(tmp_path, clock)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}
    assert open_clients(tmp_path, clock) == first
    await clock.advance((LIFE - timedelta(days=29)).total_seconds())
    second = open_clients(tmp_path, clock)
    assert second.certificate != first.certificate
    (tmp_path / "admin.key").chmod(0o644)
    assert open_clients(tmp_path, clock).key != second.key


async def test_it_opens_the_api(tmp_path: Path) -> None:
    clients = open_clients(tmp_path, SystemClock())
    certificate, key = self_signed()
    store = store_with()
    listener = TlsListener(port=0, certificate=certificate, key=key, client_ca=clients.authority)
    context = ssl.create_default_context(cadata=certificate)
    context.load_cert_chain(tmp_path / "admin.crt", tmp_path / "admin.key")
    app = make_app(store, deps_for(store))
    async with serving(app, unix=tmp_path / "api.sock", tls=listener) as port:
        url = f"https://127.0.0.1:{port}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, ssl=context, json={}) as answer,
        ):
            user = (await answer.json())["status"]["userInfo"]
    assert user == {
        "username": "kubernetes-admin",
        "groups": ["system:masters", "system:authenticated"],
    }
