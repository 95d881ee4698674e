"""Each page in docs/problems: its head says what the catalogue says, its wrong example is found, its right one is sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lateen.base.problem import Level, Problem
from lateen.check.analysis import analyze
from lateen.check.catalogue import ENTRIES, PAGES, Found
from lateen.sources.files import read_paths
from tests.conftest import Golden

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / PAGES
CODES = sorted(ENTRIES)
WITHOUT = ("LAT0006",)  # no manifest shows it
_CODE = re.compile(r'"((?:IST|LAT)\d{4})"')
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


def found_in(text: str, folder: Path) -> tuple[Problem, ...]:
    file = folder / "example.yaml"
    file.write_text(text, encoding="utf-8")
    return analyze(read_paths([str(file)]).decoded)


@pytest.mark.parametrize("code", [c for c in CODES if ENTRIES[c].found is not Found.RUNNING])
def test_the_wrong_example_is_found_and_the_right_one_is_sound(code: str, tmp_path: Path) -> None:
    shown = examples(code)
    if code in WITHOUT:
        assert shown == {}
        return
    assert code in {problem.code for problem in found_in(shown["Wrong"], tmp_path)}
    right = found_in(shown["Right"], tmp_path)
    assert code not in {problem.code for problem in right}
    assert [str(problem) for problem in right if problem.level is Level.ERROR] == []


def test_every_code_there_is_has_an_entry_and_a_page_and_no_page_is_left_over() -> None:
    sources = [path for path in (ROOT / "src").rglob("*.py") if "catalogue" not in path.parts]
    used = {code for path in sources for code in _CODE.findall(path.read_text(encoding="utf-8"))}
    pages = {page.stem for page in FOLDER.glob("*.md")} - {"README"}
    assert used <= set(ENTRIES), "a new code wants a line in lateen/check/catalogue, and a page"
    assert set(ENTRIES) <= used, "no code of lateen has these problems any more"
    assert set(ENTRIES) == pages, f"a code wants a page in {PAGES}, with ## Wrong and ## Right"


def test_the_list_of_pages_is_complete(golden: Golden) -> None:
    rows = [
        f"| [{e.code}]({e.code}.md) | {e.name} | {e.level.value} | {e.says} |"
        for e in sorted(ENTRIES.values(), key=lambda e: e.code)
    ]
    golden.check(FOLDER / "README.md", _LIST + "\n".join(rows) + "\n")


_LIST = """\
# Problems, by code

`IST…` are codes of `istioctl analyze` with Istio's meaning and level; `LAT…` are lateen's own: 00 what is read or runs, 01 what proxies are told,
02 traffic, 03 security, 04 workloads, 05 old forms. [How to use `lateen analyze`](../analyze.md). `pytest --golden-update tests/check` writes this list.

| code | name | level | says |
|---|---|---|---|
"""
