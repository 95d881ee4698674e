"""What happened on a proxy's stream, as facts for the ledger and for whoever listens to it.

In: -    Out: Event, a closed union.
Before: envoy/resources.py    After: xds/stream.py, xds/ledger.py, stages/

Structs of msgspec and no dataclasses, as all that is made for each proxy at each change: they cost a tenth.
"""

from __future__ import annotations

from typing import get_args

import msgspec

from lateen.envoy.resources import Resource, Resources, ResourceType


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy opened a stream; a stream it had before is superseded."""

    proxy: str


class Disconnected(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy's stream ended; the proxy goes on with what it has."""

    proxy: str


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """A response was sent: these resources, and these names told to be absent."""

    proxy: str
    type: ResourceType
    nonce: str
    resources: tuple[Resource, ...]
    removed: tuple[str, ...]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A reconnecting proxy already held these, unchanged: nothing of them was sent.

    Of secrets only the version is known; they come without a body.
    """

    proxy: str
    type: ResourceType
    resources: tuple[Resource, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        return tuple(resource.name for resource in self.resources)


class Acked(msgspec.Struct, frozen=True, kw_only=True):
    """The proxy applied these resources and removals (also the good ones of a refused push)."""

    proxy: str
    type: ResourceType
    resources: tuple[Resource, ...]
    removed: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the applied resources."""
        return tuple(r.name for r in self.resources)


class Nacked(msgspec.Struct, frozen=True, kw_only=True):
    """The proxy refused these resources and keeps what it had; `message` is Envoy's text, cleaned."""

    proxy: str
    type: ResourceType
    resources: tuple[Resource, ...]
    message: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the refused resources."""
        return tuple(r.name for r in self.resources)


class GaveUpWaiting(msgspec.Struct, frozen=True, kw_only=True):
    """These clusters were not acknowledged in time; listeners and routes went out without them."""

    proxy: str
    clusters: tuple[str, ...]


class Programmed(msgspec.Struct, frozen=True, kw_only=True):
    """All of this snapshot is acknowledged and no listener waits for anything."""

    proxy: str
    snapshot: Resources


Event = Connected | Disconnected | Pushed | Kept | Acked | Nacked | GaveUpWaiting | Programmed
EVENTS: tuple[type[Event], ...] = get_args(Event)
