"""What a changed file did is told in a line that stays short."""

from __future__ import annotations

from lateen.base.origin import ObjectKey
from lateen.cluster.applying import Applied
from lateen.stages.sourcing import difference


def key(name: str) -> ObjectKey:
    return ObjectKey(group="", kind="Service", namespace="shop", name=name)


def test_the_line_names_what_was_created_changed_and_deleted() -> None:
    applied = Applied(created=(key("a"),), changed=(key("b"),), deleted=(key("c"),))
    assert (
        difference(applied)
        == "Service shop/a created, Service shop/b changed, Service shop/c deleted"
    )


def test_many_objects_are_counted_and_none_is_no_line() -> None:
    words = difference(Applied(created=tuple(key(str(n)) for n in range(9))))
    assert words.endswith("Service shop/4 created, 4 more")
    assert difference(Applied(unchanged=(key("a"),))) == ""
