"""Check roles and bindings.

In: Role, ClusterRole, RoleBinding, ClusterRoleBinding.    Out: problems.
Before: check/at.py        After: check/objects.py

Source: kubernetes `pkg/apis/rbac/validation`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.rbac import (
    RBAC,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    Subject,
)
from lateen.base.problem import Problem
from lateen.check.at import At, one_of

_SUBJECTS = ("ServiceAccount", "User", "Group")


def check_rbac(
    typed: Role | ClusterRole | RoleBinding | ClusterRoleBinding, at: At
) -> Iterator[Problem]:
    """Every fault of a role or binding."""
    match typed:
        case Role() | ClusterRole():
            for index, rule in enumerate(typed.rules):
                yield from _rule(rule, at.key("rules").item(index), isinstance(typed, Role))
        case RoleBinding() | ClusterRoleBinding():
            yield from _binding(typed, at)


def _rule(rule: PolicyRule, at: At, namespaced: bool) -> Iterator[Problem]:
    if not rule.verbs:
        yield at.key("verbs").required("verbs must contain at least one value")
    if rule.non_resource_urls:
        here = at.key("nonResourceURLs")
        if namespaced:
            yield here.invalid(
                list(rule.non_resource_urls),
                "namespaced rules cannot apply to non-resource URLs",
            )
        if rule.api_groups or rule.resources or rule.resource_names:
            words = "rules cannot apply to both regular resources and non-resource URLs"
            yield here.invalid(list(rule.non_resource_urls), words)
        return
    if not rule.api_groups:
        words = "resource rules must supply at least one api group"
        yield at.key("apiGroups").required(words)
    if not rule.resources:
        words = "resource rules must supply at least one resource"
        yield at.key("resources").required(words)


def _binding(typed: RoleBinding | ClusterRoleBinding, at: At) -> Iterator[Problem]:
    here = at.key("roleRef")
    kinds = ("Role", "ClusterRole") if isinstance(typed, RoleBinding) else ("ClusterRole",)
    yield from one_of(here.key("kind"), typed.role_ref.kind, kinds)
    yield from one_of(here.key("apiGroup"), typed.role_ref.api_group, (RBAC,))
    if not typed.role_ref.name:
        yield here.key("name").required()
    for index, subject in enumerate(typed.subjects):
        namespaced = isinstance(typed, RoleBinding)
        yield from _subject(subject, at.key("subjects").item(index), namespaced)


def _subject(subject: Subject, at: At, namespaced: bool) -> Iterator[Problem]:
    if not subject.name:
        yield at.key("name").required()
    yield from one_of(at.key("kind"), subject.kind, _SUBJECTS)
    if subject.kind == "ServiceAccount":
        if subject.api_group:
            yield from one_of(at.key("apiGroup"), subject.api_group, ("",))
        if not subject.namespace and not namespaced:
            yield at.key("namespace").required()
    elif subject.kind in _SUBJECTS and subject.api_group not in ("", RBAC):
        yield from one_of(at.key("apiGroup"), subject.api_group, (RBAC,))
