"""Each page in docs/problems: its head says what the catalogue says, its wrong example is found, its right one is sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lateen.api.decode import decode_documents
from lateen.base.problem import Level
from lateen.check.analysis import analyze
from lateen.check.catalogue import ENTRIES, PAGES, Found

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / PAGES
CODES = sorted(page.stem for page in FOLDER.glob("*.md") if page.stem != "README")
_EXAMPLE = re.compile(r"^## (Wrong|Right)\n+```yaml\n(.*?)```$", re.MULTILINE | re.DOTALL)


def examples(code: str) -> dict[str, str]:
    return dict(_EXAMPLE.findall((FOLDER / f"{code}.md").read_text(encoding="utf-8")))


@pytest.mark.parametrize("code", CODES)
def test_a_pages_head_is_the_catalogues(code: str) -> None:
    entry = ENTRIES[code]
    title, _, level, _, says, _, why, *_ = (FOLDER / f"{code}.md").read_text().splitlines()
    assert title == f"# {entry.code} {entry.name}"
    assert level.startswith(f"{entry.level.value} · ")
    assert says == f"{entry.says[0].upper()}{entry.says[1:]}."
    assert why


@pytest.mark.parametrize("code", [c for c in CODES if ENTRIES[c].found is not Found.RUNNING])
def test_the_wrong_example_is_found_and_the_right_one_is_sound(code: str) -> None:
    shown = examples(code)
    wrong = analyze(decode_documents(shown["Wrong"], "wrong.yaml"))
    assert code in {problem.code for problem in wrong}
    right = analyze(decode_documents(shown["Right"], "right.yaml"))
    assert code not in {problem.code for problem in right}
    assert [str(problem) for problem in right if problem.level is Level.ERROR] == []
