"""What is in neither of two places for a moment does not seem to fall."""

from __future__ import annotations

from lateen.telemetry.steady import Steady


def test_a_value_that_is_lower_for_one_look_stays_as_it_was() -> None:
    steady: Steady[str] = Steady()
    assert [steady.held({"a": v})["a"] for v in (5, 9, 2, 10, 11)] == [5, 9, 9, 10, 11]


def test_what_is_lower_at_two_looks_began_anew() -> None:
    steady: Steady[str] = Steady()
    assert [steady.held({"a": v})["a"] for v in (9, 2, 3, 4, 1, 5)] == [9, 9, 3, 4, 4, 5]


def test_what_is_gone_is_not_remembered() -> None:
    steady: Steady[str] = Steady()
    steady.held({"a": 9, "b": 1})
    assert steady.held({"b": 2}) == {"b": 2}
    assert steady.held({"a": 1}) == {"a": 1}
