"""Answer metrics.k8s.io: what pods and nodes use, for `kubectl top` and autoscalers.

In: pods, nodes, PodUse by pod uid.    Out: PodMetrics and NodeMetrics.
Before: apiserver/deps.py        After: apiserver/app.py

A node uses what its pods use; before any of them was measured there is nothing to say. Source: k8s.io/metrics pkg/apis/metrics/v1beta1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from typing import Any

from aiohttp import web

from lateen.api.kinds import kind_of
from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.apiserver.deps import Objects, PodUse
from lateen.apiserver.discovery import METRICS, METRICS_VERSION
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.selectors import parse_selection
from lateen.apiserver.serializing import json_response

API_VERSION = f"{METRICS}/{METRICS_VERSION}"
_BASE = f"/apis/{API_VERSION}"
_IN = "/namespaces/{namespace}"

Uses = Callable[[], Mapping[str, PodUse]]


def metrics_routes(store: Objects, uses: Uses) -> list[web.RouteDef]:
    """The group's addresses."""

    async def pods(request: web.Request) -> web.Response:
        namespace = request.match_info.get("namespace")
        objects = store.list(group="", kind="Pod", namespace=namespace)
        items = _pod_metrics(_selected("Pod", objects, request), uses())
        return json_response(_listed("PodMetricsList", items))

    async def pod(request: web.Request) -> web.Response:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        objects = store.list(group="", kind="Pod", namespace=namespace)
        items = _pod_metrics((o for o in objects if o.key.name == name), uses())
        return _one(items, "pods", f"{namespace}/{name}")

    async def nodes(request: web.Request) -> web.Response:
        objects = _selected("Node", store.list(group="", kind="Node"), request)
        return json_response(_listed("NodeMetricsList", _nodes(objects, store, uses())))

    async def node(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        objects = [o for o in store.list(group="", kind="Node") if o.key.name == name]
        return _one(_nodes(objects, store, uses()), "nodes", name)

    return [
        web.get(f"{_BASE}/pods", pods),
        web.get(f"{_BASE}{_IN}/pods", pods),
        web.get(f"{_BASE}{_IN}/pods/{{name}}", pod),
        web.get(f"{_BASE}/nodes", nodes),
        web.get(f"{_BASE}/nodes/{{name}}", node),
    ]


def _pod_metrics(pods: Iterable[Obj], uses: Mapping[str, PodUse]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for obj in pods:
        use = uses.get(obj.meta.uid)
        if use is None:
            continue
        containers = [{"name": c.name, "usage": _usage(c.cpu, c.memory)} for c in use.containers]
        meta = {"name": obj.key.name, "namespace": obj.key.namespace}
        found.append(_measured("PodMetrics", obj, meta, use) | {"containers": containers})
    return found


def _nodes(
    nodes: Iterable[Obj], store: Objects, uses: Mapping[str, PodUse]
) -> list[dict[str, Any]]:
    on: dict[str, list[PodUse]] = {}
    for obj in store.list(group="", kind="Pod"):
        use = uses.get(obj.meta.uid)
        if use is not None and isinstance(obj.typed, Pod):
            on.setdefault(obj.typed.spec.node_name, []).append(use)
    found: list[dict[str, Any]] = []
    newest = max(
        (use for some in on.values() for use in some), key=lambda use: use.at, default=None
    )
    for obj in nodes:
        if newest is None:
            break
        some = on.get(obj.key.name, [])
        every = [container for use in some for container in use.containers]
        usage = _usage(sum(c.cpu for c in every), sum(c.memory for c in every))
        made = _measured("NodeMetrics", obj, {"name": obj.key.name}, newest)
        found.append(made | {"usage": usage})
    return found


def _measured(kind: str, obj: Obj, meta: dict[str, Any], use: PodUse) -> dict[str, Any]:
    at = use.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {"labels": obj.meta.labels} if obj.meta.labels else {}
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": {**meta, **labels, "creationTimestamp": at},
        "timestamp": at,
        "window": f"{use.window:.3f}s",
    }


def _usage(cores: float, memory: int) -> dict[str, str]:
    """As metrics-server writes them: nanocores and kibibytes."""
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{memory // 1024}Ki"}


def _selected(kind: str, objects: Iterable[Obj], request: web.Request) -> list[Obj]:
    known = kind_of("", kind)
    assert known is not None  # noqa: S101 - both are registered
    query = request.query
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    selection = parse_selection(known, labels, fields)
    return [obj for obj in objects if selection.matches(obj)]


def _listed(kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": API_VERSION, "metadata": {}, "items": items}


def _one(items: list[dict[str, Any]], plural: str, name: str) -> web.Response:
    if not items:
        raise ApiFault(404, f'{plural}.{METRICS} "{name}" not found', reason="NotFound")
    return json_response(items[0])
