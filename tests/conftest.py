"""What every test may use: golden files.

`pytest --golden-update` writes what the code makes now; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

LONGEST = 150  # a golden that nobody reads proves nothing
# Programs that no one here wrote, against which the product is tested; each needs a name of these.
PEERS = (
    ("kubectl",),
    ("prometheus",),
    ("promtool",),
    ("amtool",),
    ("chromium", "chromium-browser"),
    ("go",),
    ("node",),
    ("javac",),
    ("mvn",),
)


class Golden:
    """Compares a text with a file, or writes the file."""

    def __init__(self, update: bool) -> None:
        self._update = update

    def check(self, path: Path, text: str) -> None:
        """Fail unless the file has exactly this text."""
        assert text.count("\n") <= LONGEST, f"{path} would have more than {LONGEST} lines"
        if self._update:
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run pytest --golden-update"
        assert path.read_text(encoding="utf-8") == text, f"{path} differs: pytest --golden-update"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Where CI tests, a peer that is missing is a failure; elsewhere its tests are skipped and say so."""
    missing = [peer[0] for peer in PEERS if not any(map(shutil.which, peer))]
    if os.environ.get("CI") and missing:
        raise pytest.UsageError(f"CI is set and these programs are missing: {', '.join(missing)}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-update", action="store_true", help="rewrite golden files with what is made now"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """The golden files of this test."""
    return Golden(update=bool(request.config.getoption("--golden-update")))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for the sockets in it, as `tmp_path` may not."""
    with tempfile.TemporaryDirectory(prefix="lt", dir="/tmp") as made:
        yield Path(made)


# The same examples each time, so that a run tells of the code and not of chance; new ones are looked
# for with HYPOTHESIS_PROFILE=explore.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
