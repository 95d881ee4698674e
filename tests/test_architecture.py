"""docs/architecture.md stays true: what it names exists, and its layers are the enforced ones."""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/architecture.md").read_text()


def test_every_module_it_names_exists() -> None:
    named = set(re.findall(r"`(lateen(?:\.\w+)+)`", TEXT))
    assert named, "the page names modules"
    assert [name for name in sorted(named) if find_spec(name) is None] == []


def test_its_layers_are_the_ones_import_linter_enforces() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = config["tool"]["importlinter"]["contracts"][0]["layers"]
    enforced = [sorted(part.strip() for part in layer.split("|")) for layer in contract]
    rows = re.findall(r"^\| [a-z ]+ \| (`lateen\..*?) \|$", TEXT, re.MULTILINE)
    drawn = [sorted(re.findall(r"`lateen\.(\w+)`", row)) for row in rows]
    assert drawn == enforced
