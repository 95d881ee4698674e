"""The console's pages in a real browser, over a made-up mesh: what they say, to everyone, and how smoothly.

The real mesh is in test_console.py; here is what does not need one.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.e2e.browsing import AXE, ROOT, chromium, console

PAGES = {
    "overview": ("", "Unhealthy"),
    "graph": ("graph", "12 nodes, 13 links"),
    "graph-table": ("graph?as=table", "reviews-v2.shop"),
    "services": ("services", "fraud-check"),
    "service": ("service/shop/reviews", "istio/reviews.yaml:9"),
    "workload": ("workload/money/payments", "money/payments-callers"),
    "proxy": ("proxy/shop/web-5d9f7c6b4-00000", "canary.shop"),
    "config": ("config", "payments-callers"),
    "object": ("config/networking.istio.io/VirtualService/shop/reviews", "weight: 90"),
    "traces": ("traces", "POST /checkout"),
    "trace": ("trace/00000000000000000000000000000001", "fraud-check.money"),
    "logs": ("logs", "payment failed"),
}
RULES = {
    "light": ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"),
    "dark": ("color-contrast",),  # the rest is the same page
}
FRAMES = 30  # a second, at least
TRIES = 4


@contextmanager
def made_up(*size: str) -> Iterator[str]:
    """The address of the console over a made-up mesh, in a process of its own."""
    command = [sys.executable, "-m", "tests.console.madeup.serving", *size]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            yield serving.stdout.readline().strip()
        finally:
            serving.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with made_up() as serving:
        yield serving


def faults_of(page: Page, rules: tuple[str, ...]) -> list[str]:
    """What axe-core finds wrong with a page for people who see, hear or move otherwise."""
    page.evaluate(AXE.read_text())
    wanted = json.dumps({"runOnly": rules})
    found: list[dict[str, Any]] = page.evaluate(
        f"async () => (await axe.run(document, {wanted})).violations"
    )
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:160]}"
        for fault in found
        for node in fault["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_shows_what_it_is_for_to_everyone(
    browser: Browser, address: str, theme: str
) -> None:
    faults: dict[str, list[str]] = {}
    with console(browser, address, dark=theme == "dark") as tab:
        for name, (place, words) in PAGES.items():
            page = tab.go(place)
            expect(page.locator("main")).to_contain_text(words)
            tab.picture(f"{name}-{theme}")
            if found := faults_of(page, RULES[theme]):
                faults[name] = found
    assert not faults, json.dumps(faults, indent=1)


def test_it_is_readable_on_a_phone(browser: Browser, address: str) -> None:
    with console(browser, address, width=390, height=800) as tab:
        for name, (place, words) in PAGES.items():
            page = tab.go(place)
            expect(page.locator("main")).to_contain_text(words)
            beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, f"{name} is {beyond} px wider than the phone"
            tab.picture(f"{name}-phone")


def test_no_pill_is_cut_off_at_the_side_of_its_table(browser: Browser, address: str) -> None:
    cut = """[...document.querySelectorAll('td .pill')].filter((pill) => {
      const [mine, table] = [pill, pill.closest('.scroll')].map((e) => e.getBoundingClientRect());
      return mine.right > table.right + 1;
    }).map((pill) => pill.textContent)"""
    with console(browser, address, width=1180, height=680) as tab:
        for name in ("overview", "service", "workload", "config", "object"):
            place, words = PAGES[name]
            page = tab.go(place)
            expect(page.locator("main")).to_contain_text(words)
            expect(page.locator("td .pill").first).to_be_visible()
            assert page.evaluate(cut) == [], name


def test_on_a_phone_the_graph_begins_at_what_is_worst(browser: Browser, address: str) -> None:
    with console(browser, address, width=390, height=800) as tab:
        page = tab.go("graph")
        expect(page.get_by_text("12 nodes")).to_be_visible()
        expect(page.locator(".veil")).to_have_count(0)
        page.get_by_role("application").click()  # in its middle
        expect(page.get_by_role("complementary")).to_contain_text("money")
        expect(page.get_by_role("complementary").locator(".pill.bad").first).to_be_visible()


def test_the_first_page_says_first_what_is_unhealthy_and_for_how_long(
    browser: Browser, address: str
) -> None:
    with console(browser, address) as tab:
        rows = tab.page.get_by_role("group", name="What is unhealthy").locator("tbody tr")
        expect(rows.filter(has_text="checkout → payments")).to_contain_text("fail")
        expect(rows.filter(has_text="money/fraud-check")).to_contain_text("CrashLoopBackOff")
        expect(rows.filter(has_text="shop/catalog")).to_contain_text("does not compile")
        expect(rows.filter(has_text="shop/catalog")).to_contain_text("2 min")
        expect(rows.filter(has_text="web → cart")).to_contain_text("30 % of the tries fail")


def test_keys_lead_everywhere(browser: Browser, address: str) -> None:
    with console(browser, address) as tab:
        page = tab.page
        expect(page.locator("main")).to_contain_text("Unhealthy")
        for keys, name in (("gg", "Graph"), ("gc", "Config"), ("gt", "Traces"), ("go", "Overview")):
            page.keyboard.type(keys)
            current = page.get_by_role("navigation").locator("[aria-current=page]")
            expect(current).to_have_text(name)
        page.keyboard.press("Control+k")
        page.keyboard.type("service revi")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("reviews")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")
        tab.go("graph")
        expect(page.get_by_text("12 nodes")).to_be_visible()
        expect(page.locator(".veil")).to_have_count(0)
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("complementary")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_the_graph_travels_to_what_is_kept_of_the_past(browser: Browser, address: str) -> None:
    with console(browser, address) as tab:
        page = tab.go("graph?as=table")
        expect(page.locator("main")).to_contain_text("reviews-v2.shop")
        slider = page.get_by_role("slider", name="How long ago")
        slider.fill("300")
        expect(page.get_by_role("group", name="Time travel")).to_contain_text("min ago")
        row = page.locator("tbody tr").filter(has_text="checkout.shoppayments.money")
        expect(row).to_contain_text("11 %")
        page.get_by_role("button", name="Live").click()
        expect(page.get_by_role("group", name="Time travel")).to_contain_text("now")


def test_from_a_failed_request_to_its_logs_its_route_and_the_policy(
    browser: Browser, address: str
) -> None:
    with console(browser, address) as tab:
        page = tab.go("traces?error=true")
        page.get_by_role("link", name="POST /checkout").first.click()
        expect(page.locator("main")).to_contain_text("Waterfall")
        origin = page.locator(".waterfall .span.origin")
        expect(origin).to_have_count(1)  # five of six failed, one of them by itself
        expect(origin).to_contain_text("fraud-check")
        expect(origin).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_label("Log lines")).to_contain_text("payment failed")
        page.get_by_role("link", name="AuthorizationPolicy money/payments-callers").click()
        expect(page.get_by_role("region", name="YAML")).to_contain_text("/pay")
        page.go_back()
        page.get_by_role("link", name="Route taken").click()
        expect(page.get_by_label("Filter")).to_have_value(
            "outbound|8080||fraud-check.money.svc.cluster.local"  # the failure began there
        )


def test_logs_come_live_and_can_be_narrowed_down(browser: Browser, address: str) -> None:
    with console(browser, address) as tab:
        page = tab.go("logs?level=fatal")
        lines = page.get_by_label("Log lines").locator("li")
        expect(lines.first).to_contain_text("rules' store")
        before = lines.count()
        expect(lines.nth(before)).to_be_visible()
        assert all("rules' store" in text for text in lines.all_inner_texts())


def test_300_nodes_and_1000_links_move_smoothly(browser: Browser) -> None:
    """More than 30 frames a second while the view is dragged, all of it in view and near by.

    Each view is dragged up to TRIES times, for other programs may take the processor meanwhile.
    """
    with made_up("300", "1000") as address, console(browser, address) as tab:
        page = tab.go("graph")
        expect(page.get_by_text("300 nodes, 1000 links")).to_be_visible()
        expect(page.locator(".veil")).to_have_count(0, timeout=60_000)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        for view in ("all of it", "near by"):
            if view == "near by":
                for _ in range(5):
                    page.get_by_role("button", name="Nearer").click()
            page.wait_for_timeout(500)  # for the picture only: it is painted anew at rest
            tab.picture(f"graph-300-{view.replace(' ', '-')}")
            rates: list[float] = []
            while max(rates, default=0) <= FRAMES and len(rates) < TRIES:
                rate, work = dragged(page, session)
                print(f"{view}: {rate:.0f} frames a second, {work:.1f} ms of work for each")
                rates.append(rate)
            assert max(rates) > FRAMES, (view, rates)


def dragged(page: Page, session: CDPSession) -> tuple[float, float]:
    """Frames a second while the graph is dragged about, and the main thread's milliseconds for each."""
    page.evaluate(
        """() => {
          const frames = [];
          window.frames_ = frames;
          const note = (at) => {
            frames.push(at);
            if (window.frames_ === frames) requestAnimationFrame(note);
          };
          requestAnimationFrame(note);
        }"""
    )
    before = work_of(session)
    page.mouse.move(700, 480)
    page.mouse.down()
    for step in range(150):
        page.mouse.move(700 + 300 * math.sin(step / 12), 480 + 150 * math.sin(step / 9))
    page.mouse.up()
    frames: list[float] = page.evaluate("window.frames_")
    done = work_of(session) - before
    return 1000 * (len(frames) - 1) / (frames[-1] - frames[0]), 1000 * done / len(frames)


def work_of(session: CDPSession) -> float:
    """Seconds that the page's main thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))
