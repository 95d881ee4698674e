"""Which Node.js builds the console's pages."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "console.py"))


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("v20.19.0\n", True),
        ("v24.1.0\n", True),
        ("v20.18.3\n", False),
        ("v18.20.4\n", False),
        ("", False),
        ("node: not found", False),
    ],
)
def test_a_node_that_is_too_old_or_missing_is_not_taken(said: str, good: bool) -> None:
    assert TOOL["is_new_enough"](said) is good
