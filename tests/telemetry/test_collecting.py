"""Scraping: in parallel within bounds, without the ones that do not answer, and from a real Envoy."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lateen.base.clock import FakeClock, SystemClock
from lateen.base.errors import Unreachable
from lateen.telemetry.admin import ask_admin
from lateen.telemetry.collecting import AT_ONCE, COUNTERS_PAGE, Collector
from lateen.telemetry.federating import Platform

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def nobody(_: str) -> dict[str, str]:
    return {}


async def test_a_silent_proxy_is_down_and_the_rest_are_read() -> None:
    async def ask(socket: Path, path: str) -> str:
        if socket.name == "b":
            raise Unreachable("gone")
        if path == COUNTERS_PAGE:
            return "http.inbound_x.downstream_rq_total: 3"
        return 'envoy_istio_requests_total{reporter="source"} 3'

    sockets = {("shop", name): Path(f"/{name}") for name in ("a", "b")}
    collector = Collector(lambda: sockets, nobody, FakeClock(), ask)
    traffic = await collector.traffic()
    assert [(p["pod"], p["up"], p["inbound_requests"]) for p in traffic["proxies"]] == [
        ("a", True, 3),
        ("b", False, 0),
    ]
    page = await collector.metrics(Platform())
    [line] = [line for line in page.splitlines() if line.startswith("istio_requests_total{")]
    assert 'connection_security_policy="unknown"' in line
    assert 'namespace="shop",pod="a"' in line


async def test_few_are_asked_at_once_and_askers_share_a_scrape() -> None:
    now, most, asked = 0, 0, 0

    async def ask(_: Path, path: str) -> str:
        nonlocal now, most, asked
        now, asked = now + 1, asked + 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return ""

    clock = FakeClock()
    sockets = {("shop", f"p{n}"): Path("/x") for n in range(30)}
    collector = Collector(lambda: sockets, nobody, clock, ask)
    await asyncio.gather(collector.scrape(), collector.scrape(), collector.traffic())
    assert (most, asked) == (AT_ONCE, 60)
    await clock.advance(2)
    await collector.scrape()
    assert asked == 120


async def test_no_socket_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        await ask_admin(tmp_path / "admin.sock", "/stats")


async def test_a_real_envoys_pages_are_understood(tmp_path: Path) -> None:
    async with envoy(tmp_path) as (admin, port):
        async with aiohttp.ClientSession() as session:
            for path, status in (("/", 200), ("/bad", 503), ("/bad", 503)):
                async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    assert answer.status == status
        collector = Collector(lambda: {("shop", "web-1"): admin}, nobody, SystemClock())
        scrape = await collector.scrape()
        counters = scrape.counters[("shop", "web-1")]
        assert (counters.inbound_requests, counters.inbound_errors) == (3, 2)
        page = await collector.metrics(Platform())
        assert 'response_code="503"' in page
        assert "# TYPE istio_requests_total counter" in page
        assert "envoy_" not in page
        with pytest.raises(Unreachable, match="answered 404"):
            await ask_admin(admin, "/nonsense")
        with pytest.raises(Unreachable, match="larger than 10 bytes"):
            await ask_admin(admin, "/server_info", largest=10)


@asynccontextmanager
async def envoy(folder: Path) -> AsyncIterator[tuple[Path, int]]:
    """A real Envoy with one listener, its admin on a socket."""
    spec = importlib.util.find_spec("envoy")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    binary = next(
        path
        for root in spec.submodule_search_locations
        if (path := Path(root) / "_bin" / "envoy").exists()
    )
    admin = folder / "admin.sock"
    process = await asyncio.create_subprocess_exec(
        str(binary),
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "--log-level",
        "off",
        "--config-yaml",
        json.dumps(bootstrap(admin)),
    )
    try:
        async with asyncio.timeout(20):
            while not await live(admin):  # noqa: ASYNC110 - another process, no event to wait for
                await asyncio.sleep(0.02)
        listeners = json.loads(await ask_admin(admin, "/listeners?format=json"))
        address = listeners["listener_statuses"][0]["local_address"]["socket_address"]
        yield admin, address["port_value"]
    finally:
        process.kill()
        await process.wait()


async def live(admin: Path) -> bool:
    try:
        return bool(json.loads(await ask_admin(admin, "/server_info"))["state"] == "LIVE")
    except Unreachable:
        return False


def bootstrap(admin: Path) -> dict[str, Any]:
    extensions = "type.googleapis.com/envoy.extensions"
    stats = {
        "@type": f"{extensions}.access_loggers.stats.v3.Config",
        "stats_scope": {"sharing_name": "istio"},
        "counters": [
            {
                "stat": {
                    "name": "istio_requests_total",
                    "tags": [
                        {"name": "reporter", "value_format": "source"},
                        {"name": "response_code", "value_format": "%RESPONSE_CODE%"},
                    ],
                },
                "value_fixed": 1,
            }
        ],
    }
    router = {"@type": f"{extensions}.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound_0.0.0.0_8080",
        "access_log": [{"name": "envoy.access_loggers.stats", "typed_config": stats}],
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {"match": {"prefix": "/bad"}, "direct_response": {"status": 503}},
                        {"match": {"prefix": "/"}, "direct_response": {"status": 200}},
                    ],
                }
            ]
        },
    }
    http = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager,
    }
    listener = {
        "name": "http",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [http]}],
    }
    return {
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "stats_flush_interval": "0.1s",
        "static_resources": {"listeners": [listener]},
    }
