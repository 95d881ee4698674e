"""Each command tells what it is for, with examples, and wrong usage has exit status 2."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

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


HEAVY = (
    "rich", "grpc", "aiohttp", "google.protobuf", "yaml", "cryptography", "pydantic", "asyncio", "jsonschema", "pyroute2"
)  # fmt: skip
PLAIN = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app, image: app}]}\n"


@pytest.mark.parametrize(
    ("words", "may"),
    [
        (["version"], set()),
        (["up", "--help"], set()),
        (["analyze", "one.yaml"], {"yaml"}),
        (["translate", "one.yaml", "--for", "web"], {"yaml"}),
        (["explain", "http://a/", "--from", "web", "-f", "one.yaml"], {"yaml"}),
        (["test", "."], {"yaml"}),
        (["diff", "one.yaml", "one.yaml", "--no-push"], {"yaml"}),
    ],
    ids=" ".join,
)
def test_a_command_imports_no_more_than_it_needs(
    words: list[str], may: set[str], tmp_path: Path
) -> None:
    (tmp_path / "one.yaml").write_text(PLAIN)
    (tmp_path / "a.mesh-test.yaml").write_text(
        "from: web\ntests: [{request: 'http://a/', expect: {}}]\n"
    )
    code = (
        "import sys; from lateen.cli.main import app; app(standalone_mode=False)\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert set(ast.literal_eval(ran.stderr.splitlines()[-1])) <= may


@pytest.mark.parametrize(("shell", "words"), [("bash", "complete -o"), ("zsh", "#compdef lateen")])
def test_a_shell_can_be_taught(
    shell: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    monkeypatch.setenv("HOME", str(tmp_path))
    script = CliRunner().invoke(app, ["--show-completion"]).output
    assert words in script
    for _ in range(2):
        told = CliRunner().invoke(app, ["--install-completion"]).output
    assert Path(told.partition(":")[0]).read_text().strip() == script.strip()
    settings = tmp_path / ".zshrc"
    assert not settings.exists() or settings.read_text().count("compinit") == 2


def test_an_unknown_shell_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/ksh")
    ran = CliRunner().invoke(app, ["--install-completion"])
    assert ran.exit_code == 2
    assert "ksh" in ran.output


def test_commands_and_words_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed, wanted in (("lateen an", {"analyze"}), ("lateen status -o ", {"text", "json"})):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        env = {"_LATEEN_COMPLETE": "bash_complete"}
        out = CliRunner().invoke(app, prog_name="lateen", env=env).output
        assert {line.partition(",")[2] for line in out.split()} == wanted
