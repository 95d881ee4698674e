"""Answer the `scale` subresource: how many replicas, and nothing else.

In: an object of a kind that has replicas.    Out: an autoscaling/v1 Scale of it.
Before: apiserver/writing.py        After: apiserver/app.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lateen.api.definition import ScaleSubresource
from lateen.api.kinds import Kind
from lateen.api.objects import Obj
from lateen.apiserver.columns import at, labels_text
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault, conflict
from lateen.apiserver.patching import json_patch, merge_patch
from lateen.apiserver.reading import found
from lateen.apiserver.saving import asked_of, fitted, let_through, storing, tracked
from lateen.apiserver.serializing import json_response
from lateen.apiserver.targets import Target
from lateen.apiserver.writing import (
    JSON_PATCH,
    MERGE_PATCH,
    body_of,
    bytes_of,
    decoded,
)
from lateen.base.clock import Clock
from lateen.base.errors import Conflict

MOST_REPLICAS = 1_000


async def answer_scale(
    request: web.Request, target: Target, store: Objects, clock: Clock
) -> web.Response:
    """GET, PUT and PATCH of the scale."""
    current = found(store, target)
    scale = _scale_of(target.kind, current)
    match request.method:
        case "GET":
            return json_response(scale)
        case "PUT":
            wanted = await body_of(request)
        case "PATCH":
            wanted = await _patched(request, scale)
        case _:
            raise ApiFault(405, "the server does not allow this method on the requested resource")
    asked = asked_of(request, clock)
    replicas = at(wanted, "spec", "replicas")
    if type(replicas) is not int or not 0 <= replicas <= MOST_REPLICAS:
        raise ApiFault(422, f"spec.replicas: wanted a whole number from 0 to {MOST_REPLICAS}")
    version = at(wanted, "metadata", "resourceVersion")
    if version and version != str(current.revision):
        raise conflict(target.kind, target.name)
    raw = _with_value(current.raw, _paths(target.kind).spec_replicas_path, replicas)
    if target.kind.custom is not None:
        raw = fitted(target, raw)
    raw = tracked(target, asked, current, raw, raw)
    reviewed = await let_through(target, store, asked, raw, current)
    try:
        with storing(store, dry=asked.dry):
            obj = store.put(reviewed.raw, expect=current.revision)
    except Conflict:
        raise conflict(target.kind, target.name) from None
    return json_response(_scale_of(target.kind, obj), warnings=reviewed.warnings)


async def _patched(request: web.Request, scale: Mapping[str, Any]) -> Any:
    patch = decoded(await bytes_of(request))
    match request.content_type:
        case "application/merge-patch+json":
            return merge_patch(scale, patch)
        case "application/json-patch+json":
            return json_patch(scale, patch)
        case other:
            raise ApiFault(
                415,
                f"a patch of a scale in the form {other} is not carried out - accepted media "
                f"types include: {JSON_PATCH}, {MERGE_PATCH}",
            )


def _paths(kind: Kind) -> ScaleSubresource:
    """Where a kind keeps the numbers."""
    if kind.custom is not None:
        versions = (kind.custom.versions[name].scale for name in kind.versions)
        return next(scale for scale in versions if scale is not None)
    return ScaleSubresource(
        spec_replicas_path=".spec.replicas", status_replicas_path=".status.replicas"
    )


def _scale_of(kind: Kind, obj: Obj) -> dict[str, Any]:
    paths = _paths(kind)
    replicas = _value_at(obj.raw, paths.spec_replicas_path)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": obj.key.name,
            "namespace": obj.key.namespace,
            "uid": obj.meta.uid,
            "resourceVersion": str(obj.revision),
            "creationTimestamp": obj.meta.creation_timestamp,
        },
        "spec": {"replicas": 1 if replicas is None and kind.custom is None else replicas or 0},
        "status": {
            "replicas": _value_at(obj.raw, paths.status_replicas_path) or 0,
            "selector": _selector(kind, obj, paths),
        },
    }


def _selector(kind: Kind, obj: Obj, paths: ScaleSubresource) -> str:
    if kind.custom is not None:
        found = _value_at(obj.raw, paths.label_selector_path) if paths.label_selector_path else ""
        return found if isinstance(found, str) else ""
    labels = at(obj.raw, "spec", "selector", "matchLabels")
    return labels_text(labels) if labels else ""


def _value_at(tree: Any, path: str) -> Any:
    return at(tree, *path.strip(".").split("."))


def _with_value(tree: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The tree with a value at a path such as `.spec.replicas`."""
    first, _, rest = path.strip(".").partition(".")
    if not rest:
        return {**tree, first: value}
    inner = tree.get(first)
    return {**tree, first: _with_value(inner if isinstance(inner, Mapping) else {}, rest, value)}
