"""Decide by Role, ClusterRole and their bindings what a user may do.

In: a user, attributes, the store's roles and bindings.    Out: Decision; the rules a user has.
Before: api/rbac.py, apiserver/attributes.py        After: apiserver/guarding.py, accessreviews.py

Source: Kubernetes "Using RBAC Authorization", `plugin/pkg/auth/authorizer/rbac`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.api.rbac import (
    RBAC,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from lateen.apiserver.attributes import Attributes
from lateen.apiserver.deps import Objects
from lateen.apiserver.identity import MASTERS, User, account_name
from lateen.base.origin import ObjectKey

_ALL = "*"


class Decision(Struct, frozen=True, kw_only=True):
    """Whether it is allowed, by which binding, or what stood in the way."""

    allowed: bool
    reason: str = ""


class Grant(Struct, frozen=True, kw_only=True):
    """A rule a user has, and the binding it comes from."""

    rule: PolicyRule
    by: str


def decide(store: Objects, user: User, wanted: Attributes) -> Decision:
    """Whether the user may; nothing that no rule allows is allowed."""
    if MASTERS in user.groups:
        return Decision(allowed=True)
    missing: list[str] = []
    for grant in grants_of(store, user, wanted.namespace, missing):
        if allows(grant.rule, wanted):
            return Decision(allowed=True, reason=f"RBAC: allowed by {grant.by}")
    return Decision(allowed=False, reason=f"RBAC: {', '.join(missing)}" if missing else "")


def grants_of(
    store: Objects, user: User, namespace: str, missing: list[str] | None = None
) -> Iterator[Grant]:
    """Every rule the user has in the namespace ("": cluster-wide only).

    `missing` takes a word on each role that a binding of the user names and that is not there.
    """
    bindings: list[tuple[Obj, ClusterRoleBinding | RoleBinding]] = []
    for obj in store.list(group=RBAC, kind="ClusterRoleBinding"):
        if isinstance(obj.typed, ClusterRoleBinding):
            bindings.append((obj, obj.typed))
    if namespace:
        for obj in store.list(group=RBAC, kind="RoleBinding", namespace=namespace):
            if isinstance(obj.typed, RoleBinding):
                bindings.append((obj, obj.typed))
    for obj, binding in bindings:
        inside = obj.key.namespace
        subject = next((s for s in binding.subjects if is_subject(user, s, inside)), None)
        if subject is None:
            continue
        rules = rules_of(store, binding.role_ref, inside)
        if rules is None and missing is not None:
            kind = f"{binding.role_ref.kind.lower()}.{RBAC}"
            missing.append(f'{kind} "{binding.role_ref.name}" not found')
        by = _described(obj, binding.role_ref, subject)
        yield from (Grant(rule=rule, by=by) for rule in rules or ())


def rules_of(store: Objects, ref: RoleRef, namespace: str) -> tuple[PolicyRule, ...] | None:
    """The rules of the role a binding in that namespace names; None if it is not there."""
    inside = namespace if ref.kind == "Role" else ""
    obj = store.get(ObjectKey(group=RBAC, kind=ref.kind, namespace=inside, name=ref.name))
    if obj is None or not isinstance(obj.typed, Role | ClusterRole):
        return None
    return obj.typed.rules


def is_subject(user: User, subject: Subject, namespace: str) -> bool:
    """Whether a binding's subject means this user."""
    match subject.kind:
        case "User":
            return subject.name == user.name
        case "Group":
            return subject.name in user.groups
        case "ServiceAccount":
            inside = subject.namespace or namespace
            return bool(inside) and account_name(inside, subject.name) == user.name
    return False


def allows(rule: PolicyRule, wanted: Attributes) -> bool:
    """Whether one rule covers one request."""
    if not _named(rule.verbs, wanted.verb):
        return False
    if not wanted.resource:
        return any(_covers_path(url, wanted.path) for url in rule.non_resource_urls)
    return (
        _named(rule.api_groups, wanted.group)
        and _covers_resource(rule.resources, wanted)
        and (not rule.resource_names or wanted.name in rule.resource_names)
    )


def covers(owned: Iterable[PolicyRule], asked: Iterable[PolicyRule]) -> tuple[PolicyRule, ...]:
    """Those of the smallest parts of the rules asked for that no owned rule covers."""
    held = tuple(owned)
    return tuple(
        part
        for rule in asked
        for part in _parts(rule)
        if not any(_covers_part(mine, part) for mine in held)
    )


def _parts(rule: PolicyRule) -> Iterator[PolicyRule]:
    """The rule taken apart into one verb, one group, one resource and one name each."""
    for verb in rule.verbs:
        for group in rule.api_groups:
            for resource in rule.resources:
                for name in rule.resource_names or ("",):
                    yield PolicyRule(
                        verbs=(verb,),
                        api_groups=(group,),
                        resources=(resource,),
                        resource_names=(name,) if name else (),
                    )
        for url in rule.non_resource_urls:
            yield PolicyRule(verbs=(verb,), non_resource_urls=(url,))


def _covers_part(mine: PolicyRule, part: PolicyRule) -> bool:
    if not _named(mine.verbs, part.verbs[0]):
        return False
    if part.non_resource_urls:
        return any(_covers_path(url, part.non_resource_urls[0]) for url in mine.non_resource_urls)
    resource, _, below = part.resources[0].partition("/")
    whole = part.resources[0] in mine.resources or _ALL in mine.resources
    if not whole and not (below and f"{_ALL}/{below}" in mine.resources and resource != _ALL):
        return False
    if not _named(mine.api_groups, part.api_groups[0]):
        return False
    return not mine.resource_names or bool(
        part.resource_names and part.resource_names[0] in mine.resource_names
    )


def _named(listed: tuple[str, ...], word: str) -> bool:
    return word in listed or _ALL in listed


def _covers_resource(listed: tuple[str, ...], wanted: Attributes) -> bool:
    if _named(listed, wanted.full_resource):
        return True
    return bool(wanted.subresource) and f"{_ALL}/{wanted.subresource}" in listed


def _covers_path(pattern: str, path: str) -> bool:
    if pattern.endswith(_ALL):
        return path.startswith(pattern.removesuffix(_ALL))
    return pattern == path


def _described(binding: Obj, ref: RoleRef, subject: Subject) -> str:
    where = f"{binding.key.name}/{binding.key.namespace}" if binding.key.namespace else ""
    who = subject.name
    if subject.kind == "ServiceAccount":
        who = f"{subject.name}/{subject.namespace or binding.key.namespace}"
    named = where or binding.key.name
    return f'{binding.key.kind} "{named}" of {ref.kind} "{ref.name}" to {subject.kind} "{who}"'
