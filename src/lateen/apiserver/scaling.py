"""Answer the `scale` subresource: how many replicas, and nothing else.

In: a Deployment or ReplicaSet.    Out: an autoscaling/v1 Scale of it.
Before: apiserver/writing.py        After: apiserver/app.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lateen.api.objects import Obj
from lateen.apiserver.columns import at, labels_text
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault, conflict
from lateen.apiserver.patching import json_patch, merge_patch
from lateen.apiserver.reading import found
from lateen.apiserver.saving import asked_of, storing, tracked
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
    scale = _scale_of(current)
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
    raw = dict(current.raw)
    raw["spec"] = {**raw["spec"], "replicas": replicas}
    raw = tracked(target, asked, current, raw, raw)
    try:
        with storing(store, dry=asked.dry):
            obj = store.put(raw, expect=current.revision)
    except Conflict:
        raise conflict(target.kind, target.name) from None
    return json_response(_scale_of(obj))


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


def _scale_of(obj: Obj) -> dict[str, Any]:
    replicas = at(obj.raw, "spec", "replicas")
    selector = at(obj.raw, "spec", "selector", "matchLabels")
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
        "spec": {"replicas": 1 if replicas is None else replicas},
        "status": {
            "replicas": at(obj.raw, "status", "replicas") or 0,
            "selector": labels_text(selector) if selector else "",
        },
    }
