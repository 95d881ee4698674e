"""OpenAPI documents, made of the API structs, so that clients know the fields.

In: the registry.    Out: /openapi/v3 (index and one document for each group version).
Before: api/kinds.py        After: apiserver/swagger.py, apiserver/plainroutes.py

kubectl reads from v3 whether PATCH takes `fieldValidation` (then it leaves validation to the server),
and `kubectl explain` reads the schemas. PATCH names no strategic merge here: clients then
use the rules they have built in, which apiserver/strategic.py follows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

import lateen
from lateen.api.definition import Custom
from lateen.api.fields import Api, Duration
from lateen.api.kinds import Kind, Registry, registry
from lateen.api.versions import form_of
from lateen.apiserver.discovery import groups_known, versions_of
from lateen.apiserver.faults import resource

_REFERENCE = "#/components/schemas/{name}"
TITLE = "lateen"
QUERY = ("dryRun", "fieldManager", "fieldValidation")  # what writes take beside their body
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_METHODS = {
    "list": ("get", False, "list"),
    "create": ("post", False, "post"),
    "get": ("get", True, "get"),
    "update": ("put", True, "put"),
    "patch": ("patch", True, "patch"),
    "delete": ("delete", True, "delete"),
    "deletecollection": ("delete", False, "deletecollection"),
}


def openapi_v3_index() -> dict[str, Any]:
    """Where each group version's document is; the hash lets clients cache it."""
    paths = {}
    for path in _all_paths():
        body = msgspec.json.encode(openapi_v3(path))
        digest = hashlib.blake2b(body, digest_size=16).hexdigest().upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def openapi_v3(path: str) -> dict[str, Any] | None:
    """The document of `api/v1` or `apis/GROUP/VERSION`, or None for an unknown one."""
    return _document(path, registry()) if path in _all_paths() else None


@lru_cache(maxsize=256)
def _document(path: str, known: Registry) -> dict[str, Any]:
    group, version = "", path.rpartition("/")[2]
    if path.startswith("apis/"):
        group = path.split("/")[1]
    kinds = [kind for kind in known.kinds if kind.group == group and version in kind.versions]
    paths: dict[str, Any] = {}
    for kind in kinds:
        paths |= _paths(kind, version)
    return {
        "openapi": "3.0.0",
        "info": _info(),
        "paths": paths,
        "components": {"schemas": _schemas(kinds, version)},
    }


def _all_paths() -> list[str]:
    named = [f"apis/{group}/{v}" for group in groups_known() for v in versions_of(group)]
    return ["api/v1", *named]


def _info() -> dict[str, str]:
    return {"title": TITLE, "version": lateen.__version__}


def _schemas(kinds: list[Kind], version: str) -> dict[str, Any]:
    schemas = plain_schemas(kinds, _REFERENCE)
    for kind in kinds:
        name = schema_name(kind, version)
        if kind.custom is not None:
            schemas[name] = _custom_schema(kind.custom, version, schemas["CustomResource"])
        schemas[name] |= {"x-kubernetes-group-version-kind": [gvk(kind, version)]}
    return schemas


def schema_name(kind: Kind, version: str) -> str:
    """The name of a kind's schema in the documents."""
    if kind.custom is None:
        return _struct(kind, version).__name__
    return ".".join([*reversed(kind.group.split(".")), version, kind.kind])


def _struct(kind: Kind, version: str) -> type[Api]:
    form = form_of(kind.api_version(version), kind.kind)
    return form.struct if form else kind.struct


def _custom_schema(custom: Custom, version: str, head: dict[str, Any]) -> dict[str, Any]:
    """The definition's schema, with what every object has."""
    schema = custom.versions[version].schema
    properties = {**(schema.get("properties") or {}), **head["properties"]}
    return {**schema, "properties": properties}


def plain_schemas(kinds: Iterable[Kind], reference: str) -> dict[str, Any]:
    """A schema for each struct of the kinds, by name; `reference` is how one names another."""
    _, components = msgspec.json.schema_components(
        list({_struct(kind, version): None for kind in kinds for version in kind.versions}),
        schema_hook=_schema_of_own,
        ref_template=reference,
    )
    return {name: _plain(schema) for name, schema in components.items()}


def _schema_of_own(kind: type) -> dict[str, Any]:
    if kind is Duration:
        return {"type": "string", "description": Duration.__doc__ or ""}
    raise NotImplementedError(kind.__name__)


def _plain(schema: Any) -> Any:
    """JSON Schema as OpenAPI 3.0 writes it: no `null` alternatives, no empty schema."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        rest = {k: v for k, v in schema.items() if k not in ("anyOf", "default")}
        choices = [_plain(c) for c in schema["anyOf"] if c != {"type": "null"}]
        if len(choices) == 1:
            return rest | choices[0]
        return rest | {"oneOf": choices, "x-kubernetes-int-or-string": True}
    plain = {
        key: {name: _plain(inner) for name, inner in value.items()}
        if key == "properties"
        else _plain(value)
        for key, value in schema.items()
        if key not in ("default", "title")
    }
    return plain or _ANYTHING


def gvk(kind: Kind, version: str) -> dict[str, str]:
    """The mark by which clients find a kind's schema."""
    return {"group": kind.group, "version": version, "kind": kind.kind}


def _paths(kind: Kind, version: str) -> dict[str, Any]:
    root = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    inside = "/namespaces/{namespace}" if kind.namespaced else ""
    one: dict[str, Any] = {}
    many: dict[str, Any] = {}
    for method, named, action in _METHODS.values():
        (one if named else many)[method if action != "list" else "get"] = _operation(
            kind, version, action
        )
    collection = f"{root}{inside}/{kind.plural}"
    within = [_in_path("namespace")] if kind.namespaced else []
    return {
        collection: {**many, "parameters": within},
        f"{collection}/{{name}}": {**one, "parameters": [_in_path("name"), *within]},
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _operation(kind: Kind, version: str, action: str) -> dict[str, Any]:
    content = {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{schema_name(kind, version)}"}
        }
    }
    operation: dict[str, Any] = {
        "operationId": f"{action}{kind.kind}{version}",
        "description": f"{action} {resource(kind)}",
        "responses": {"200": {"description": "OK", "content": content}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind, version),
    }
    if action in ("post", "put", "patch"):
        operation["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERY
        ]
        operation["requestBody"] = {"content": content if action != "patch" else _PATCHES}
    return operation


_PATCHES = {
    media: {"schema": {"type": "object"}}
    for media in (
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    )
}
