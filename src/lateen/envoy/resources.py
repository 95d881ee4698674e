"""What is handed to the xDS server: named bytes with a version made from them.

In: protobuf messages.    Out: Resource, Resources.
Before: envoy/emit.py     After: xds/
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct

from lateen.base.origin import ObjectKey

_PREFIX = "type.googleapis.com/"


class ResourceType(StrEnum):
    """The xDS type URLs, in the order in which they may be sent."""

    CLUSTER = _PREFIX + "envoy.config.cluster.v3.Cluster"
    ENDPOINTS = _PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = _PREFIX + "envoy.config.listener.v3.Listener"
    ROUTES = _PREFIX + "envoy.config.route.v3.RouteConfiguration"
    SECRET = _PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"

    @property
    def short(self) -> str:
        """CDS, EDS, LDS, RDS or SDS, as people call them."""
        return _SHORT[self]


_SHORT = {
    ResourceType.CLUSTER: "CDS",
    ResourceType.ENDPOINTS: "EDS",
    ResourceType.LISTENER: "LDS",
    ResourceType.ROUTES: "RDS",
    ResourceType.SECRET: "SDS",
}


class Resource(Struct, frozen=True, kw_only=True):
    """One resource: its name, the digest of its bytes, and the objects that made it.

    `body` is the serialised message itself, not wrapped in an Any; it must have been serialised with
    `deterministic=True`, or equal messages would compare as different.
    """

    name: str
    version: str
    body: bytes
    origins: tuple[ObjectKey, ...] = ()

    def __repr__(self) -> str:
        return f"Resource({self.name}, {self.version}, {len(self.body)} bytes)"


class Named(dict[str, Resource]):
    """Resources of one type by name. Not to be changed."""

    __slots__ = ("__weakref__",)

    def with_these(self, fresh: Iterable[Resource]) -> Stepped:
        """The same with other versions of some."""
        return Stepped(self, fresh)


class Stepped(Named):
    """What another set became by other versions of some: who has that one need not compare."""

    __slots__ = ("_before", "changed")

    def __init__(self, before: Named, fresh: Iterable[Resource]) -> None:
        super().__init__(before)
        made = {each.name: each for each in fresh}
        self.update(made)
        self.changed = frozenset(made)
        self._before = weakref.ref(before)  # not kept: it would keep the one before it, and so on

    def came_from(self, other: Mapping[str, Resource]) -> bool:
        """Whether it was made of this very set."""
        return self._before() is other


class Extended(dict[str, Resource]):
    """A proxy's own resources of a type, and those it shares with others, which are remembered.

    So who goes through all proxies goes through what they share once. Not to be changed.
    """

    __slots__ = ("own", "shared")

    def __init__(self, own: Mapping[str, Resource], shared: Mapping[str, Resource]) -> None:
        super().__init__(own)
        self.update(shared)
        self.own, self.shared = own, shared


def parts_of(resources: Mapping[str, Resource]) -> tuple[Mapping[str, Resource], ...]:
    """What it was put together from; most often itself alone."""
    if isinstance(resources, Extended):
        return resources.own, resources.shared
    return (resources,)


Resources = Mapping[ResourceType, Mapping[str, Resource]]


def version_of(body: bytes) -> str:
    """The version of a resource: a digest of its bytes, so that equal means unchanged."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()
