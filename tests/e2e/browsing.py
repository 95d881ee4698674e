"""A real Chromium for tests of the console, headless, with nothing kept and nobody called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "screenshots"
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE = 20_000  # milliseconds for anything to appear, on a busy machine
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; without it the test is skipped, but in CI it fails."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        assert not os.environ.get("CI"), "CI installs Chromium: see .ci/run"
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Console:
    """The console in one tab: goes to pages, takes pictures, and notes what went wrong."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.faults: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        page.on("console", self._hear)
        page.goto(address)
        self.base = address.partition("?")[0]

    def _hear(self, said: ConsoleMessage) -> None:
        # A refused or unanswered question is said on the page itself; Chromium says it here, too.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.faults.append(said.text)

    def go(self, place: str) -> Page:
        """To the page at an address after the `#/`."""
        self.page.goto(f"{self.base}#/{place}")
        return self.page

    def picture(self, name: str) -> None:
        """Keep what is seen now as build/screenshots/NAME.png."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@contextmanager
def console(
    browser: Browser, address: str, *, dark: bool = False, width: int = 1440, height: int = 900
) -> Iterator[Console]:
    """A fresh profile at the console's address; ends with an error if the page had one."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
    )
    try:
        made = Console(context.new_page(), address)
        yield made
        assert not made.faults, made.faults
    finally:
        context.close()
