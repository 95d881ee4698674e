"""The three kinds of patch, on trees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.apiserver.faults import ApiFault
from lateen.apiserver.patching import json_patch, merge_patch
from lateen.apiserver.strategic import strategic_merge

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


# The cases of RFC 7386, appendix A.
@pytest.mark.parametrize(
    ("tree", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(tree: Any, patch: Any, result: Any) -> None:
    assert merge_patch(tree, patch) == result


@given(json_values, json_values)
def test_a_merge_patch_applied_twice_changes_nothing_more(tree: Any, patch: Any) -> None:
    once = merge_patch(tree, patch)
    assert merge_patch(once, patch) == once


# The cases of RFC 6902, appendix A.
@pytest.mark.parametrize(
    ("tree", "patch", "result"),
    [
        ({"foo": 1}, [{"op": "add", "path": "/baz", "value": 2}], {"foo": 1, "baz": 2}),
        ({"f": [1, 3]}, [{"op": "add", "path": "/f/1", "value": 2}], {"f": [1, 2, 3]}),
        ({"f": [1]}, [{"op": "add", "path": "/f/-", "value": [2]}], {"f": [1, [2]]}),
        ({"f": [1, 2, 3]}, [{"op": "remove", "path": "/f/1"}], {"f": [1, 3]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"f": [1, 2, 3]}, [{"op": "move", "from": "/f/0", "path": "/f/2"}], {"f": [2, 3, 1]}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ],
)
def test_json_patch(tree: Any, patch: Any, result: Any) -> None:
    before = repr(tree)
    assert json_patch(tree, patch) == result
    assert repr(tree) == before


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"op": "add"}, 400),
        ([{"op": "add", "path": "a", "value": 1}], 400),
        ([{"op": "add", "path": "/a"}], 400),
        ([{"op": "jump", "path": "/a"}], 400),
        ([{"op": "copy", "from": 3, "path": "/a"}], 400),
        ([{"op": "remove", "path": "/x"}], 422),
        ([{"op": "remove", "path": ""}], 422),
        ([{"op": "replace", "path": "/x", "value": 1}], 422),
        ([{"op": "test", "path": "/a/0", "value": 2}], 422),
        ([{"op": "add", "path": "/a/9", "value": 2}], 422),
        ([{"op": "add", "path": "/a/01x", "value": 2}], 422),
    ],
)
def test_a_json_patch_that_cannot_be_done_is_refused(patch: Any, code: int) -> None:
    with pytest.raises(ApiFault) as refused:
        json_patch({"a": [1]}, patch)
    assert refused.value.code == code


TWO = [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]


@pytest.mark.parametrize(
    ("tree", "patch", "result"),
    [
        (
            {"containers": TWO},
            {"containers": [{"name": "b", "image": "b:2"}]},
            {"containers": [TWO[0], {"name": "b", "image": "b:2"}]},
        ),
        (
            {"containers": TWO},
            {"containers": [{"name": "a", "$patch": "delete"}]},
            {"containers": [TWO[1]]},
        ),
        (
            {"containers": TWO},
            {"containers": [{"name": "c"}, {"$patch": "replace"}]},
            {"containers": [{"name": "c"}]},
        ),
        (
            {"containers": TWO},
            {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
                "containers": [{"name": "c"}],
            },
            {"containers": [{"name": "c"}, TWO[1], TWO[0]]},
        ),
        (
            {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "x"}]}]},
            {"containers": [{"name": "a", "ports": [{"containerPort": 81}]}]},
            {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "x"}, {"containerPort": 81}]}]},
        ),
        (
            {"spec": {"ports": [{"port": 80, "targetPort": 1}, {"port": 81}]}},
            {"spec": {"ports": [{"port": 80, "targetPort": 2}]}},
            {"spec": {"ports": [{"port": 80, "targetPort": 2}, {"port": 81}]}},
        ),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}},
            {"metadata": {"finalizers": ["b", "c"]}},
        ),
        (
            {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}},
            {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
            {"strategy": {"type": "Recreate"}},
        ),
        ({"labels": {"a": "1"}}, {"labels": {"$patch": "replace", "b": "2"}}, {"labels": {"b": "2"}}),
        ({"labels": {"a": "1"}}, {"labels": {"a": None}}, {"labels": {}}),
    ],
)  # fmt: skip
def test_strategic_merge(tree: Any, patch: Any, result: Any) -> None:
    before = repr(tree)
    assert strategic_merge(tree, patch) == result
    assert repr(tree) == before


@pytest.mark.parametrize(
    "patch",
    [
        {"$patch": "jump"},
        {"containers": [{"image": "x"}]},
        {"containers": ["x"]},
        {"$retainKeys": "x"},
        {"$setElementOrder/containers": 1},
    ],
)
def test_a_strategic_patch_that_cannot_be_read_is_refused(patch: Any) -> None:
    with pytest.raises(ApiFault) as refused:
        strategic_merge({"containers": TWO}, patch)
    assert refused.value.code == 400
