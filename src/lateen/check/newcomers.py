"""Decide whether an object may come into its namespace, whoever makes it: a user or a controller.

In: an object to be made, the namespace's objects.    Out: Newcomer: the tree with defaults, or why not.
Before: check/limits.py, quotas.py, podsecurity.py        After: apiserver/reviewing.py, cluster/performing.py

Source: Kubernetes' admission plugins Priority, DefaultTolerationSeconds, LimitRanger,
ResourceQuota and PodSecurity, and the webhook of its
VerticalPodAutoscaler.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from lateen.api.limits import LimitRange, ResourceQuota
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.check.limits import out_of_bounds, with_default_resources
from lateen.check.podsecurity import Standard, violations
from lateen.check.priorities import with_priority, with_usual_tolerations
from lateen.check.quotas import over_quota, summed, used_by
from lateen.check.resizing import with_recommendation

_LABEL = "pod-security.kubernetes.io/"


class Neighbours(Protocol):
    """Reads of the store."""

    def get(self, key: ObjectKey) -> Obj | None:
        """The object, or None."""

    def list(
        self, *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> tuple[Obj, ...]:
        """Objects sorted by key; None means any."""


class Newcomer(Struct, frozen=True, kw_only=True):
    """The tree to store; `refusal` says why it may not be, "" if it may."""

    raw: dict[str, Any]
    refusal: str = ""
    warnings: tuple[str, ...] = ()


def welcome(store: Neighbours, key: ObjectKey, raw: Mapping[str, Any]) -> Newcomer:
    """Judge an object that is not there yet."""
    tree = dict(raw)
    if not key.namespace:
        return Newcomer(raw=tree)
    refusal = ""
    if (key.group, key.kind) == ("", "Pod"):
        classes = store.list(group="scheduling.k8s.io", kind="PriorityClass")
        tree, refusal = with_priority(with_usual_tolerations(tree), classes)
        found = store.list(group="", kind="LimitRange", namespace=key.namespace)
        ranges = [o.typed for o in found if isinstance(o.typed, LimitRange)]
        if ranges:
            tree = with_default_resources(tree, ranges)
        tree = with_recommendation(store, key.namespace, tree)
        if ranges:
            refusal = refusal or ", ".join(dict.fromkeys(out_of_bounds(tree, ranges)))
    denied, warnings = secured(store, key, tree)
    refusal = refusal or denied or _beyond_quota(store, key, tree)
    return Newcomer(raw=tree, refusal=refusal, warnings=warnings)


def secured(
    store: Neighbours, key: ObjectKey, tree: Mapping[str, Any]
) -> tuple[str, tuple[str, ...]]:
    """What the namespace's Pod Security labels say of a pod, or of a workload's template."""
    namespace = store.get(ObjectKey(group="", kind="Namespace", namespace="", name=key.namespace))
    spec = _pod_spec(key, tree)
    if namespace is None or spec is None:
        return "", ()
    labels = namespace.meta.labels
    denied = ""
    if (key.group, key.kind) == ("", "Pod"):
        level = labels.get(f"{_LABEL}enforce", "")
        if broken := _broken(spec, level):
            denied = f'violates PodSecurity "{level}:latest": {broken}'
    level = labels.get(f"{_LABEL}warn", "")
    broken = _broken(spec, level)
    warnings = (f'would violate PodSecurity "{level}:latest": {broken}',) if broken else ()
    return denied, warnings


def _broken(spec: Mapping[str, Any], level: str) -> str:
    return ", ".join(violations(spec, Standard(level))) if level in tuple(Standard) else ""


def _pod_spec(key: ObjectKey, tree: Mapping[str, Any]) -> Mapping[str, Any] | None:
    spec = tree.get("spec")
    if key.kind == "CronJob" and isinstance(spec, Mapping):
        spec = (spec.get("jobTemplate") or {}).get("spec")
    if (key.group, key.kind) != ("", "Pod"):
        if key.group not in ("apps", "batch") or not isinstance(spec, Mapping):
            return None
        spec = (spec.get("template") or {}).get("spec")
    return spec if isinstance(spec, Mapping) else None


def _beyond_quota(store: Neighbours, key: ObjectKey, tree: Mapping[str, Any]) -> str:
    found = store.list(group="", kind="ResourceQuota", namespace=key.namespace)
    quotas = [o.typed for o in found if isinstance(o.typed, ResourceQuota)]
    if not quotas:
        return ""
    same = store.list(group=key.group, kind=key.kind, namespace=key.namespace)
    return over_quota(quotas, summed(used_by(o.key, o.raw) for o in same), key, tree)
