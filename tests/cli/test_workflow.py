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
    if step.get("run", "").startswith("lateen ")
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
    uploads = [
        s for s in WORKFLOW["jobs"]["lateen"]["steps"] if "upload-sarif" in s.get("uses", "")
    ]
    assert [upload["with"]["sarif_file"] for upload in uploads] == ["lateen.sarif"]


def test_wrong_usage_is_not_taken_for_a_finding(tmp_path: Path) -> None:
    assert run("analyze for code scanning", "no/such/folder", tmp_path).returncode != 0


def test_the_tests_beside_the_manifests_are_played(tmp_path: Path) -> None:
    ended = run("test", "examples/polyglot", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "<testsuite" in (tmp_path / "lateen-tests.xml").read_text(encoding="utf-8")


def test_the_summary_tells_what_traffic_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    manifest = tmp_path / "k8s" / "shop.yaml"
    manifest.parent.mkdir()
    git("init", "-q", "-b", "main")
    manifest.write_text((ROOT / "tests/cases/analyze/base.yaml").read_text(encoding="utf-8"))
    git("add", "-A")
    git("commit", "-q", "-m", "before")
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("weight: 90", "weight: 80"))
    git("commit", "-q", "-a", "-m", "after")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    ended = run("diff", str(tmp_path / "k8s"), tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "api" in summary
    assert "no traffic changes" not in summary
