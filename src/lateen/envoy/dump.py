"""Tell what a proxy is sent in the form of Envoy's own `config_dump`.

In: Resources.              Out: the dump as a tree.
Before: envoy/emit.py       After: cli/

So every tool that reads a real Envoy's dump reads this, too. As in Envoy's, private keys are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.api.envoywords import message_class, words_of
from lateen.envoy.resources import Resource, Resources, ResourceType

_ADMIN = "type.googleapis.com/envoy.admin.v3."
_REDACTED = {"inline_bytes": "W3JlZGFjdGVkXQ=="}  # "[redacted]", as Envoy has it
_FIRST = ("@type", "name", "match")  # what is read first
PARTS: Mapping[str, ResourceType] = {
    "listeners": ResourceType.LISTENER,
    "routes": ResourceType.ROUTES,
    "clusters": ResourceType.CLUSTER,
    "endpoints": ResourceType.ENDPOINTS,
    "secrets": ResourceType.SECRET,
}
# What each part's dump is called, what its list, and what one resource in an entry of that list.
_SHAPES = {
    ResourceType.LISTENER: ("ListenersConfigDump", "dynamic_listeners", "listener"),
    ResourceType.ROUTES: ("RoutesConfigDump", "dynamic_route_configs", "route_config"),
    ResourceType.CLUSTER: ("ClustersConfigDump", "dynamic_active_clusters", "cluster"),
    ResourceType.ENDPOINTS: ("EndpointsConfigDump", "dynamic_endpoint_configs", "endpoint_config"),
    ResourceType.SECRET: ("SecretsConfigDump", "dynamic_active_secrets", "secret"),
}


def words(kind: ResourceType, resource: Resource) -> dict[str, Any]:
    """A resource in Envoy's own words, all extensions unpacked."""
    name = kind.value.rpartition("/")[2]
    return {"@type": kind.value, **words_of(message_class(name).FromString(resource.body))}


def config_dump(resources: Resources, parts: Iterable[str] = tuple(PARTS)) -> dict[str, Any]:
    """The dump with those parts (see PARTS); resources stand in order of their names."""
    return {"configs": [_part(PARTS[part], resources) for part in parts]}


def _part(kind: ResourceType, resources: Resources) -> dict[str, Any]:
    dump, entries, _ = _SHAPES[kind]
    found = sorted(resources.get(kind, {}).items())
    return {"@type": _ADMIN + dump, entries: [_entry(kind, each) for _, each in found]}


def _entry(kind: ResourceType, resource: Resource) -> dict[str, Any]:
    said = {"version_info": resource.version, _SHAPES[kind][2]: _sorted(words(kind, resource))}
    match kind:
        case ResourceType.LISTENER:
            return {"name": resource.name, "active_state": said}
        case ResourceType.SECRET:
            _redact(said["secret"])
            return {"name": resource.name, **said}
    return said


def _redact(secret: dict[str, Any]) -> None:
    for part in ("tls_certificate", "generic_secret", "session_ticket_keys"):
        if "private_key" in secret.get(part, {}):
            secret[part]["private_key"] = _REDACTED


def _sorted(value: Any) -> Any:
    """Protobuf gives the entries of a map in an order of its own, new in each process."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=_rank)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _rank(key: str) -> tuple[int, str]:
    return _FIRST.index(key) if key in _FIRST else len(_FIRST), key
