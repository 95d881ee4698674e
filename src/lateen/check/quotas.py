"""Count what a namespace uses, and whether one object more is within its quotas.

In: objects of a namespace, ResourceQuotas, an object to come.    Out: what is used; Kubernetes' refusal.
Before: api/limits.py, check/limits.py        After: check/newcomers.py, cluster/quotas.py

Source: Kubernetes "Resource Quotas", `pkg/quota/v1/evaluator/core`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from lateen.api.kinds import kind_of
from lateen.api.limits import ResourceQuota
from lateen.api.quantity import exact
from lateen.base.origin import ObjectKey
from lateen.check.limits import shown, total

Used = dict[str, Fraction]
_ENDED = ("Succeeded", "Failed")
_PLAIN = frozenset(
    {"configmaps", "persistentvolumeclaims", "pods", "resourcequotas", "secrets", "services"}
)
_COMPUTED = ("cpu", "memory", "ephemeral-storage")


def used_by(key: ObjectKey, raw: Mapping[str, Any]) -> Used:
    """What one object counts for, by resource name."""
    kind = kind_of(key.group, key.kind)
    if kind is None:
        return {}
    full = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    used: Used = {f"count/{full}": Fraction(1)}
    if not kind.group and kind.plural in _PLAIN:
        used[kind.plural] = Fraction(1)
    match key.group, key.kind:
        case "", "Pod":
            ended = (raw.get("status") or {}).get("phase") in _ENDED
            return {f"count/{full}": Fraction(1)} if ended else used | _pod(raw)
        case "", "Service":
            return used | _service(raw)
        case "", "PersistentVolumeClaim":
            spec = raw.get("spec") or {}
            asked = (spec.get("resources") or {}).get("requests") or {}
            if "storage" in asked:
                used["requests.storage"] = exact(asked["storage"])
    return used


def summed(parts: Iterable[Used]) -> Used:
    """All together."""
    whole: Used = {}
    for part in parts:
        for name, number in part.items():
            whole[name] = whole.get(name, Fraction(0)) + number
    return whole


def over_quota(
    quotas: Iterable[ResourceQuota], used: Used, key: ObjectKey, raw: Mapping[str, Any]
) -> str:
    """Why one object more would be too much, in Kubernetes' words; "" if it would not."""
    more = used_by(key, raw)
    for quota in quotas:
        if lacking := _unspecified(quota, key, raw):
            return f"failed quota: {quota.metadata.name}: must specify {lacking}"
        over = sorted(
            name
            for name, hard in quota.spec.hard.items()
            if more.get(name) and used.get(name, Fraction(0)) + more[name] > exact(hard)
        )
        if over:
            asked = ",".join(f"{n}={shown(more[n])}" for n in over)
            there = ",".join(f"{n}={shown(used.get(n, Fraction(0)))}" for n in over)
            limit = ",".join(f"{n}={shown(exact(quota.spec.hard[n]))}" for n in over)
            name = quota.metadata.name
            return f"exceeded quota: {name}, requested: {asked}, used: {there}, limited: {limit}"
    return ""


def _unspecified(quota: ResourceQuota, key: ObjectKey, raw: Mapping[str, Any]) -> str:
    """Which resources under quota a pod's containers leave open."""
    if (key.group, key.kind) != ("", "Pod"):
        return ""
    lacking: list[str] = []
    for name in sorted(quota.spec.hard):
        what, _, resource = name.partition(".") if "." in name else ("requests", "", name)
        if what not in ("requests", "limits") or resource not in _COMPUTED:
            continue
        open_ones = [
            container["name"]
            for container in raw["spec"].get("containers") or ()
            if resource not in ((container.get("resources") or {}).get(what) or {})
        ]
        if open_ones:
            lacking.append(f"{name} for: {','.join(open_ones)}")
    return "; ".join(lacking)


def _pod(raw: Mapping[str, Any]) -> Used:
    containers = raw["spec"].get("containers") or ()
    used: Used = {}
    for name, number in total(containers, "requests").items():
        used[f"requests.{name}"] = number
        if name in _COMPUTED:
            used[name] = number
    for name, number in total(containers, "limits").items():
        used[f"limits.{name}"] = number
    return used


def _service(raw: Mapping[str, Any]) -> Used:
    spec = raw.get("spec") or {}
    ports = Fraction(len(spec.get("ports") or ()))
    match spec.get("type"):
        case "NodePort":
            return {"services.nodeports": ports}
        case "LoadBalancer":
            return {"services.loadbalancers": Fraction(1), "services.nodeports": ports}
    return {}
