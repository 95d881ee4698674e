"""An object as it leaves: in the caller's version, with its resourceVersion.

In: Obj.    Out: its tree, or its bytes; web.Response for any JSON.
Before: api/objects.py        After: apiserver/reading.py, writing.py, watching.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from lateen.api.objects import Obj
from lateen.api.structural import fit
from lateen.api.versions import form_of
from lateen.apiserver.targets import Target

_encoder = msgspec.json.Encoder()


def tree_of(obj: Obj, target: Target, revision: int | None = None) -> dict[str, Any]:
    """The object's tree for this caller; `revision` if not its own (that of its deletion)."""
    tree = dict(target.kind.shown(obj.raw))
    metadata = dict(tree.get("metadata") or {})
    if version := revision or obj.revision:
        metadata["resourceVersion"] = str(version)
    if raw_version(obj) != target.api_version:
        tree = _in_version(tree, target)
    return {
        **tree,
        "apiVersion": target.api_version,
        "kind": target.kind.kind,
        "metadata": metadata,
    }


def raw_version(obj: Obj) -> str:
    """The version the object is stored in."""
    return str(obj.raw["apiVersion"])


def _in_version(tree: dict[str, Any], target: Target) -> dict[str, Any]:
    """In the version wanted; of a defined kind (strategy None) the fields that its schema has there."""
    if form := form_of(target.api_version, target.kind.kind):
        return form.from_stored(tree)
    custom = target.kind.custom
    wanted = custom.versions.get(target.version) if custom else None
    return dict(fit(wanted.schema, tree).raw) if wanted else tree


def wire_of(obj: Obj, target: Target, revision: int | None = None) -> msgspec.Raw:
    """The object's JSON for this caller, as `tree_of`; the bytes are shared where nothing differs."""
    raw = obj.raw
    stored = raw.get("metadata", {}).get("resourceVersion")
    if raw_version(obj) == target.api_version and stored == str(revision or obj.revision):
        return msgspec.Raw(obj.json)
    return msgspec.Raw(to_json(tree_of(obj, target, revision)))


def metadata_of(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree as PartialObjectMetadata: for clients that need nothing else."""
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return partial | {"metadata": tree.get("metadata", {})}


def to_json(value: Any) -> bytes:
    """JSON, without a newline."""
    return _encoder.encode(value)


def json_response(value: Any, status: int = 200, warnings: tuple[str, ...] = ()) -> web.Response:
    """An answer in JSON; warnings travel as Kubernetes sends them, in `Warning: 299` headers."""
    response = web.Response(body=to_json(value), status=status, content_type="application/json")
    for warning in warnings[:20]:
        text = warning.encode("ascii", "replace").decode()[:300].replace("\\", "\\\\")
        quoted = text.replace('"', '\\"').replace("\n", " ").replace("\r", " ")
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response
