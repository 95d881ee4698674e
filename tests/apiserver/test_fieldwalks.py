"""Fields of objects: found, compared, merged and taken away, as structured-merge-diff does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.apiserver.fieldsets import fields_from, fields_tree, shown
from lateen.apiserver.fieldwalks import difference, fields_of, merged, without
from lateen.apiserver.listtypes import Merging

CORE = Merging()
CUSTOM = Merging(marked=False)


def deployed(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


def test_an_item_of_a_keyed_list_is_known_by_its_keys() -> None:
    tree = deployed({"name": "app", "image": "web:1", "ports": [{"containerPort": 80}]})
    assert fields_tree(fields_of(tree, CORE)) == {
        "f:spec": {
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"app"}': {
                            ".": {},
                            "f:image": {},
                            "f:name": {},
                            "f:ports": {
                                'k:{"containerPort":80,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:containerPort": {},
                                }
                            },
                        }
                    }
                }
            }
        }
    }


@pytest.mark.parametrize(
    ("tree", "rules", "wanted"),
    [
        ({"spec": {"selector": {"app": "x"}}}, CORE, {".spec.selector"}),
        ({"spec": {"selector": {"app": "x"}}}, CUSTOM, {".spec.selector.app"}),
        ({"metadata": {"finalizers": ["a/b"]}}, CUSTOM, {'.metadata.finalizers[="a/b"]'}),
        ({"spec": {"hosts": ["a", "b"]}}, CUSTOM, {".spec.hosts"}),
        ({"data": {}}, CORE, {".data"}),
        (
            {"status": {"conditions": [{"type": "Ready"}, {"type": "Ready"}]}},
            CORE,
            {".status.conditions"},
        ),
        (
            {"spec": {"ports": [{"port": 80}]}},
            CORE,
            {'.spec.ports[port=80,protocol="TCP"]', '.spec.ports[port=80,protocol="TCP"].port'},
        ),
    ],
)
def test_what_is_one_field(tree: Any, rules: Merging, wanted: set[str]) -> None:
    assert {shown(path) for path in fields_of(tree, rules)} == wanted


def test_a_difference_names_what_was_added_removed_and_changed() -> None:
    old = {"data": {"a": "1", "b": "1"}, "metadata": {"labels": {"x": "1"}}}
    new = {"data": {"a": "2", "c": "1"}, "metadata": {}}
    found = difference(old, new, CORE)
    assert {shown(p) for p in found.added} == {".data.c"}
    assert {shown(p) for p in found.modified} == {".data.a"}
    assert {shown(p) for p in found.removed} == {
        ".data.b",
        ".metadata.labels",
        ".metadata.labels.x",
    }


def test_a_merge_keeps_the_items_of_others_in_their_places() -> None:
    live = deployed({"name": "proxy"}, {"name": "app", "image": "web:1"}, {"name": "log"})
    wanted = deployed({"name": "app", "image": "web:2"}, {"name": "new"})
    names = merged(live, wanted, CORE)["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in names] == ["proxy", "app", "log", "new"]
    assert names[1]["image"] == "web:2"


def test_the_order_wanted_wins_among_items_both_have() -> None:
    live = deployed({"name": "a"}, {"name": "b"}, {"name": "c"})
    wanted = deployed({"name": "c"}, {"name": "a"})
    names = merged(live, wanted, CORE)["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in names] in (["b", "c", "a"], ["c", "a", "b"])


def test_a_field_that_is_taken_away_takes_along_what_it_holds() -> None:
    tree = deployed({"name": "app", "image": "web:1"}, {"name": "log"})
    path = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"app"}')
    assert without(tree, frozenset({path}), CORE) == deployed({"name": "log"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "containers", "name", "ports", "metadata", "finalizers"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(["spec", "metadata", "data"]), JSON, max_size=3)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(tree=OBJECTS)
def test_fields_can_be_written_and_read_back(tree: Any) -> None:
    fields = fields_of(tree, CORE)
    assert fields_from(fields_tree(fields)) == fields


@settings(derandomize=True, max_examples=150, deadline=None)
@given(live=OBJECTS, wanted=OBJECTS)
def test_merging_once_more_changes_nothing(live: Any, wanted: Any) -> None:
    made = merged(live, wanted, CORE)
    assert merged(made, wanted, CORE) == made


@settings(derandomize=True, max_examples=150, deadline=None)
@given(old=OBJECTS, new=OBJECTS)
def test_what_one_way_adds_the_way_back_removes(old: Any, new: Any) -> None:
    there, back = difference(old, new, CORE), difference(new, old, CORE)
    assert there.modified == back.modified
    assert there.added <= back.removed
    assert all(path[-1] in ("f:spec", "f:metadata") for path in back.removed - there.added)


@pytest.mark.parametrize(
    "tree", [[], {"spec": {}}, {"x:y": {}}, {"k:[1]": {}}, {"v:{": {}}, {"f:a": 1}]
)
def test_what_is_no_set_of_fields_is_refused(tree: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fields_from(tree)
