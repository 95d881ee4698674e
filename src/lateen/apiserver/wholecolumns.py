"""The columns of kinds whose tables do not end in their age: nodes, roles, definitions.

In: an object's raw tree.    Out: WHOLE_COLUMNS by kind, each with all of its columns in their order.
Before: apiserver/columns.py        After: apiserver/workcolumns.py

Source: kubernetes pkg/printers/internalversion; printer columns of apiextensions.
"""

from __future__ import annotations

from collections.abc import Mapping

from lateen.apiserver.columns import (
    AGE,
    NAME,
    Column,
    Tree,
    at,
    joined,
    shown_column,
    text_column,
    wide_column,
)

_ROLE_PREFIX = "node-role.kubernetes.io/"
_CREATED = text_column("Created At", "metadata", "creationTimestamp", default="")


def _node_status(raw: Tree) -> str:
    conditions = at(raw, "status", "conditions") or ()
    ready = next((c for c in conditions if c.get("type") == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if at(raw, "spec", "unschedulable") else word


def _node_roles(raw: Tree) -> str:
    labels = at(raw, "metadata", "labels") or {}
    return joined(
        k.removeprefix(_ROLE_PREFIX) for k in sorted(labels) if k.startswith(_ROLE_PREFIX)
    )


def _node_address(raw: Tree, kind: str) -> str:
    addresses = at(raw, "status", "addresses") or ()
    return next((str(a.get("address")) for a in addresses if a.get("type") == kind), "<none>")


def _node_fact(name: str, field: str) -> Column:
    return text_column(name, "status", "nodeInfo", field, default="<unknown>", wide=True)


def _bound_role(raw: Tree) -> str:
    return f"{at(raw, 'roleRef', 'kind') or ''}/{at(raw, 'roleRef', 'name') or ''}"


def _subjects(raw: Tree, kind: str) -> str:
    found = [s for s in raw.get("subjects") or () if s.get("kind") == kind]
    names = (
        f"{s.get('namespace', '')}/{s.get('name')}" if kind == "ServiceAccount" else s.get("name")
        for s in found
    )
    return ", ".join(str(name) for name in names)


_BINDING = (
    NAME,
    shown_column("Role", _bound_role),
    AGE,
    wide_column("Users", lambda raw: _subjects(raw, "User")),
    wide_column("Groups", lambda raw: _subjects(raw, "Group")),
    wide_column("ServiceAccounts", lambda raw: _subjects(raw, "ServiceAccount")),
)
_RBAC = "rbac.authorization.k8s.io"

WHOLE_COLUMNS: Mapping[tuple[str, str], tuple[Column, ...]] = {
    ("", "Node"): (
        NAME,
        shown_column("Status", _node_status),
        shown_column("Roles", _node_roles),
        AGE,
        text_column("Version", "status", "nodeInfo", "kubeletVersion", default=""),
        wide_column("Internal-IP", lambda raw: _node_address(raw, "InternalIP")),
        wide_column("External-IP", lambda raw: _node_address(raw, "ExternalIP")),
        _node_fact("OS-Image", "osImage"),
        _node_fact("Kernel-Version", "kernelVersion"),
        _node_fact("Container-Runtime", "containerRuntimeVersion"),
    ),
    (_RBAC, "Role"): (NAME, _CREATED),
    (_RBAC, "ClusterRole"): (NAME, _CREATED),
    (_RBAC, "RoleBinding"): _BINDING,
    (_RBAC, "ClusterRoleBinding"): _BINDING,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (NAME, _CREATED),
}
