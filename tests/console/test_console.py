"""The console: who may see it, what guards it, and what it is served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path

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
BUILT = Path(__file__).parent / "built"  # as small as pages can be
NOBODY = Path("/tmp/no-observer-is-here.sock")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def browser(calls: Calls | None = None) -> AsyncIterator[Client]:
    """A browser with an empty cookie jar."""
    store = store_with(pod("web-1"))
    jar = aiohttp.CookieJar(unsafe=True)  # unsafe: it takes cookies of an address too
    app = make_console(TOKEN, store, deps_for(store, calls), NOBODY, built=BUILT)
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
            given = [SimpleCookie(text)[COOKIE] for text in answer.headers.getall("Set-Cookie")]
        assert {cookie["path"] for cookie in given} == {PREFIX, "/prometheus", "/traces", "/logs"}
        for cookie in given:
            assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
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


async def test_the_page_runs_only_files_of_its_own_origin() -> None:
    async with browser() as client, client.get("/") as answer:
        rules = dict(
            rule.strip().split(" ", 1)
            for rule in answer.headers["Content-Security-Policy"].split(";")
        )
    allowed = ("script-src", "style-src", "connect-src", "img-src", "worker-src")
    assert {name: rules.pop(name) for name in allowed} == dict.fromkeys(allowed, "'self'")
    assert set(rules.values()) == {"'none'"}


async def test_parts_of_the_page_may_be_kept_and_nothing_else_of_the_folder_is_given() -> None:
    async with browser() as client:
        async with client.get("/assets/index-1a2b.js") as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.content_type == "text/javascript"
        for path in ("nothing.js", "..%2Findex.html", ".hidden", ""):
            assert await status_of(client, f"/assets/{path}") == 404
        async with client.get(f"{PREFIX}/status") as answer:
            assert answer.headers["Cache-Control"] == "no-store"


async def test_pages_that_are_not_built_are_told_of(tmp_path: Path) -> None:
    store = store_with()
    app = make_console(TOKEN, store, deps_for(store), NOBODY, built=tmp_path)
    async with TestClient(TestServer(app)) as client, client.get("/") as answer:
        assert answer.status == 503
        assert "make setup" in (await answer.json())["message"]


async def test_the_listener_gives_its_address_and_is_on_loopback_only() -> None:
    store = store_with()
    async with console_listener(0, TOKEN, NOBODY)(store, deps_for(store)) as url:
        assert url.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
        port = int(url.split(":")[2].partition("/")[0])
        with pytest.raises(EnvironmentFault, match=f"port {port} of 127.0.0.1"):
            async with console_listener(port, TOKEN, NOBODY)(store, deps_for(store)):
                pass
