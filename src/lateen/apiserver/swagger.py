"""OpenAPI v2, for clients of before Kubernetes 1.27, in JSON and in the form they ask for.

In: the schemas of apiserver/openapi.py.    Out: /openapi/v2 as a tree and as protobuf.
Before: apiserver/openapi.py, apiserver/listmarks.py        After: apiserver/plainroutes.py

kubectl reads these documents only as gnostic's `openapi.v2.Document` (OpenAPIv2.proto of gnostic-models),
whose few messages in use are written here by their field numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

import lateen
from lateen.api.kinds import KINDS, Kind
from lateen.apiserver.listmarks import with_list_marks
from lateen.apiserver.managing import rules_for
from lateen.apiserver.openapi import QUERY, TITLE, gvk, plain_schemas

_GVK = "x-kubernetes-group-version-kind"
_REFERENCE = "#/definitions/{name}"


@cache
def openapi_v2() -> dict[str, Any]:
    """The Swagger document: a definition for each struct, and what PATCH of each kind takes."""
    marked = [kind.struct.__name__ for kind in KINDS if rules_for(kind).marked]
    definitions = with_list_marks(plain_schemas(KINDS, _REFERENCE), marked)
    for kind in KINDS:
        names = [gvk(kind, version) for version in kind.versions]
        definitions[kind.struct.__name__] |= {_GVK: names}
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": lateen.__version__},
        "paths": {
            path: {"patch": operation}
            for kind in KINDS
            for version in kind.versions
            for path, operation in (_patch(kind, version),)
        },
        "definitions": {name: _simple(schema) for name, schema in definitions.items()},
    }


@cache
def openapi_v2_wire() -> bytes:
    """The same document as protobuf."""
    document = openapi_v2()
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
