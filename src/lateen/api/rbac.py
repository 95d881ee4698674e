"""Role, ClusterRole, RoleBinding, ClusterRoleBinding: who may do what at the API.

In: -    Out: the structs.    Source: rbac.authorization.k8s.io/v1.
Before: api/meta.py        After: apiserver/rbac.py, cluster/roles.py
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api
from lateen.api.meta import LabelSelector, ObjectMeta

RBAC = "rbac.authorization.k8s.io"
_VERSION = f"{RBAC}/v1"


class PolicyRule(Api, frozen=True, kw_only=True):
    """Verbs on resources of groups, or on paths that are no resources; `*` means all."""

    verbs: tuple[str, ...]
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")


class RoleRef(Api, frozen=True, kw_only=True):
    """The role a binding grants."""

    api_group: str = RBAC
    kind: str
    name: str


class Subject(Api, frozen=True, kw_only=True):
    """Whom a binding grants it to: a User, a Group or a ServiceAccount of a namespace."""

    kind: str
    name: str
    api_group: str = ""
    namespace: str = ""


class Role(Api, frozen=True, kw_only=True):
    """Rules that hold in the role's own namespace."""

    api_version: str = _VERSION
    kind: str = "Role"
    metadata: ObjectMeta
    rules: tuple[PolicyRule, ...] = ()


class AggregationRule(Api, frozen=True, kw_only=True):
    """Labels of the ClusterRoles whose rules make up this one's."""

    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class ClusterRole(Api, frozen=True, kw_only=True):
    """Rules that hold everywhere, or where a RoleBinding grants them."""

    api_version: str = _VERSION
    kind: str = "ClusterRole"
    metadata: ObjectMeta
    rules: tuple[PolicyRule, ...] = ()
    aggregation_rule: AggregationRule | None = None


class RoleBinding(Api, frozen=True, kw_only=True):
    """Grants a Role, or a ClusterRole, within one namespace."""

    api_version: str = _VERSION
    kind: str = "RoleBinding"
    metadata: ObjectMeta
    subjects: tuple[Subject, ...] = ()
    role_ref: RoleRef


class ClusterRoleBinding(Api, frozen=True, kw_only=True):
    """Grants a ClusterRole everywhere."""

    api_version: str = _VERSION
    kind: str = "ClusterRoleBinding"
    metadata: ObjectMeta
    subjects: tuple[Subject, ...] = ()
    role_ref: RoleRef
