"""Take the pictures of docs/: the console in a real browser, over examples/outage while it plays, and over a made-up mesh.

In: nothing, or which of `payments`, `stock` and `console`.    Out: docs/pictures/*.png.
Before: tools/outage.py, tests/console/madeup        After: docs/outage.md, docs/console.md
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from tests.e2e.browsing import chromium, console
from tests.e2e.test_console_pages import made_up
from tools.outage import INCIDENTS, Incident, Shop, shop

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1180, 680  # CSS pixels
MOST = 150_000  # bytes of a picture
PATIENCE = 60_000  # milliseconds
BEFORE, DURING, AFTER = 60.0, 75.0, 60.0  # seconds of load that the charts show


def keep(page: Page, name: str, height: int = HEIGHT) -> None:
    """What is seen now as docs/pictures/NAME.png."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)  # charts and the graph are painted anew
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}  {size // 1000} kB", flush=True)
    if size > MOST:
        sys.exit(f"{path.name} has {size} bytes, more than {MOST}: make it show less")


def trace_like(running: Shop, *words: str, spans: range) -> str:
    """Of the newest traces of a search one with so many spans, rather more than fewer."""
    for _ in range(30):
        try:
            found = running.lateen("traces", *words, "--limit", "100", "-o", "json")
        except subprocess.CalledProcessError:  # there is none yet
            found = "[]"
        if fit := [trace for trace in json.loads(found) if trace["spans"] in spans]:
            return str(max(fit, key=lambda trace: int(trace["spans"]))["traceId"])
        time.sleep(1)
    sys.exit(f"no trace like {' '.join(words)}")


def graph(page: Page, name: str) -> None:
    """The graph, once it knows rates and percentiles."""
    expect(page.get_by_text("nodes,")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".veil")).to_have_count(0, timeout=PATIENCE)
    page.wait_for_timeout(8000)
    keep(page, name, 520)


@contextmanager
def nothing_kept() -> Iterator[None]:
    """A mesh that starts here has no history of an earlier one, and leaves none."""
    names = ("LATEEN_RUN_DIR", "LATEEN_STATE_DIR")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="lt", dir="/tmp") as folder:
        os.environ.update({name: f"{folder}/{name[7].lower()}" for name in names})
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def played(
    browser: Browser,
    incident: Incident,
    during: Callable[[Page, Shop, Callable[[str], Page]], None],
    mended: str,
) -> None:
    """An incident with pictures while it hurts, and one of a service when it is mended."""
    with nothing_kept(), shop() as running, running.load(incident):
        running.watch(BEFORE)
        running.change(incident.change)
        running.watch(DURING)
        with console(browser, running.status()["console"], width=WIDTH, height=HEIGHT) as tab:
            during(tab.page, running, tab.go)
            running.change(incident.fix)
            running.watch(AFTER)
            charts(tab.go(f"service/shop/{mended}?reach=300"), f"{incident.name}-mended")


def charts(page: Page, name: str) -> None:
    """A service's page down to its charts."""
    expect(page.locator(".chart").first).to_be_visible(timeout=PATIENCE)
    keep(page, name, 420)


def failing(page: Page, running: Shop, go: Callable[[str], Page]) -> None:
    """Case study 8.5: from the overview to the logs."""
    go("")
    rows = page.get_by_role("group", name="What is unhealthy")
    expect(rows).to_contain_text("payment-service", timeout=PATIENCE)
    page.wait_for_timeout(5000)  # since when is known
    keep(page, "outage-overview", 560)
    graph(go("graph"), "outage-graph")
    charts(go("service/shop/payment-service?reach=300"), "outage-service")
    of_pool = ("--errors", "--operation", "wait for a connection")
    wanted = trace_like(running, *of_pool, spans=range(8, 12))
    go(f"trace/{wanted}")
    expect(page.locator(".waterfall")).to_contain_text("wait for a connection", timeout=PATIENCE)
    keep(page, "outage-trace", 520)
    go("logs?ns=shop&container=app&level=warn")
    expect(page.get_by_label("Log lines")).to_contain_text("slow query", timeout=PATIENCE)
    keep(page, "outage-logs", 500)


def slow(page: Page, running: Shop, go: Callable[[str], Page]) -> None:
    """Walkthrough 11.5: from the overview to the tries of one request."""
    go("")
    rows = page.get_by_role("group", name="What is unhealthy")
    expect(rows).to_contain_text("tries fail", timeout=PATIENCE)
    page.wait_for_timeout(5000)
    keep(page, "latency-overview", 560)
    graph(go("graph"), "latency-graph")
    wanted = trace_like(running, "--operation", "GET stock/", "--min", "450", spans=range(10, 14))
    go(f"trace/{wanted}")
    expect(page.locator(".waterfall")).to_contain_text("503", timeout=PATIENCE)
    keep(page, "latency-trace", 560)


def of_console(browser: Browser) -> None:
    """Those of docs/console.md, over the made-up mesh."""
    pages = {
        "overview": ("", "web → cart"),
        "service": ("service/shop/reviews", "istio/reviews.yaml:9"),
        "workload": ("workload/money/payments", "money/payments-callers"),
        "object": ("config/networking.istio.io/VirtualService/shop/reviews", "weight: 90"),
        "trace": ("trace/00000000000000000000000000000001", "fraud-check.money"),
    }
    with made_up() as address:
        with console(browser, address, width=WIDTH, height=HEIGHT) as tab:
            for name, (place, words) in pages.items():
                page = tab.go(place)
                expect(page.locator("main")).to_contain_text(words, timeout=PATIENCE)
                page.wait_for_timeout(4000)
                keep(page, f"console-{name}")
        with console(browser, address, dark=True, width=WIDTH, height=HEIGHT) as tab:
            graph(tab.go("graph"), "console-graph")


SETS: dict[str, Callable[[Browser], None]] = {
    "payments": lambda browser: played(browser, INCIDENTS["payments"], failing, "payment-service"),
    "stock": lambda browser: played(browser, INCIDENTS["stock"], slow, "stock"),
    "console": of_console,
}


def main() -> int:
    """Take them, set by set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", help=f"of {', '.join(SETS)}; all of them by default")
    wanted = parser.parse_args().sets or list(SETS)
    if unknown := [name for name in wanted if name not in SETS]:
        parser.error(f"there is no {unknown[0]}")
    with chromium() as browser:
        for name in wanted:
            SETS[name](browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
