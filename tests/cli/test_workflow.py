"""The workflow of docs/ci does in a shell what it says, with the commands there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "docs" / "ci" / "lateen.yml").read_text(encoding="utf-8"))
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text())
STEPS: dict[str, dict[str, Any]] = {
    step["name"]: step
    for step in WORKFLOW["jobs"]["lateen"]["steps"]
    if step.get("run", "").startswith("lateen analyze")
}


def run(step: str, manifests: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As GitHub's runner does: with `sh -e`, in the checked out folder."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-e", "-c", STEPS[step]["run"]],
        cwd=folder,
        env={**os.environ, "PATH": path, "MANIFESTS": str(ROOT / manifests)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("manifests", "status"), [("examples/analyze", 1), ("examples/polyglot", 0)]
)
def test_errors_fail_the_pull_request(manifests: str, status: int, tmp_path: Path) -> None:
    ended = run("analyze", manifests, tmp_path)
    assert (ended.returncode, ended.stderr) == (status, "")
    assert ("::error " in ended.stdout) == bool(status)


def test_what_was_found_is_there_to_be_uploaded(tmp_path: Path) -> None:
    ended = run("analyze for code scanning", "examples/analyze", tmp_path)
    assert ended.returncode == 0
    log = json.loads((tmp_path / "lateen.sarif").read_text(encoding="utf-8"))
    jsonschema.validate(log, SCHEMA)
    upload = WORKFLOW["jobs"]["lateen"]["steps"][-1]
    assert upload["with"]["sarif_file"] == "lateen.sarif"


def test_wrong_usage_is_not_taken_for_a_finding(tmp_path: Path) -> None:
    assert run("analyze for code scanning", "no/such/folder", tmp_path).returncode != 0
