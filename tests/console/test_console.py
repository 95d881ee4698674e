"""The console: who may see it, what guards it, and what it is served."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from lateen.apiserver.meshroutes import PREFIX
from lateen.base.errors import EnvironmentFault
from lateen.console.listening import console_listener
from lateen.console.page import COOKIE, make_console, session_of
from tests.apiserver.serve import Client
from tests.apiserver.world import Calls, deps_for, pod, store_with

pytestmark = pytest.mark.anyio
TOKEN = "token-of-the-console"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def browser(calls: Calls | None = None) -> AsyncIterator[Client]:
    """A browser with an empty cookie jar."""
    store = store_with(pod("web-1"))
    jar = aiohttp.CookieJar(unsafe=True)  # unsafe: it takes cookies of an address too
    app = make_console(TOKEN, store, deps_for(store, calls))
    async with TestClient(TestServer(app), cookie_jar=jar) as client:
        yield client


async def status_of(client: Client, path: str, **headers: str) -> int:
    async with client.get(path, headers=headers) as answer:
        return answer.status


async def test_the_token_in_the_address_opens_the_data_for_this_browser() -> None:
    async with browser() as client:
        assert await status_of(client, f"{PREFIX}/status") == 401
        async with client.get(f"/?token={TOKEN}") as answer:
            assert answer.status == 200
            cookie = answer.cookies[COOKIE]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", PREFIX)
        assert TOKEN not in cookie.value
        for path in ("status", "overview", "proxies", "problems", "traffic", "metrics"):
            assert await status_of(client, f"{PREFIX}/{path}") == 200


async def test_a_wrong_token_opens_nothing() -> None:
    async with browser() as client:
        assert await status_of(client, "/?token=wrong") == 401
        assert await status_of(client, f"{PREFIX}/status", Authorization="Bearer wrong") == 401
        forged = f"{COOKIE}={session_of('wrong')}"
        assert await status_of(client, f"{PREFIX}/status", Cookie=forged) == 401


async def test_a_header_may_carry_the_token() -> None:
    async with browser() as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert await status_of(client, f"{PREFIX}/status", **headers) == 200


async def test_another_name_or_origin_gets_nothing() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with browser() as client:
        path = f"{PREFIX}/status"
        assert await status_of(client, path, **headers, Host="rebound.example.com") == 403
        assert await status_of(client, "/", Host="rebound.example.com") == 403
        for site in ("cross-site", "same-site"):
            assert await status_of(client, path, **headers, **{"Sec-Fetch-Site": site}) == 403


async def test_nothing_can_be_changed_here() -> None:
    calls = Calls()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with browser(calls) as client:
        for path in (f"{PREFIX}/shutdown", f"{PREFIX}/sources", "/api/v1/namespaces"):
            async with client.post(path, headers=headers, json={"paths": ["/"]}) as answer:
                assert answer.status in (404, 405)
        assert await status_of(client, "/api/v1/pods", **headers) == 404
    assert not calls.ended
    assert not calls.sources


async def test_every_answer_carries_the_guarding_headers() -> None:
    async with browser() as client:
        for path in ("/", f"{PREFIX}/status", "/nowhere", f"{PREFIX}/events"):
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with client.get(path, headers=headers) as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_the_page_runs_only_what_carries_its_nonce() -> None:
    async with browser() as client:
        seen = set()
        for _ in range(2):
            async with client.get("/") as answer:
                text, policy = await answer.text(), answer.headers["Content-Security-Policy"]
            found = re.search(r"script-src 'nonce-([\w-]{20,})'", policy)
            assert found is not None
            assert set(re.findall(r'<(?:script|style) nonce="([^"]+)">', text)) == {found[1]}
            assert len(re.findall(r"<(?:script|style)", text)) == 2
            assert "unsafe" not in policy
            assert not re.search(r"\son\w+=|\sstyle=|(?:src|href)=\"http", text)
            seen.add(found[1])
        assert len(seen) == 2
        assert "{{" not in text.replace("${{", "")
        assert "innerHTML" not in text


async def test_the_listener_gives_its_address_and_is_on_loopback_only() -> None:
    store = store_with()
    async with console_listener(0, TOKEN)(store, deps_for(store)) as url:
        assert url.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
        port = int(url.split(":")[2].partition("/")[0])
        with pytest.raises(EnvironmentFault, match=f"port {port} of 127.0.0.1"):
            async with console_listener(port, TOKEN)(store, deps_for(store)):
                pass
