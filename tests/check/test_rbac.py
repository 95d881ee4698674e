"""What is wrong with a role or binding, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.api.decode import decode_raw
from lateen.check import check_object
from tests.apiserver.roles import binding, of_user, role

Tree = dict[str, Any]
READ = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


def said(tree: Tree) -> list[str]:
    obj, problems = decode_raw(tree, places=None)
    assert obj is not None, problems
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


def test_a_sound_role_and_binding() -> None:
    assert said(role("a", READ)) == []
    assert said(binding("a", "a", of_user("ann"))) == []


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (role("a", READ | {"verbs": []}), "rules[0].verbs: Required value"),
        (
            role("a", READ | {"apiGroups": []}),
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        ),
        (
            role("a", {"verbs": ["get"], "nonResourceURLs": ["/x"]}),
            "namespaced rules cannot apply to non-resource URLs",
        ),
        (
            role("a", READ | {"nonResourceURLs": ["/x"]}, namespace=""),
            "rules cannot apply to both regular resources and non-resource URLs",
        ),
        (
            binding("a", "a", {"kind": "Robot", "name": "r"}),
            'subjects[0].kind: Unsupported value: "Robot"',
        ),
        (
            binding("a", "a", {"kind": "ServiceAccount", "name": "r"}, namespace=""),
            "subjects[0].namespace: Required value",
        ),
        (binding("a", "a", {"kind": "User", "name": ""}), "subjects[0].name: Required value"),
        (
            binding("a", "a", namespace="") | {"roleRef": {"kind": "Role", "name": "a"}},
            'roleRef.kind: Unsupported value: "Role"',
        ),
    ],
)
def test_each_fault_is_named(tree: Tree, words: str) -> None:
    assert any(words in line for line in said(tree))
