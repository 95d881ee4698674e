"""How lists and maps of Kubernetes' kinds merge: by key, as a set, or whole.

In: the path of a field.    Out: ListType; whether a map is atomic; the merge key of a patch.
Before: -                   After: apiserver/strategic.py, apiserver/fieldwalks.py, apiserver/openapi.py

Source: x-kubernetes-list-type, x-kubernetes-map-type and x-kubernetes-patch-merge-key of Kubernetes 1.32's
OpenAPI. Kinds of custom groups have none of these marks: their lists are atomic, their maps are not, unless
the schema of their definition says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lateen.api.definition import Schema
from lateen.api.structural import LIST_KEYS, LIST_TYPE

FieldPath = tuple[str, ...]  # names of fields from the root; items of lists add nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Atomic:
    """The list is one value; a strategic merge patch may know a key nevertheless."""

    patch_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """A set of scalars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """Objects, each known by the values of `keys`; the first is the key of a strategic merge patch."""

    keys: tuple[str, ...]


ListType = Atomic | Elements | Keyed

# What stands in for a key that an item leaves out.
KEY_DEFAULTS: Mapping[str, str] = {"protocol": "TCP"}

_BY_NAME = Keyed(keys=("name",))
_BY_TYPE = Keyed(keys=("type",))
_CONTAINER_PORTS = Keyed(keys=("containerPort", "protocol"))
_LISTS: Mapping[str, ListType] = {
    "allocatedResourcesStatus": _BY_NAME,
    "conditions": _BY_TYPE,
    "containers": _BY_NAME,
    "env": _BY_NAME,
    "ephemeralContainers": _BY_NAME,
    "hostAliases": Keyed(keys=("ip",)),
    "imagePullSecrets": Atomic(patch_key="name"),
    "initContainers": _BY_NAME,
    "matchConditions": _BY_NAME,
    "ownerReferences": Keyed(keys=("uid",)),
    "podCIDRs": Elements(),
    "podIPs": Keyed(keys=("ip",)),
    "resourceClaims": _BY_NAME,
    "schedulingGates": _BY_NAME,
    "secrets": _BY_NAME,
    "topologySpreadConstraints": Keyed(keys=("topologyKey", "whenUnsatisfiable")),
    "volumeDevices": Keyed(keys=("devicePath",)),
    "volumeMounts": Keyed(keys=("mountPath",)),
    "volumes": _BY_NAME,
    "webhooks": _BY_NAME,
}
# Names that mean different lists in different places, with the field that holds them.
_LISTS_WITHIN: Mapping[FieldPath, ListType] = {
    ("containers", "ports"): _CONTAINER_PORTS,
    ("initContainers", "ports"): _CONTAINER_PORTS,
    ("ephemeralContainers", "ports"): _CONTAINER_PORTS,
    ("metadata", "finalizers"): Elements(),
    ("resources", "claims"): _BY_NAME,
    ("spec", "imagePullSecrets"): _BY_NAME,
    ("status", "addresses"): _BY_TYPE,
}
_SERVICE_PORTS = Keyed(keys=("port", "protocol"))
_ATOMIC_MAPS = frozenset(
    {
        "claimRef",
        "configMapKeyRef",
        "dataSource",
        "fieldRef",
        "involvedObject",
        "labelSelector",
        "metricSelector",
        "namespaceSelector",
        "nodeSelector",
        "objectSelector",
        "podSelector",
        "regarding",
        "related",
        "required",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "resourceFieldRef",
        "roleRef",
        "scopeSelector",
        "secretKeyRef",
        "secretRef",
        "selector",
        "targetRef",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """The rules for one kind; `marked` says that the kind has Kubernetes' marks at all."""

    marked: bool = True

    def key_default(self, path: FieldPath, key: str) -> Any:
        """What stands in for a key that an item of the list at the path leaves out; None for nothing."""
        return KEY_DEFAULTS.get(key)

    def list_type(self, path: FieldPath) -> ListType:
        """How the list at the path merges."""
        if path[:1] == ("metadata",) or self.marked:
            return list_type(path)
        return Atomic()

    def is_atomic_map(self, path: FieldPath) -> bool:
        """Whether the map at the path is set and owned as one value."""
        return self.marked and path[-1] in _ATOMIC_MAPS


def list_type(path: FieldPath) -> ListType:
    """How the list at the path of a Kubernetes kind merges."""
    if path == ("spec", "ports"):
        return _SERVICE_PORTS
    return _LISTS_WITHIN.get(path[-2:]) or _LISTS.get(path[-1]) or Atomic()


def patch_key(path: FieldPath) -> str:
    """The key by which a strategic merge patch finds items of the list; "" for none."""
    match list_type(path):
        case Keyed(keys=(key, *_)):
            return key
        case Atomic(patch_key=key):
            return key
        case _:
            return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaMerging(Merging):
    """The rules that the schema of a definition has for one version of its kind."""

    schema: Schema = field(hash=False)
    marked: bool = False

    def key_default(self, path: FieldPath, key: str) -> Any:
        """As the schema of the list's items says."""
        items = self._at(path).get("items") or {}
        return ((items.get("properties") or {}).get(key) or {}).get("default")

    def list_type(self, path: FieldPath) -> ListType:
        """As `x-kubernetes-list-type` says."""
        if path[:1] == ("metadata",):
            return list_type(path)
        part = self._at(path)
        match part.get(LIST_TYPE):
            case "map":
                return Keyed(keys=tuple(part.get(LIST_KEYS) or ()))
            case "set":
                return Elements()
        return Atomic()

    def is_atomic_map(self, path: FieldPath) -> bool:
        """As `x-kubernetes-map-type` says."""
        return self._at(path).get("x-kubernetes-map-type") == "atomic"

    def _at(self, path: FieldPath) -> Schema:
        """The schema of the field; an empty one where the definition has none."""
        part: Any = self.schema
        for name in path:
            while isinstance(part.get("items"), Mapping):
                part = part["items"]
            part = (part.get("properties") or {}).get(name, part.get("additionalProperties"))
            if not isinstance(part, Mapping):
                return {}
        return part if isinstance(part, Mapping) else {}
