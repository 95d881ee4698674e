"""Envoy's own messages, for objects in which users write in Envoy's words.

In: trees, bytes.    Out: messages of Envoy's whole API.
Before: -            After: check/envoyfilter.py, envoy/patching.py

The descriptors are those of the Envoy that runs (`tools/envoy_protos.py`); they are read when first
asked for, since most meshes never do.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from lateen.base.errors import Bug

_PREFIX = "type.googleapis.com/"
_LISTENER = "envoy.config.listener.v3."
_ROUTE = "envoy.config.route.v3."

# What a patch's value is, by what it applies to. Source: Istio pkg/config/xds.
TYPES = {
    "LISTENER": f"{_LISTENER}Listener",
    "FILTER_CHAIN": f"{_LISTENER}FilterChain",
    "NETWORK_FILTER": f"{_LISTENER}Filter",
    "LISTENER_FILTER": f"{_LISTENER}ListenerFilter",
    "HTTP_FILTER": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "ROUTE_CONFIGURATION": f"{_ROUTE}RouteConfiguration",
    "VIRTUAL_HOST": f"{_ROUTE}VirtualHost",
    "HTTP_ROUTE": f"{_ROUTE}Route",
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
    "EXTENSION_CONFIG": "envoy.config.core.v3.TypedExtensionConfig",
    "BOOTSTRAP": "envoy.config.bootstrap.v3.Bootstrap",
}


@cache
def _pool() -> Any:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.descriptor_pool import DescriptorPool

    source = resources.files("lateen") / "envoy" / "pb" / "envoy.binpb"
    if not source.is_file():
        raise Bug(f"{source} is not there: it is generated, run tools/envoy_protos.py (or make)")
    files = {file.name: file for file in FileDescriptorSet.FromString(source.read_bytes()).file}
    pool, added = DescriptorPool(), set[str]()

    def add(name: str) -> None:
        if name in added:
            return
        added.add(name)
        for other in files[name].dependency:
            add(other)
        pool.Add(files[name])

    for name in files:
        add(name)
    return pool


@cache
def message_class(name: str) -> Any:
    """The class of a message by its full name; KeyError if Envoy has none of that name."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(_pool().FindMessageTypeByName(name))


def read_words(name: str, tree: Any) -> Any:
    """A message as written in YAML; ValueError says what does not fit."""
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(tree, message_class(name)(), descriptor_pool=_pool())
    except (json_format.ParseError, TypeError) as fault:
        raise ValueError(str(fault)) from fault


def knows(name: str) -> bool:
    """Whether Envoy has a message of that full name."""
    try:
        message_class(name)
    except KeyError:
        return False
    return True


def read_tolerantly(name: str, tree: Any) -> Any:
    """A message of a tree; fields that Envoy does not have are left out. Raises json_format.ParseError."""
    from google.protobuf import json_format

    return json_format.ParseDict(
        tree, message_class(name)(), ignore_unknown_fields=True, descriptor_pool=_pool()
    )


def words_of(message: Any) -> dict[str, Any]:
    """The message as a tree, its fields named as in Envoy's documents."""
    from google.protobuf import json_format

    made: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, descriptor_pool=_pool()
    )
    return made


def unpacked(packed: Any) -> Any | None:
    """What is in an Any; None for a type that Envoy does not have."""
    name = packed.type_url.removeprefix(_PREFIX)
    try:
        return message_class(name).FromString(packed.value)
    except KeyError:
        return None


def pack(packed: Any, message: Any) -> None:
    """Put a message into an Any, in bytes that are equal for equal messages."""
    packed.type_url = _PREFIX + message.DESCRIPTOR.full_name
    packed.value = message.SerializeToString(deterministic=True)
