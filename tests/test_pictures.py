"""The pictures of docs/: each is shown on a page, each that is shown exists, none is large."""

from __future__ import annotations

import re
import struct
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
MOST = 150_000  # bytes
_SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def shown() -> dict[Path, str]:
    """Each picture that a page shows, with what it is called for those who do not see it."""
    return {
        (page.parent / place).resolve(): words
        for page in DOCS.rglob("*.md")
        for words, place in _SHOWN.findall(page.read_text(encoding="utf-8"))
    }


def test_pages_show_the_pictures_there_are_and_no_others() -> None:
    assert set(shown()) == {path.resolve() for path in (DOCS / "pictures").iterdir()}


def test_each_picture_has_words_and_is_small_and_wide_enough() -> None:
    for path, words in shown().items():
        data = path.read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n", path.name
        width, height = struct.unpack(">II", data[16:24])
        assert width >= 1000, (path.name, width)
        assert height >= 400, (path.name, height)
        assert len(data) <= MOST, (path.name, len(data))
        assert len(words) > 5, f"{path.name} has no words"


def test_both_walkthroughs_are_shown() -> None:
    page = (DOCS / "outage.md").read_text(encoding="utf-8")
    for name in ("outage-overview", "outage-graph", "outage-trace", "latency-trace"):
        assert f"pictures/{name}.png" in page
    made = (DOCS.parent / "Makefile").read_text(encoding="utf-8")
    for target in ("outage", "latency", "pictures"):
        assert f"`make {target}`" in page
        assert f"\n{target}: setup\n" in made
