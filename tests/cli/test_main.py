"""Each command tells what it is for, with examples, and wrong usage has exit status 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lateen import __version__
from lateen.cli.main import app

COMMANDS = [["up"], ["down"], ["status"], ["logs"], ["proxy", "status"], ["proxy", "config"]]


@pytest.mark.parametrize("command", [*COMMANDS, ["kubeconfig"]], ids=" ".join)
def test_help_ends_with_examples_a_line_each(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    _, _, lines = shown.output.partition("Examples:\n")
    assert lines
    assert all("lateen" in line for line in lines.splitlines())


def test_the_overview_cuts_no_line_short() -> None:
    assert "..." not in CliRunner().invoke(app, ["--help"]).output.partition("Commands:")[2]


@pytest.mark.parametrize("words", [["version"], ["--version"]], ids=" ".join)
def test_the_version_is_told(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).output.strip() == __version__


@pytest.mark.parametrize("words", [["statsu"], ["up"], ["status", "-o", "yaml"]], ids=" ".join)
def test_wrong_usage_has_exit_status_2(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


@pytest.mark.parametrize(
    ("stdin", "words"),
    [(b" \n", "nothing came in on standard input"), (b"a: \xff", "not UTF-8 text")],
)
def test_a_pipe_from_a_command_that_failed_changes_nothing(
    stdin: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("STATE", "CACHE"):
        monkeypatch.setenv(f"LATEEN_{part}_DIR", str(tmp_path / part))
    run = Path("/tmp/lt-none")  # a test's own folder may be too deep for a socket
    monkeypatch.setenv("LATEEN_RUN_DIR", str(run))
    ran = CliRunner().invoke(app, ["up", "-", "-d"], input=stdin)
    assert words in str(ran.exception)
    assert list(tmp_path.iterdir()) == []
    assert not run.exists()


def test_a_command_imports_nothing_heavy_before_it_runs() -> None:
    heavy = ("rich", "grpc", "aiohttp", "google.protobuf", "yaml", "cryptography")
    code = f"import sys, lateen.cli.main; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
