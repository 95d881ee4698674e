"""The console over a real mesh: every page, a canary that moves, a fault within seconds, a refusal's policy.

What is changed here is an object of its own each time, and gone at the end.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browsing import Console, chromium, console
from tests.e2e.harness import Mesh, eventually

SOON = 5.0  # seconds after which a fault is to be seen
VIRTUAL_SERVICES = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"
PATIENCE = 20_000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Browser, mesh: Mesh) -> Iterator[Console]:
    with console(browser, mesh.status()["console"]) as opened:
        yield opened


@contextmanager
def traffic(mesh: Mesh, path: str, *, pause: float = 0.03) -> Iterator[None]:
    """Requests through the ingress, one after the other, while the context is open."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(pause):
            mesh.get(path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


def rule(name: str, host: str, http: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hosts": [host], "http": [http]},
    }


def split(v1: int, v2: int) -> dict[str, Any]:
    to = {"v1": v1, "v2": v2}
    return {
        "route": [
            {"destination": {"host": "canary", "subset": subset}, "weight": weight}
            for subset, weight in to.items()
        ]
    }


def link_to(page: Page, workload: str) -> Locator:
    """The row of the graph's table from `web` to a workload."""
    return page.locator("tbody tr").filter(has_text=f"web.shop{workload}.shop")


def was_there(tab: Console, workload: str) -> bool:
    """Whether the graph of some seconds ago, out of the kept history, has the link."""
    page = tab.go(f"graph?as=table&at={int(time.time()) - 3}")
    expect(page.get_by_role("group", name="Time travel")).to_contain_text("ago")
    page.wait_for_timeout(1000)  # the answer comes; if not, it is asked again of a later moment
    return link_to(page, workload).filter(has_text="good").count() == 1


def test_every_page_shows_the_running_mesh(mesh: Mesh, tab: Console) -> None:
    mesh.get("/")
    pod = mesh.pods("web-")[0]["name"]
    for place, words in (
        ("", "Pods ready"),
        ("graph", "nodes"),
        ("services", "istio-ingressgateway"),
        ("service/shop/canary", "canary.shop.svc.cluster.local"),
        ("workload/shop/api", "api-callers"),
        (f"proxy/shop/{pod}", "canary.shop"),
        (f"proxy/shop/{pod}?part=listeners", "virtualInbound"),
        (f"proxy/shop/{pod}?part=clusters", "PassthroughCluster"),
        ("config", "api-callers"),
        ("config/networking.istio.io/VirtualService/shop/front", "prefix: /canary"),
        ("config/security.istio.io/AuthorizationPolicy/shop/api-callers", "acknowledged"),
        ("logs", "istio-ingressgateway"),
    ):
        expect(tab.go(place).locator("main")).to_contain_text(words, timeout=PATIENCE)
        name = place.partition("?")[0].partition("/")[0] or "overview"
        tab.picture(f"mesh-{name}")


def test_each_piece_of_a_proxy_names_the_line_that_made_it(mesh: Mesh, tab: Console) -> None:
    pod = mesh.pods("istio-ingressgateway")[0]["name"]
    page = tab.go(f"proxy/istio-system/{pod}?find=canary")
    row = page.locator("tbody tr").filter(has_text="path begins /canary")
    expect(row).to_contain_text("90 %", timeout=PATIENCE)
    expect(row).to_contain_text("VirtualService shop/front")
    expect(row.locator(".place")).to_contain_text(".yaml:")
    row.get_by_role("link", name="VirtualService shop/front").click()
    expect(page.locator(".code li.wanted")).to_be_visible(timeout=PATIENCE)


def test_a_canary_is_seen_to_move(mesh: Mesh, tab: Console) -> None:
    path = f"/call?url={'http://canary.shop/'}"
    with traffic(mesh, path):
        page = tab.go("graph?as=table")
        with mesh.made(VIRTUAL_SERVICES, rule("moving", "canary", split(100, 0))):
            expect(link_to(page, "canary-v1")).to_contain_text("good", timeout=PATIENCE)
        with mesh.made(VIRTUAL_SERVICES, rule("moved", "canary", split(0, 100))):
            expect(link_to(page, "canary-v2")).to_contain_text("good", timeout=PATIENCE)
            expect(link_to(page, "canary-v1")).to_contain_text("idle", timeout=PATIENCE)
            expect(tab.go("service/shop/canary").locator("main")).to_contain_text("shop/moved")
            expect(page.get_by_role("group", name="Workloads and versions")).to_contain_text(
                "100 %", timeout=PATIENCE
            )
            chart = page.get_by_role("img", name=re.compile("Requests a second: now .*200 [1-9]"))
            expect(chart).to_be_visible(timeout=PATIENCE)
            tab.picture("mesh-canary")
            assert eventually(lambda: was_there(tab, "canary-v2"))


def test_a_fault_is_on_the_graph_within_seconds(mesh: Mesh, tab: Console) -> None:
    with traffic(mesh, "/call?url=http://other.shop/"):
        page = tab.go("graph?as=table")
        expect(link_to(page, "other")).to_contain_text("good", timeout=PATIENCE)
        broken = {"route": [{"destination": {"host": "other"}}]} | {
            "fault": {"abort": {"httpStatus": 503, "percentage": {"value": 100}}}
        }
        began = time.monotonic()
        with mesh.made(VIRTUAL_SERVICES, rule("broken", "other", broken)):
            bad = page.locator("tbody tr").filter(has_text="web.shop").filter(has_text="bad")
            expect(bad.first).to_be_visible(timeout=PATIENCE)
            took = time.monotonic() - began
            tab.go("graph")
            page.wait_for_timeout(1500)  # for the picture only
            tab.picture("mesh-fault")
            expect(tab.go("").locator("main")).to_contain_text("errors", timeout=PATIENCE)
    print(f"seen after {took:.1f} s")
    assert took < SOON


def test_a_request_is_found_as_a_trace_and_in_the_logs(mesh: Mesh, tab: Console) -> None:
    everything = {
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "all-traces", "namespace": "shop"},
        "spec": {"tracing": [{"randomSamplingPercentage": 100}]},
    }
    path = "/apis/telemetry.istio.io/v1/namespaces/shop/telemetries"
    with mesh.made(path, everything), traffic(mesh, "/call?url=http://canary.shop/", pause=0.2):
        wanted = "upstream_cluster=outbound|80||canary.shop.svc.cluster.local"
        page = tab.go(f"traces?tag={quote(wanted)}")
        found = page.get_by_role("group", name="Recent traces")
        found.get_by_role("link").first.click(timeout=2 * PATIENCE)
        expect(page.locator(".waterfall .span")).not_to_have_count(0)
        tab.picture("mesh-trace")
        page.get_by_role("link", name="Route taken").click()
        expect(page.get_by_role("region", name="Routes")).to_contain_text("canary.shop")
        lines = tab.go("logs?ns=shop&pod=web-").get_by_label("Log lines").locator("li")
        expect(lines.first).to_be_visible(timeout=PATIENCE)
        tab.picture("mesh-logs")


def test_a_refused_request_leads_to_its_policy(mesh: Mesh, tab: Console) -> None:
    assert mesh.get("/api/secrets").status == 403
    page = tab.go("workload/shop/api")
    refused = page.get_by_role("group", name="Refused lately")
    expect(refused).to_contain_text("GET /api/secrets", timeout=PATIENCE)
    refused.get_by_role("link", name="AuthorizationPolicy shop/api-callers").first.click()
    expect(page.get_by_role("region", name="YAML")).to_contain_text("cluster.local/ns/shop/sa/web")
    expect(page.get_by_role("group", name="Proxies that run it")).to_contain_text("acknowledged")
    tab.picture("mesh-refused")
