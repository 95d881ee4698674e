"""What docs/ shows of the commands that work on files is what they print.

A block that begins with ```console has commands after `$ ` and below each what it prints; a line `…`
stands for any lines. `pytest --golden-update` writes blocks without such lines anew.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from lateen.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = ("analyze.md", "diff.md", "explain.md", "properties.md", "test.md", "translate.md")
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_CUT = "…"


def shown(page: str) -> list[tuple[str, str]]:
    """Each command of a page with what is shown below it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command = command[:-1] + more.strip()
            found.append((command, output))
    return found


def printed(command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command prints, in the project's folder."""
    monkeypatch.chdir(ROOT)
    words = shlex.split(command.partition("  #")[0])
    assert words[0] == "lateen", command
    return CliRunner().invoke(app, words[1:]).output


@pytest.mark.parametrize("page", PAGES)
def test_the_page_shows_what_is_printed(
    page: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = shown(page)
    assert commands, f"{page} shows no command"
    for command, output in commands:
        now = printed(command, monkeypatch)
        if request.config.getoption("--golden-update") and _CUT not in output.splitlines():
            path = ROOT / "docs" / page
            line = command if output else f"{command}\n"  # below it nothing is shown yet
            text = path.read_text("utf-8")
            path.write_text(text.replace(output or line, now if output else line + now), "utf-8")
            continue
        pieces = [piece.strip("\n") for piece in re.split(rf"^{_CUT}$", output, flags=re.MULTILINE)]
        at = 0
        for piece in pieces:
            found = now.find(piece, at)
            assert found >= 0, f"{page}: `{command}` prints\n{now}\nand the page has\n{piece}"
            at = found + len(piece)
        if len(pieces) == 1:
            assert now.strip("\n") == pieces[0]
