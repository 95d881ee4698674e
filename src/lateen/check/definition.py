"""Check a CustomResourceDefinition: names, versions, that its schema is structural, that its rules compile.

In: CustomResourceDefinition.    Out: problems.
Before: check/at.py, api/cel.py        After: check/objects.py

Source: `apiextensions-apiserver/pkg/apis/apiextensions/validation`, "Specifying a structural schema".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.api.cel import BadRule, matches, rule_of
from lateen.api.definition import CustomResourceDefinition, Schema, Version
from lateen.api.names import label_1035_fault
from lateen.api.structural import INT_OR_STRING, PRESERVE
from lateen.base.problem import Problem
from lateen.check.at import At
from lateen.check.rules import RULES

_SCOPES = ("Namespaced", "Cluster")
_TYPES = ("string", "integer", "number", "boolean", "array", "object")
_MIXES = ("allOf", "anyOf", "oneOf")
_REFUSED = ("$ref", "definitions", "dependencies", "deprecated", "discriminator", "id")
_DEEPEST = 60


def check_definition(typed: CustomResourceDefinition, at: At) -> Iterator[Problem]:
    """Every fault of a definition."""
    spec, here = typed.spec, at.key("spec")
    wanted = f"{spec.names.plural}.{spec.group}"
    if typed.metadata.name != wanted:
        words = 'must be spec.names.plural+"."+spec.group'
        yield at.key("metadata", "name").invalid(typed.metadata.name, words)
    if "." not in spec.group:
        yield here.key("group").invalid(spec.group, "should be a domain with at least one dot")
    if spec.scope not in _SCOPES:
        supported = ", ".join(f'"{s}"' for s in _SCOPES)
        yield here.key("scope").error(
            f'Unsupported value: "{spec.scope}": supported values: {supported}'
        )
    if fault := label_1035_fault(spec.names.plural):
        yield here.key("names", "plural").invalid(spec.names.plural, fault)
    if fault := label_1035_fault(spec.names.kind.lower()):
        yield here.key("names", "kind").invalid(
            spec.names.kind, f"may have mixed case, but {fault}"
        )
    if spec.conversion.strategy == "Webhook":
        yield here.key("conversion", "strategy").warning(
            "conversion webhooks are not called by lateen: a version becomes another as it is"
        )
    yield from _versions(typed, here.key("versions"))


def _versions(typed: CustomResourceDefinition, at: At) -> Iterator[Problem]:
    versions = typed.spec.versions
    if not versions:
        yield at.required("must have at least one version")
        return
    if sum(version.storage for version in versions) != 1:
        yield at.error("Invalid value: must have exactly one version marked as storage version")
    names = [version.name for version in versions]
    for index, version in enumerate(versions):
        here = at.item(index)
        if names.index(version.name) != index:
            yield here.key("name").error(f'Duplicate value: "{version.name}"')
        if fault := label_1035_fault(version.name):
            yield here.key("name").invalid(version.name, fault)
        yield from _schema(version, here)


def _schema(version: Version, at: At) -> Iterator[Problem]:
    here = at.key("schema", "openAPIV3Schema")
    schema = version.schema.open_api_v3_schema
    if schema is None:
        yield here.required("schemas are required")
        return
    if schema.get("type") != "object":
        yield here.key("type").invalid(schema.get("type", ""), "must be object at the root")
    yield from _structural(schema, here, 0)


def _structural(schema: Schema, at: At, depth: int) -> Iterator[Problem]:
    """The schema states the type of everything, and each part is a schema again."""
    if depth > _DEEPEST:
        yield at.error(f"Invalid value: a schema may not be nested deeper than {_DEEPEST} levels")
        return
    kind = schema.get("type")
    free = schema.get(INT_OR_STRING) or schema.get(PRESERVE)
    if kind is None and not free:
        yield at.key("type").required("must not be empty for specified object fields")
    elif kind is not None and kind not in _TYPES:
        supported = ", ".join(f'"{t}"' for t in sorted(_TYPES))
        yield at.key("type").error(f'Unsupported value: "{kind}": supported values: {supported}')
    if kind == "array" and not isinstance(schema.get("items"), Mapping):
        yield at.key("items").required("must be specified")
    if schema.get("properties") and schema.get("additionalProperties"):
        yield at.key("additionalProperties").error(
            "Forbidden: additionalProperties and properties are mutual exclusive"
        )
    for word in _REFUSED:
        if word in schema:
            yield at.key(word).error(f"Forbidden: {word} is not supported")
    yield from _expressions(schema, at)
    for where, part in _parts(schema, at):
        if isinstance(part, Mapping):
            yield from _structural(part, where, depth + 1)
        else:
            yield where.error("Invalid value: wanted a schema, which is a mapping")


def _parts(schema: Schema, at: At) -> Iterator[tuple[At, Any]]:
    properties = schema.get("properties") or {}
    if isinstance(properties, Mapping):
        for name, part in properties.items():
            yield at.key("properties", str(name)), part
    else:
        yield at.key("properties"), properties
    if isinstance(schema.get("items"), Mapping):
        yield at.key("items"), schema["items"]
    if schema.get("additionalProperties") not in (None, True, False):
        yield at.key("additionalProperties"), schema["additionalProperties"]


def _expressions(schema: Schema, at: At) -> Iterator[Problem]:
    pattern = schema.get("pattern")
    if pattern is not None:
        try:
            matches(str(pattern), "")
        except BadRule as fault:
            yield at.key("pattern").invalid(pattern, f"must be a valid regular expression: {fault}")
    rules = schema.get(RULES) or ()
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        here = at.key(RULES).item(index)
        if not isinstance(rule, Mapping) or not isinstance(rule.get("rule"), str):
            yield here.key("rule").required("rule is not specified")
            continue
        for key in ("rule", "messageExpression"):
            if rule.get(key):
                yield from _compiled(str(rule[key]), here.key(key))


def _compiled(text: str, at: At) -> Iterator[Problem]:
    try:
        rule_of(text)
    except BadRule as fault:
        yield at.invalid(text, f"compilation failed: {fault}")
