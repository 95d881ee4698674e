"""Tell clients which groups, versions and resources there are.

In: the registry.    Out: the documents of /api, /apis, /apis/GROUP/VERSION and /version.
Before: api/kinds.py        After: apiserver/app.py

Source: Kubernetes API concepts, "API discovery".
"""

from __future__ import annotations

import platform
from typing import Any

import lateen
from lateen.api.authentication import AUTHENTICATION
from lateen.api.kinds import Kind, registry
from lateen.apiserver.questions import QUESTIONS, Question

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_IN_ALL = frozenset(
    {
        "Pod",
        "Service",
        "Deployment",
        "ReplicaSet",
        "Job",
        "CronJob",
        "StatefulSet",
        "DaemonSet",
        "HorizontalPodAutoscaler",
    }
)
SCALED = frozenset({"Deployment", "ReplicaSet", "StatefulSet"})
KUBERNETES_MINOR = 32
METRICS, METRICS_VERSION = "metrics.k8s.io", "v1beta1"  # measured, never stored
_MEASURED = (("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True))


def version_info() -> dict[str, Any]:
    """`/version`: the Kubernetes API level spoken, with lateen's own version as its build."""
    return {
        "major": "1",
        "minor": str(KUBERNETES_MINOR),
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0+lateen-{lateen.__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


def api_versions(server: str) -> dict[str, Any]:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    }


def group_list() -> dict[str, Any]:
    """`/apis`."""
    groups = [group for name in groups_known() if (group := group_info(name))]
    for group in groups:
        del group["kind"], group["apiVersion"]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def groups_known() -> tuple[str, ...]:
    """Every group but the core one, in order of registration."""
    groups = [
        *(kind.group for kind in registry().kinds),
        *(question.group for question in QUESTIONS),
        METRICS,
    ]
    return tuple(dict.fromkeys(group for group in groups if group))


def versions_of(group: str) -> tuple[str, ...]:
    """The versions of a group, the preferred one first."""
    if group == METRICS:
        return (METRICS_VERSION,)
    stored = [v for kind in registry().kinds if kind.group == group for v in kind.versions]
    return tuple(dict.fromkeys([*stored, *(q.version for q in QUESTIONS if q.group == group)]))


def group_info(group: str) -> dict[str, Any] | None:
    """`/apis/GROUP`, or None for an unknown group."""
    versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions_of(group)]
    if not versions or not group:
        return None
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": versions,
        "preferredVersion": versions[0],
    }


def resource_list(group: str, version: str) -> dict[str, Any] | None:
    """`/api/v1` or `/apis/GROUP/VERSION`, or None for an unknown one."""
    kinds = [k for k in registry().kinds if k.group == group and version in k.versions]
    questions = [q for q in QUESTIONS if (q.group, q.version) == (group, version)]
    measured = (group, version) == (METRICS, METRICS_VERSION)
    if not kinds and not questions and not measured:
        return None
    resources = [entry for kind in kinds for entry in _entries(kind)]
    resources += [_measured(*one) for one in _MEASURED if measured]
    resources += [_question(question) for question in questions]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _measured(plural: str, kind: str, namespaced: bool) -> dict[str, Any]:
    names = {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind}
    return names | {"verbs": ["get", "list"]}


def _question(question: Question) -> dict[str, Any]:
    return {
        "name": question.plural,
        "singularName": question.kind.lower(),
        "namespaced": question.namespaced,
        "kind": question.kind,
        "verbs": ["create"],
    }


def _entries(kind: Kind) -> list[dict[str, Any]]:
    main: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.custom.singular if kind.custom else kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(VERBS),
    }
    if kind.short_names:
        main["shortNames"] = list(kind.short_names)
    if kind.kind in _IN_ALL:
        main["categories"] = ["all"]
    if kind.custom and kind.custom.categories:
        main["categories"] = list(kind.custom.categories)
    below = {"singularName": "", "namespaced": kind.namespaced}
    entries = [main]
    if has_status(kind):
        status = {"name": f"{kind.plural}/status", "kind": kind.kind}
        entries.append(status | below | {"verbs": ["get", "patch", "update"]})
    if kind.kind == "ServiceAccount":
        token = {"name": "serviceaccounts/token", "kind": "TokenRequest", "verbs": ["create"]}
        entries.append(token | below | {"group": AUTHENTICATION, "version": "v1"})
    if kind.kind == "Pod":
        eviction = {"name": "pods/eviction", "kind": "Eviction", "verbs": ["create"]}
        entries.append(eviction | below | {"group": "policy", "version": "v1"})
        entries.append({"name": "pods/log", "kind": "Pod", "verbs": ["get"]} | below)
        verbs = ["get", "patch", "update"]
        entries.append({"name": "pods/ephemeralcontainers", "kind": "Pod", "verbs": verbs} | below)
        for name in ("attach", "exec", "portforward"):
            kind_ = (
                "PodPortForwardOptions" if name == "portforward" else f"Pod{name.title()}Options"
            )
            entries.append(
                {"name": f"pods/{name}", "kind": kind_, "verbs": ["create", "get"]} | below
            )
    if has_scale(kind):
        scale = {
            "name": f"{kind.plural}/scale",
            "kind": "Scale",
            "verbs": ["get", "patch", "update"],
        }
        entries.append(scale | below | {"group": "autoscaling", "version": "v1"})
    return entries


def has_status(kind: Kind) -> bool:
    """Whether objects of the kind have a status that is written apart from them."""
    if kind.custom is not None:
        return kind.custom.has_status
    return "status" in kind.struct.__struct_fields__


def has_scale(kind: Kind) -> bool:
    """Whether objects of the kind have a number of replicas that can be read and set alone."""
    return kind.custom.has_scale if kind.custom is not None else kind.kind in SCALED
