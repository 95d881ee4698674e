"""What two sets differ in is worked out once, and not at all where one was made of the other."""

from __future__ import annotations

from lateen.envoy.resources import Named
from lateen.xds.changes import Changes
from tests.xds.talk import resource


def named(**bodies: str) -> Named:
    return Named((name, resource(name, body)) for name, body in bodies.items())


def test_names_that_came_went_or_changed() -> None:
    before, now = named(a="1", b="1", c="1"), named(a="1", b="2", d="1")
    changes = Changes()
    assert changes.between(before, now) == {"b", "c", "d"}
    assert changes.between(before, now) is changes.between(before, now)
    assert changes.between(before, before) == frozenset()


def test_a_set_made_of_another_knows_its_differences() -> None:
    before = named(a="1", b="1")
    now = before.with_these([resource("b", "2")])
    assert dict(now) == {"a": before["a"], "b": resource("b", "2")}
    assert Changes().between(before, now) is now.changed
    assert now.changed == {"b"}


def test_of_two_steps_the_differences_are_looked_for() -> None:
    before = named(a="1", b="1", c="1")
    first = before.with_these([resource("a", "2")])
    second = first.with_these([resource("b", "2")])
    assert Changes().between(before, second) == {"a", "b"}
    back = first.with_these([resource("a", "1")])
    assert Changes().between(before, back) == frozenset()


def test_a_set_that_is_gone_is_taken_for_no_other() -> None:
    before = named(a="1")
    now = before.with_these([resource("a", "2")])
    del before
    for _ in range(100):  # one of these may well lie where the other did
        other = named(b="1")
        assert Changes().between(other, now) == {"a", "b"}
