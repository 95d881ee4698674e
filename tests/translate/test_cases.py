"""Each case's plan is as its golden says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.translate.plan import plan_for, plans, proxies
from tests.conftest import Golden
from tests.translate.cases import all_cases, case_in
from tests.translate.render import shown


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("folder", all_cases(), ids=_name)
def test_plan_is_as_written(folder: Path, golden: Golden) -> None:
    case = case_in(folder)
    proxy = next(p for p in proxies(case.world) if f"{p.namespace}/{p.pod}" == case.proxy)
    plan, problems = plan_for(case.world, proxy)
    golden.check(folder / "ir.yaml", shown(plan, problems, case.show))


@pytest.mark.parametrize("folder", all_cases(), ids=_name)
def test_a_plan_made_alone_equals_the_one_made_with_all(folder: Path) -> None:
    case = case_in(folder)
    for planned in plans(case.world):
        plan, problems = plan_for(case.world, planned.plan.proxy)
        assert plan == planned.plan
        assert problems == planned.problems
