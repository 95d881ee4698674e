"""CustomResourceDefinition, and the objects of the kinds it defines.

In: -    Out: the structs; Custom: what a kind of one's own has beyond a built-in one.
Before: api/meta.py        After: api/customkinds.py, api/structural.py

Source: apiextensions.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from lateen.api.fields import Api, Informative
from lateen.api.meta import ObjectMeta

EXTENSIONS = "apiextensions.k8s.io"
Schema = Mapping[str, Any]


class Names(Api, frozen=True, kw_only=True):
    """How the kind and its collection are called."""

    plural: str
    kind: str
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class PrinterColumn(Api, frozen=True, kw_only=True):
    """One column of `kubectl get`; `priority` above 0 means: only with `-o wide`."""

    name: str
    type: str
    json_path: str = msgspec.field(name="jsonPath")
    format: str = ""
    description: str = ""
    priority: int = 0


class ScaleSubresource(Api, frozen=True, kw_only=True):
    """Where the numbers of `scale` stand: paths such as `.spec.replicas`."""

    spec_replicas_path: str
    status_replicas_path: str
    label_selector_path: str = ""


class Subresources(Api, frozen=True, kw_only=True):
    """Which subresources objects have; `status: {}` for that one."""

    status: dict[str, Any] | None = None
    scale: ScaleSubresource | None = None


class Validation(Api, frozen=True, kw_only=True):
    """The schema, as the tree it is."""

    open_api_v3_schema: dict[str, Any] | None = msgspec.field(default=None, name="openAPIV3Schema")


class Version(Api, frozen=True, kw_only=True):
    """One version: its schema, subresources and columns."""

    name: str
    served: bool
    storage: bool
    deprecated: bool = False
    deprecation_warning: str = ""
    schema: Validation = Validation()
    subresources: Subresources = Subresources()
    additional_printer_columns: tuple[PrinterColumn, ...] = ()
    selectable_fields: Informative = None


class Conversion(Api, frozen=True, kw_only=True):
    """How one version becomes another; only `None` (the apiVersion alone changes) is carried out."""

    strategy: str = "None"
    webhook: Informative = None


class DefinitionSpec(Api, frozen=True, kw_only=True):
    """What is defined; `scope` is Namespaced or Cluster."""

    group: str
    names: Names
    scope: str
    versions: tuple[Version, ...]
    conversion: Conversion = Conversion()
    preserve_unknown_fields: bool = False


class CustomResourceDefinition(Api, frozen=True, kw_only=True):
    """A kind of one's own."""

    api_version: str = f"{EXTENSIONS}/v1"
    kind: str = "CustomResourceDefinition"
    metadata: ObjectMeta
    spec: DefinitionSpec
    status: dict[str, Any] = {}


class CustomResource(Api, frozen=True, kw_only=True):
    """An object of a defined kind; what it holds beyond this is in its tree."""

    api_version: str
    kind: str
    metadata: ObjectMeta


class CustomVersion(Struct, frozen=True, kw_only=True):
    """What objects of one version are like."""

    schema: Schema
    status: bool = False
    scale: ScaleSubresource | None = None
    columns: tuple[PrinterColumn, ...] = ()
    warning: str = ""


class Custom(Struct, frozen=True, kw_only=True):
    """What a defined kind has: its versions by name, and how it is called beside its plural."""

    versions: Mapping[str, CustomVersion] = field(default_factory=dict)
    singular: str = ""
    list_kind: str = ""
    categories: tuple[str, ...] = ()

    @property
    def has_status(self) -> bool:
        """Whether the status is written apart from the rest."""
        return any(version.status for version in self.versions.values())

    @property
    def has_scale(self) -> bool:
        """Whether the number of replicas can be read and set alone."""
        return any(version.scale for version in self.versions.values())
