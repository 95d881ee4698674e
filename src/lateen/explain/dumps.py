"""Read a `config_dump` of any Envoy: lateen's, or a real Istio's with Istio's own names and filters.

In: the dump as a tree.        Out: Dump: Resources, whose proxy it is, what was not understood.
Before: api/envoywords.py      After: walk_envoy.py, cli/explaining.py

Names of fields may be written as in protobuf or in camel case. A message of a kind that this Envoy does
not have is carried as a TypedStruct, so that the walker can name it; fields it does not know are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from msgspec import Struct

from lateen.api.envoywords import knows, message_class, read_tolerantly
from lateen.base.errors import LateenError
from lateen.envoy import names
from lateen.envoy.resources import Resource, Resources, ResourceType, version_of
from lateen.explain.walk_envoy import TYPED_STRUCT

Tree = Mapping[str, Any]
_PREFIX = "type.googleapis.com/"
# The dump's lists, and what of an entry is the resource.
_LISTS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "ListenersConfigDump": (
        ("static_listeners", ("listener",)),
        ("dynamic_listeners", ("active_state", "listener")),
    ),
    "RoutesConfigDump": (
        ("static_route_configs", ("route_config",)),
        ("dynamic_route_configs", ("route_config",)),
    ),
    "ClustersConfigDump": (
        ("static_clusters", ("cluster",)),
        ("dynamic_active_clusters", ("cluster",)),
    ),
    "EndpointsConfigDump": (
        ("static_endpoint_configs", ("endpoint_config",)),
        ("dynamic_endpoint_configs", ("endpoint_config",)),
    ),
}
_KINDS = {
    "ListenersConfigDump": (ResourceType.LISTENER, "name"),
    "RoutesConfigDump": (ResourceType.ROUTES, "name"),
    "ClustersConfigDump": (ResourceType.CLUSTER, "name"),
    "EndpointsConfigDump": (ResourceType.ENDPOINTS, "cluster_name"),
}


class Dump(Struct, frozen=True, kw_only=True):
    """What one Envoy runs. `node` is its id; `unread` are parts that do not have the form of a dump's."""

    resources: Resources
    node: str = ""
    unread: tuple[str, ...] = ()

    @property
    def gateway(self) -> bool:
        """Whether it is a gateway's: by its node id, or because nothing is led into it."""
        if self.node:
            return self.node.startswith("router~")
        return names.VIRTUAL_OUTBOUND not in self.resources[ResourceType.LISTENER]


def read_dump(tree: Any) -> Dump:
    """Read a dump; raises LateenError for what is none."""
    configs = tree.get("configs") if isinstance(tree, Mapping) else None
    if not isinstance(configs, list):
        raise LateenError('no config_dump: wanted {"configs": […]}, as Envoy\'s /config_dump gives')
    found: dict[ResourceType, dict[str, Resource]] = {kind: {} for kind in ResourceType}
    unread: list[str] = []
    node = ""
    for part in configs:
        name = str(part.get("@type", "")).rpartition(".")[2]
        if name == "BootstrapConfigDump":
            node = str(part.get("bootstrap", {}).get("node", {}).get("id", ""))
        for kind, key, body in _bodies(name, part):
            try:
                found[kind][key] = _resource(kind, key, body)
            except (json_format.ParseError, KeyError) as fault:
                unread.append(f"{kind.short} {key}: {fault}")
    return Dump(resources=found, node=node, unread=tuple(unread))


def _bodies(name: str, part: Tree) -> Iterator[tuple[ResourceType, str, Tree]]:
    for list_name, way in _LISTS.get(name, ()):
        for entry in _get(part, list_name) or ():
            body: Any = entry
            for key in way:
                body = _get(body, key) or {}
            kind, named = _KINDS[name]
            if body:
                yield kind, str(_get(body, named) or ""), body


def _get(tree: Tree, name: str) -> Any:
    """A field, in protobuf's way of writing or in camel case."""
    first, *others = name.split("_")
    return tree.get(name, tree.get(first + "".join(word.capitalize() for word in others)))


def _resource(kind: ResourceType, name: str, tree: Tree) -> Resource:
    made = read_tolerantly(kind.value.removeprefix(_PREFIX), _carried(tree, top=True))
    body = made.SerializeToString(deterministic=True)
    return Resource(name=name, version=version_of(body), body=body)


def _carried(value: Any, *, top: bool = False) -> Any:
    """The tree with every message of an unknown kind as a TypedStruct."""
    if isinstance(value, list):
        return [_carried(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    said = str(value.get("@type", ""))
    inner = {key: _carried(each) for key, each in value.items() if not (top and key == "@type")}
    if not said or top or knows(said.removeprefix(_PREFIX)):
        return inner
    fields = {key: each for key, each in value.items() if key != "@type"}
    return {"@type": _PREFIX + TYPED_STRUCT, "type_url": said, "value": fields}


def endpoints_of(dump: Dump, cluster: str) -> tuple[str, ...]:
    """`ADDRESS:PORT` of each endpoint that the dump has for a cluster."""
    found = dump.resources[ResourceType.ENDPOINTS].get(cluster)
    if found is None:
        return ()
    message = message_class(ResourceType.ENDPOINTS.value.removeprefix(_PREFIX)).FromString(
        found.body
    )
    places = (
        each.endpoint.address.socket_address
        for group in message.endpoints
        for each in group.lb_endpoints
    )
    return tuple(f"{place.address}:{place.port_value}" for place in places if place.address)
