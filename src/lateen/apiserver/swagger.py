"""OpenAPI v2, for clients of before Kubernetes 1.27, in JSON and in the form they ask for.

In: the schemas of apiserver/openapi.py.    Out: /openapi/v2 as a tree and as protobuf.
Before: apiserver/openapi.py, apiserver/listmarks.py        After: apiserver/plainroutes.py

kubectl reads these documents only as gnostic's `openapi.v2.Document` (OpenAPIv2.proto of gnostic-models),
whose few messages in use are written here by their field numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

import lateen
from lateen.api.kinds import KINDS, Kind, Registry, registry
from lateen.api.structural import INT_OR_STRING, PRESERVE
from lateen.apiserver.listmarks import with_list_marks
from lateen.apiserver.managing import rules_for
from lateen.apiserver.openapi import QUERY, TITLE, gvk, plain_schemas, schema_name

_GVK = "x-kubernetes-group-version-kind"
_REFERENCE = "#/definitions/{name}"
_NOT_SWAGGER = frozenset({"allOf", "anyOf", "oneOf", "not", "nullable", "x-kubernetes-validations"})


def openapi_v2() -> dict[str, Any]:
    """The Swagger document: a definition for each struct and defined kind, and what PATCH takes."""
    return _document(registry())


@lru_cache(maxsize=4)
def _document(known: Registry) -> dict[str, Any]:
    definitions = _built_in() | {
        schema_name(kind, version): _defined(kind, version)
        for kind in known.defined
        for version in kind.versions
    }
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": lateen.__version__},
        "paths": {
            path: {"patch": operation}
            for kind in known.kinds
            for version in kind.versions
            for path, operation in (_patch(kind, version),)
        },
        "definitions": definitions,
    }


@cache
def _built_in() -> dict[str, Any]:
    marked = [k.struct.__name__ for k in KINDS if rules_for(k, k.versions[0]).marked]
    definitions = with_list_marks(plain_schemas(KINDS, _REFERENCE), marked)
    for kind in KINDS:
        for version in kind.versions:
            definitions[schema_name(kind, version)].setdefault(_GVK, []).append(gvk(kind, version))
    return {name: _simple(schema) for name, schema in definitions.items()}


def _defined(kind: Kind, version: str) -> dict[str, Any]:
    """A definition's schema as old clients can read it, with what every object has."""
    schema = kind.custom.versions[version].schema if kind.custom else {}
    made = _structural(schema)
    metadata = {"$ref": _REFERENCE.format(name="ObjectMeta")}
    head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata}
    if "properties" in made:
        made = made | {"properties": made["properties"] | head}
    return made | {_GVK: [gvk(kind, version)]}


def _structural(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without what Swagger has no words for. What takes anything has neither type nor fields, or kubectl
    would refuse the fields it does not know (apiextensions `ToStructuralOpenAPIV2`)."""
    free = schema.get(PRESERVE) or schema.get(INT_OR_STRING) or schema.get("nullable")
    dropped = _NOT_SWAGGER | ({"type", "items", "properties", "required"} if free else set())
    made = {key: value for key, value in schema.items() if key not in dropped}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), Mapping):
            made[key] = _structural(made[key])
    if "properties" in made:
        made["properties"] = {n: _structural(part) for n, part in made["properties"].items()}
    return made


def openapi_v2_wire() -> bytes:
    """The same document as protobuf."""
    return _wire(registry())


@lru_cache(maxsize=4)
def _wire(known: Registry) -> bytes:
    document = _document(known)
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    paths = b"".join(
        _field(2, _text(1, path) + _field(2, _field(8, _operation_wire(item["patch"]))))
        for path, item in document["paths"].items()
    )
    definitions = _named_schemas(document["definitions"])
    return _text(1, "2.0") + _field(2, info) + _field(8, paths) + _field(9, definitions)


def _patch(kind: Kind, version: str) -> tuple[str, dict[str, Any]]:
    root = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    inside = "/namespaces/{namespace}" if kind.namespaced else ""
    operation = {
        "operationId": f"patch{kind.kind}{version}",
        "parameters": [{"name": name, "in": "query", "type": "string"} for name in QUERY],
        "responses": {},
        "x-kubernetes-action": "patch",
        _GVK: gvk(kind, version),
    }
    return f"{root}{inside}/{kind.plural}/{{name}}", operation


def _simple(schema: Any) -> Any:
    """A schema in Swagger's words, which has no alternatives: a number or text is text."""
    if isinstance(schema, list):
        return [_simple(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "oneOf" in schema:
        rest = {k: v for k, v in schema.items() if k == "description"}
        return rest | {"type": "string", "format": "int-or-string"}
    return {key: _simple(value) for key, value in schema.items()}


def _schema_wire(schema: Mapping[str, Any]) -> bytes:
    parts = []
    if reference := schema.get("$ref"):
        parts.append(_text(1, reference))
    if form := schema.get("format"):
        parts.append(_text(2, form))
    if words := schema.get("description"):
        parts.append(_text(4, words))
    parts += [_text(19, name) for name in schema.get("required", ())]
    if isinstance(more := schema.get("additionalProperties"), Mapping):
        parts.append(_field(21, _field(1, _schema_wire(more))))
    if type_ := schema.get("type"):
        parts.append(_field(22, _text(1, type_)))
    if items := schema.get("items"):
        parts.append(_field(23, _field(1, _schema_wire(items))))
    if properties := schema.get("properties"):
        parts.append(_field(25, _named_schemas(properties)))
    parts += [_extension(31, k, v) for k, v in schema.items() if k.startswith("x-")]
    return b"".join(parts)


def _named_schemas(schemas: Mapping[str, Any]) -> bytes:
    pairs = (_text(1, name) + _field(2, _schema_wire(schema)) for name, schema in schemas.items())
    return b"".join(_field(1, pair) for pair in pairs)


def _operation_wire(operation: Mapping[str, Any]) -> bytes:
    parameters = (
        _text(2, p["in"]) + _text(4, p["name"]) + _text(6, p["type"])
        for p in operation["parameters"]
    )
    extensions = (_extension(13, k, v) for k, v in operation.items() if k.startswith("x-"))
    return b"".join(
        [
            _text(5, operation["operationId"]),
            # ParametersItem.parameter.non_body_parameter.query_parameter_sub_schema
            *(_field(8, _field(1, _field(2, _field(3, one)))) for one in parameters),
            *extensions,
        ]
    )


def _extension(field: int, name: str, value: Any) -> bytes:
    """A NamedAny, whose value is YAML; JSON is."""
    yaml = msgspec.json.encode(value).decode()
    return _field(field, _text(1, name) + _field(2, _text(2, yaml)))


def _field(number: int, value: bytes) -> bytes:
    """One length-delimited field."""
    return bytes([*_varint(number << 3 | 2), *_varint(len(value))]) + value


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _varint(value: int) -> Iterable[int]:
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
