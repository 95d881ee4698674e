"""Nobody gives away more than they hold: the check on writes of roles and bindings.

In: who writes a role or binding, the new one and the old.    Out: ApiFault 403, or nothing.
Before: apiserver/rbac.py        After: apiserver/reviewing.py

Source: Kubernetes "Using RBAC Authorization", "Privilege escalation prevention and bootstrapping".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lateen.api.fields import dec_hook
from lateen.api.kinds import Kind
from lateen.api.rbac import (
    RBAC,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
)
from lateen.apiserver.attributes import Attributes
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault, resource
from lateen.apiserver.identity import MASTERS, User
from lateen.apiserver.rbac import covers, decide, grants_of, rules_of


def check_escalation(
    store: Objects,
    user: User,
    kind: Kind,
    raw: Mapping[str, Any],
    old: Mapping[str, Any] | None,
) -> None:
    """Raise ApiFault unless the user holds all that a role or binding would grant."""
    if kind.group != RBAC:
        return
    typed = msgspec.convert(raw, kind.struct, dec_hook=dec_hook)
    match typed:
        case Role() | ClusterRole():
            if old is not None and old.get("rules") == raw.get("rules"):
                return
            granted: tuple[PolicyRule, ...] = typed.rules
            excuse, ref = "escalate", RoleRef(kind=kind.kind, name=typed.metadata.name)
        case RoleBinding() | ClusterRoleBinding():
            _check_reference(kind, typed, raw, old)
            found = rules_of(store, typed.role_ref, typed.metadata.namespace)
            excuse, ref = "bind", typed.role_ref
            granted = found or ()
            if found is None and not _may(store, user, excuse, ref, typed.metadata.namespace):
                plural = f"{ref.kind.lower()}s"
                details = {"name": ref.name, "group": RBAC, "kind": plural}
                words = f'{plural}.{RBAC} "{ref.name}" not found'
                raise ApiFault(404, words, details=details)
        case _:
            return
    namespace = typed.metadata.namespace
    if MASTERS in user.groups or _may(store, user, excuse, ref, namespace):
        return
    held = (grant.rule for grant in grants_of(store, user, namespace))
    if lacking := covers(held, granted):
        raise _forbidden(kind, typed.metadata.name, user, lacking)


def _check_reference(
    kind: Kind,
    binding: RoleBinding | ClusterRoleBinding,
    raw: Mapping[str, Any],
    old: Mapping[str, Any] | None,
) -> None:
    if old is not None and old.get("roleRef") != raw.get("roleRef"):
        raise ApiFault(
            422,
            f'{kind.kind}.{kind.group} "{binding.metadata.name}" is invalid: roleRef: Invalid value: '
            f'{binding.role_ref.kind} "{binding.role_ref.name}": cannot change roleRef',
        )


def _may(store: Objects, user: User, verb: str, ref: RoleRef, namespace: str) -> bool:
    wanted = Attributes(
        verb=verb,
        group=RBAC,
        version="v1",
        resource=f"{ref.kind.lower()}s",
        namespace=namespace,
        name=ref.name,
    )
    return decide(store, user, wanted).allowed


def _forbidden(kind: Kind, name: str, user: User, lacking: Iterable[PolicyRule]) -> ApiFault:
    groups = " ".join(f'"{group}"' for group in user.groups)
    rules = "\n".join(_shown(rule) for rule in lacking)
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return ApiFault(
        403,
        f'{resource(kind)} "{name}" is forbidden: user "{user.name}" (groups=[{groups}]) is attempting '
        f"to grant RBAC permissions not currently held:\n{rules}",
        details=details,
    )


def _shown(rule: PolicyRule) -> str:
    """A rule as Kubernetes prints it."""
    fields = {
        "APIGroups": rule.api_groups,
        "Resources": rule.resources,
        "ResourceNames": rule.resource_names,
        "NonResourceURLs": rule.non_resource_urls,
        "Verbs": rule.verbs,
    }
    said = (
        f"{name}:[{' '.join(f'{chr(34)}{value}{chr(34)}' for value in values)}]"
        for name, values in fields.items()
        if values
    )
    return "{" + ", ".join(said) + "}"
