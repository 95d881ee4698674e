"""Each set of manifests in tests/cases/analyze has the problems beside it and no other; `…-near-miss` has none.

A set is `base.yaml`, which has none, with the objects of `in.yaml` in place of those of the same name, or added.
`pytest --golden-update` writes `problems.json`; read what it says before you commit it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from lateen.api.decode import Decoded
from lateen.base.problem import Problem
from lateen.check.analysis import analyze
from lateen.sources.files import read_paths
from tests.conftest import Golden

FOLDER = Path(__file__).parents[1] / "cases" / "analyze"
CASES = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
CLEAN = [name for name in CASES if name.endswith("-near-miss")]


@cache
def base() -> Decoded:
    return read_paths([str(FOLDER / "base.yaml")]).decoded


def problems_of(case: str) -> tuple[Problem, ...]:
    own = read_paths([str(FOLDER / case / "in.yaml")]).decoded
    keys = {obj.key for obj in own.objects} | {part.obj.key for part in own.partial}
    beside = tuple(obj for obj in base().objects if obj.key not in keys)
    everything = Decoded(
        objects=(*beside, *own.objects), problems=own.problems, partial=own.partial
    )
    return analyze(everything)


def told(problem: Problem) -> dict[str, str]:
    key = problem.origin.key
    return {
        "code": problem.code,
        "level": problem.level.value,
        "object": str(key or ""),
        "field": problem.origin.field,
        "message": problem.message,
    }


def test_the_base_has_no_problem() -> None:
    assert analyze(base()) == ()


@pytest.mark.parametrize("case", CASES)
def test_a_set_has_its_problems_and_no_other(case: str, golden: Golden) -> None:
    found = [told(problem) for problem in problems_of(case)]
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    golden.check(FOLDER / case / "problems.json", text)
    assert bool(found) == (case not in CLEAN)


def test_there_are_fifty_faulty_sets_and_fifty_clean_ones_each_beside_the_other() -> None:
    assert len(CLEAN) >= 50
    assert {f"{name}-near-miss" for name in CASES if name not in CLEAN} == set(CLEAN)
