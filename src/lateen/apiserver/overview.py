"""The mesh at a glance, for the console: pods, services with their routes and weights.

In: the store's objects.    Out: plain JSON-able data.
Before: apiserver/podcells.py        After: apiserver/meshroutes.py, console/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from lateen.api.kinds import NETWORKING
from lateen.api.objects import Obj
from lateen.apiserver.ages import parse_time
from lateen.apiserver.columns import at
from lateen.apiserver.podcells import summarize_pod
from lateen.world.workloads import workload_name

DOMAIN = "svc.cluster.local"


def overview(objects: Iterable[Obj], *, now: datetime, revision: int) -> dict[str, Any]:
    """Everything the console's first page shows of the store."""
    by_kind: dict[tuple[str, str], list[Obj]] = {}
    for obj in objects:
        by_kind.setdefault((obj.key.group, obj.key.kind), []).append(obj)
    slices = by_kind.get(("discovery.k8s.io", "EndpointSlice"), [])
    routes = [
        route for vs in by_kind.get((NETWORKING, "VirtualService"), []) for route in _routes(vs)
    ]
    return {
        "revision": revision,
        "pods": [_pod(obj, now) for obj in by_kind.get(("", "Pod"), [])],
        "services": [_service(obj, slices, routes) for obj in by_kind.get(("", "Service"), [])],
        "routes": routes,
        "counts": {
            f"{kind}.{group}" if group else kind: len(found)
            for (group, kind), found in sorted(by_kind.items())
        },
    }


def _pod(obj: Obj, now: datetime) -> dict[str, Any]:
    summary = summarize_pod(obj.raw)
    created = parse_time(at(obj.raw, "metadata", "creationTimestamp"))
    return {
        "namespace": obj.key.namespace,
        "name": obj.key.name,
        "ready": summary.ready,
        "total": summary.total,
        "state": summary.status,
        "restarts": summary.restarts,
        "address": at(obj.raw, "status", "podIP") or "",
        "age": max((now - created).total_seconds(), 0) if created else None,
        "since": _since(obj.raw, created),
        "done": at(obj.raw, "status", "phase") in ("Succeeded", "Failed"),
        "workload": workload_name(obj.meta, obj.key.name),
        "version": obj.meta.labels.get("version", ""),
        "node": at(obj.raw, "spec", "nodeName") or "",
        "labels": dict(obj.meta.labels),
        "message": _message(obj.raw),
    }


def _since(raw: Mapping[str, Any], created: datetime | None) -> float | None:
    """When the pod last became ready or stopped being so, in seconds since the epoch."""
    for condition in at(raw, "status", "conditions") or ():
        if condition.get("type") == "Ready":
            created = parse_time(condition.get("lastTransitionTime")) or created
    return created.timestamp() if created else None


def _message(raw: Mapping[str, Any]) -> str:
    for status in at(raw, "status", "containerStatuses") or ():
        if message := at(status, "state", "waiting", "message"):
            return str(message)
    return str(at(raw, "status", "message") or "")


def _service(obj: Obj, slices: list[Obj], routes: list[dict[str, Any]]) -> dict[str, Any]:
    namespace, name = obj.key.namespace, obj.key.name
    endpoints = [
        endpoint
        for found in slices
        if found.key.namespace == namespace
        and found.meta.labels.get("kubernetes.io/service-name") == name
        for endpoint in found.raw.get("endpoints") or ()
    ]
    ready = [e for e in endpoints if at(e, "conditions", "ready") is not False]
    host = f"{name}.{namespace}.{DOMAIN}"
    return {
        "namespace": namespace,
        "name": name,
        "host": host,
        "type": at(obj.raw, "spec", "type") or "ClusterIP",
        "address": at(obj.raw, "spec", "clusterIP") or "",
        "ports": [
            {"name": p.get("name", ""), "port": p.get("port"), "protocol": p.get("protocol", "TCP")}
            for p in at(obj.raw, "spec", "ports") or ()
        ],
        "selector": at(obj.raw, "spec", "selector") or {},
        "ready": len(ready),
        "endpoints": len(endpoints),
        "routes": [i for i, route in enumerate(routes) if _leads_to(route, host)],
    }


def _leads_to(route: Mapping[str, Any], host: str) -> bool:
    return any(to["host"] == host for to in route["to"])


def _routes(obj: Obj) -> list[dict[str, Any]]:
    spec = obj.raw.get("spec") or {}
    common = {
        "namespace": obj.key.namespace,
        "name": obj.key.name,
        "hosts": list(spec.get("hosts") or ()),
        "gateways": list(spec.get("gateways") or ("mesh",)),
    }
    return [
        common
        | {
            "rule": rule.get("name", ""),
            "match": [_match(m) for m in rule.get("match") or ()],
            "to": _destinations(rule, obj.key.namespace),
            "extra": _extras(rule),
            "place": str(obj.origin(f"spec.http[{index}]").place or ""),
        }
        for index, rule in enumerate(spec.get("http") or ())
    ]


def _destinations(rule: Mapping[str, Any], namespace: str) -> list[dict[str, Any]]:
    routes = rule.get("route") or ()
    single = len(routes) == 1
    return [
        {
            "host": full_host(str(at(r, "destination", "host") or ""), namespace),
            "subset": at(r, "destination", "subset") or "",
            "port": at(r, "destination", "port", "number"),
            "weight": 100 if single else r.get("weight", 0),
        }
        for r in routes
    ]


def full_host(host: str, namespace: str) -> str:
    """A destination's host as Istio completes it: a name without dots is a Service beside the rule."""
    return f"{host}.{namespace}.{DOMAIN}" if host and "." not in host else host


def _match(match: Mapping[str, Any]) -> str:
    words = []
    for field in ("uri", "method", "scheme", "authority"):
        if isinstance(match.get(field), Mapping):
            words.append(f"{field} {_string_match(match[field])}")
    for field in ("headers", "queryParams"):
        for name, value in (match.get(field) or {}).items():
            words.append(f"{field[:-1]} {name} {_string_match(value or {})}".rstrip())
    return ", ".join(words) or "all"


def _string_match(match: Mapping[str, Any]) -> str:
    for form in ("exact", "prefix", "regex"):
        if form in match:
            return f"{form} {match[form]}"
    return "present"


def _extras(rule: Mapping[str, Any]) -> list[str]:
    words = []
    if rule.get("timeout"):
        words.append(f"timeout {rule['timeout']}")
    if attempts := at(rule, "retries", "attempts"):
        words.append(f"{attempts} retries")
    words += [field for field in ("rewrite", "redirect", "fault", "mirror") if rule.get(field)]
    return words
