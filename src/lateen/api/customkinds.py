"""Make kinds of CustomResourceDefinitions.

In: definitions.    Out: kinds for the registry of api/kinds.py.
Before: api/definition.py        After: store/core.py, sources/files.py
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.api.definition import (
    Custom,
    CustomResource,
    CustomResourceDefinition,
    CustomVersion,
    Version,
)
from lateen.api.kinds import KINDS, Kind, register, registry

_BUILT_IN = frozenset((kind.group, kind.kind) for kind in KINDS)
_FREE_SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def custom_kinds(definitions: Iterable[CustomResourceDefinition]) -> tuple[Kind, ...]:
    """The kinds these define, sorted by name. One that is built in stays what it is.

    Of two that give one name to a kind of one group the first by its own name wins, as its status says.
    """
    made: dict[tuple[str, str], Kind] = {}
    for definition in sorted(definitions, key=lambda d: d.metadata.name):
        kind = _kind_of(definition)
        if kind.versions and (kind.group, kind.kind) not in _BUILT_IN:
            made.setdefault((kind.group, kind.kind), kind)
    return tuple(made.values())


def learn(definitions: Iterable[CustomResourceDefinition]) -> None:
    """Register the kinds these define, beside those registered already under other names."""
    made = custom_kinds(definitions)
    names = {(kind.group, kind.kind) for kind in made}
    register((*(k for k in registry().defined if (k.group, k.kind) not in names), *made))


def is_built_in(definition: CustomResourceDefinition) -> bool:
    """Whether lateen has the kind of its own accord, as it has Istio's."""
    return (definition.spec.group, definition.spec.names.kind) in _BUILT_IN


def _kind_of(definition: CustomResourceDefinition) -> Kind:
    spec = definition.spec
    served = sorted((v for v in spec.versions if v.served), key=lambda v: not v.storage)
    return Kind(
        group=spec.group,
        versions=tuple(version.name for version in served),
        kind=spec.names.kind,
        plural=spec.names.plural,
        struct=CustomResource,
        namespaced=spec.scope != "Cluster",
        short_names=spec.names.short_names,
        custom=Custom(
            versions={version.name: _version(version, definition) for version in served},
            singular=spec.names.singular or spec.names.kind.lower(),
            list_kind=spec.names.list_kind or f"{spec.names.kind}List",
            categories=spec.names.categories,
        ),
    )


def _version(version: Version, definition: CustomResourceDefinition) -> CustomVersion:
    spec = definition.spec
    warning = ""
    if version.deprecated:
        usual = f"{spec.group}/{version.name} {spec.names.kind} is deprecated"
        warning = version.deprecation_warning or usual
    return CustomVersion(
        schema=version.schema.open_api_v3_schema or _FREE_SCHEMA,
        status=version.subresources.status is not None,
        scale=version.subresources.scale,
        columns=version.additional_printer_columns,
        warning=warning,
    )
