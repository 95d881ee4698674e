"""The roles and bindings that are there from the start, as in Kubernetes.

In: -    Out: BUILT_IN: trees of ClusterRoles and ClusterRoleBindings.
Before: api/rbac.py        After: cluster/roles.py

Source: Kubernetes "Using RBAC Authorization", `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lateen.api.rbac import RBAC

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
_ALL_WRITES = (*READ, *WRITE)
_LABEL = f"{RBAC}/aggregate-to-"
_BOOTSTRAP = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_UPDATED = {f"{RBAC}/autoupdate": "true"}
_ISTIO = ("networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io")
_DISCOVERY = (
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/openapi",
    "/openapi/*",
    "/version",
    "/version/",
)
_ISSUER = ("/.well-known/openid-configuration", "/openid/v1/jwks")
_HEALTH = ("/healthz", "/livez", "/readyz")


def rule(verbs: Sequence[str], group: str | Sequence[str], *resources: str) -> dict[str, Any]:
    """Verbs on resources of one group or several."""
    groups = [group] if isinstance(group, str) else list(group)
    return {"verbs": list(verbs), "apiGroups": groups, "resources": list(resources)}


def paths(*urls: str) -> dict[str, Any]:
    """Leave to read paths that are no resources."""
    return {"verbs": ["get"], "nonResourceURLs": list(urls)}


_CONFIG = ("configmaps", "endpoints", "persistentvolumeclaims", "pods", "replicationcontrollers")
_SCALED = ("deployments/scale", "replicasets/scale", "statefulsets/scale")
_APPS = ("daemonsets", "deployments", "replicasets", "statefulsets", *_SCALED)

_EDIT = (
    rule(
        ("get", "list", "watch"),
        "",
        "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy",
    ),
    rule(("impersonate",), "", "serviceaccounts"),
    rule(WRITE, "", "pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"),
    rule(("create",), "", "pods/eviction"),
    rule(WRITE, "", *_CONFIG[:3], "events", "secrets", "serviceaccounts", "services"),
    rule(("create",), "", "serviceaccounts/token"),
    rule(WRITE, "apps", *_APPS, "deployments/rollback"),
    rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    rule(WRITE, "batch", "cronjobs", "jobs"),
    rule(WRITE, "networking.k8s.io", "ingresses", "networkpolicies"),
    rule(WRITE, "policy", "poddisruptionbudgets"),
    rule(_ALL_WRITES, "coordination.k8s.io", "leases"),
    rule(WRITE, _ISTIO, "*"),
)  # fmt: skip
_VIEW = (
    rule(READ, "", *_CONFIG, "serviceaccounts", "services", "services/status"),
    rule(READ, "", "bindings", "events", "limitranges", "namespaces/status", "pods/log"),
    rule(READ, "", "pods/status", "resourcequotas", "resourcequotas/status", "namespaces"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    rule(READ, "apps", *_APPS, "controllerrevisions", "deployments/status", "replicasets/status"),
    rule(READ, "apps", "daemonsets/status", "statefulsets/status"),
    rule(READ, "autoscaling", "horizontalpodautoscalers", "horizontalpodautoscalers/status"),
    rule(READ, "batch", "cronjobs", "cronjobs/status", "jobs", "jobs/status"),
    rule(READ, "networking.k8s.io", "ingresses", "ingresses/status", "networkpolicies"),
    rule(READ, "policy", "poddisruptionbudgets", "poddisruptionbudgets/status"),
    rule(READ, "metrics.k8s.io", "pods"),
    rule(READ, _ISTIO, "*"),
)
_ADMIN = (
    rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(_ALL_WRITES, RBAC, "roles", "rolebindings"),
)
_BASIC = (
    rule(
        ("create",), "authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"
    ),
    rule(("create",), "authentication.k8s.io", "selfsubjectreviews"),
)
_DELEGATOR = (
    rule(("create",), "authentication.k8s.io", "tokenreviews"),
    rule(("create",), "authorization.k8s.io", "subjectaccessreviews"),
)
_EVERYTHING = (
    rule(("*",), "*", "*"),
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)


def _metadata(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "labels": {**_BOOTSTRAP, **labels},
        "annotations": dict(_UPDATED),
    }


def _role(name: str, rules: Sequence[Mapping[str, Any]], **aggregate: str) -> dict[str, Any]:
    """A ClusterRole; `aggregate` names the role (`to`) that takes up its rules."""
    labels = {f"{_LABEL}{to}": "true" for to in aggregate.values()}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": _metadata(name, labels),
        "rules": list(rules),
    }


def _sum(name: str, to: str = "") -> dict[str, Any]:
    """A ClusterRole whose rules are those of the roles labelled for it."""
    selector = {"matchLabels": {f"{_LABEL}{name}": "true"}}
    tree = _role(name, (), **({"to": to} if to else {}))
    return tree | {"aggregationRule": {"clusterRoleSelectors": [selector]}}


def _binding(name: str, *groups: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _metadata(name, {}),
        "subjects": [{"kind": "Group", "apiGroup": RBAC, "name": group} for group in groups],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
    }


BUILT_IN: tuple[dict[str, Any], ...] = (
    _role("cluster-admin", _EVERYTHING),
    _sum("admin"),
    _sum("edit", to="admin"),
    _sum("view", to="edit"),
    _role("system:aggregate-to-admin", _ADMIN, to="admin"),
    _role("system:aggregate-to-edit", _EDIT, to="edit"),
    _role("system:aggregate-to-view", _VIEW, to="view"),
    _role("system:basic-user", _BASIC),
    _role("system:auth-delegator", _DELEGATOR),
    _role("system:discovery", (paths(*_DISCOVERY, *_HEALTH),)),
    _role("system:public-info-viewer", (paths(*_HEALTH, "/version", "/version/"),)),
    _role("system:monitoring", (paths("/metrics", "/metrics/*", *_HEALTH),)),
    _role("system:service-account-issuer-discovery", (paths(*_ISSUER),)),
    _binding("cluster-admin", "system:masters"),
    _binding("system:basic-user", "system:authenticated"),
    _binding("system:discovery", "system:authenticated"),
    _binding("system:public-info-viewer", "system:authenticated"),
    _binding("system:monitoring", "system:monitoring"),
    _binding("system:service-account-issuer-discovery", "system:serviceaccounts"),
)
