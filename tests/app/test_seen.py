"""Since when a problem has been there."""

from __future__ import annotations

from msgspec.structs import replace

from lateen.app.seen import Seen
from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem

KEY = ObjectKey(group="", kind="Service", namespace="shop", name="web")
PROBLEM = Problem(code="LAT0001", level=Level.ERROR, origin=Origin(key=KEY), message="in 9 s")


def test_a_problem_that_stays_keeps_its_time_though_its_words_change() -> None:
    seen = Seen()
    seen.note([PROBLEM], 100.0)
    other = replace(PROBLEM, message="in 4 s")
    assert seen.note([other], 105.0) == {other: 100.0}


def test_a_problem_that_went_and_came_again_is_new() -> None:
    seen = Seen()
    seen.note([PROBLEM], 100.0)
    seen.note([], 105.0)
    assert seen.note([PROBLEM], 110.0) == {PROBLEM: 110.0}
