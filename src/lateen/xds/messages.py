"""What a proxy and the server say to each other, free of gRPC and protobuf.

In: -    Out: DeltaRequest, DeltaResponse, SecretSource.
Before: envoy/resources.py    After: xds/channel.py, xds/stream.py, xds/wire.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from lateen.envoy.resources import Resource, ResourceType

WILDCARD = "*"


class DeltaRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One DeltaDiscoveryRequest: a subscription, an answer to a response, or both at once.

    `nonce` is "" unless it answers a response; `error` is Envoy's own text when that response was
    refused, else None. `initial_versions` comes only with the first request of a type on a stream:
    what the proxy holds from an earlier stream.
    """

    type: ResourceType
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = msgspec.field(default_factory=dict)
    nonce: str = ""
    error: str | None = None

    @property
    def only_answers(self) -> bool:
        """Whether it says no more than that the response was taken over."""
        return (
            self.nonce != ""
            and self.error is None
            and not (self.subscribe or self.unsubscribe or self.initial_versions)
        )


class DeltaResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One DeltaDiscoveryResponse: resources to take over and names to forget."""

    type: ResourceType
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


class SecretSource(Protocol):
    """Where certificates and keys come from; asked at the moment a proxy needs one."""

    def secret(self, node_id: str, name: str) -> Resource | None:
        """The secret of that name for that proxy (`default`, `ROOTCA`, `kubernetes://x`), or None."""

    def still_good(self, node_id: str, name: str, version: str) -> bool:
        """Whether the version a reconnecting proxy says it holds need not be replaced yet."""


class NoSecrets:
    """A source that knows no secret: every name is answered as absent."""

    def secret(self, node_id: str, name: str) -> Resource | None:
        """None, always."""
        return None

    def still_good(self, node_id: str, name: str, version: str) -> bool:
        """False, always."""
        return False
