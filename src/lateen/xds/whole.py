"""State-of-the-world xDS over the delta stream's state machine: names and whole sets in, changes out.

In: WholeRequest, DeltaResponse.    Out: DeltaRequest, WholeResponse.
Before: xds/messages.py             After: xds/dialects.py

A request names all the resources of a type that are wanted, so it is compared with the one before.
Clusters and listeners are answered with all that is wanted, for what is missing is gone; of endpoints and
routes only what changed is sent, and that one is gone shows in what leads to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from lateen.envoy.resources import Resource, ResourceType
from lateen.xds.messages import DeltaRequest, DeltaResponse

_IN_FULL = frozenset({ResourceType.CLUSTER, ResourceType.LISTENER})


class WholeRequest(Struct, frozen=True, kw_only=True):
    """One DiscoveryRequest; `names` are all that are wanted, none for everything. `token` from its Node."""

    type: ResourceType
    names: tuple[str, ...] = ()
    nonce: str = ""
    error: str | None = None
    token: str = ""


class WholeResponse(Struct, frozen=True, kw_only=True):
    """One DiscoveryResponse."""

    type: ResourceType
    nonce: str
    resources: tuple[Resource, ...]


@dataclass(slots=True)
class _Told:
    """What the client has been told of one type, and wants of it."""

    names: frozenset[str] = frozenset()
    resources: dict[str, Resource] = field(default_factory=dict)


class Whole:
    """The state of one stream."""

    def __init__(self) -> None:
        self._told = {type_: _Told() for type_ in ResourceType}

    def asked(self, request: WholeRequest) -> DeltaRequest:
        """The request in the words of the delta protocol."""
        told = self._told[request.type]
        before, told.names = told.names, frozenset(request.names)
        for name in before - told.names:
            told.resources.pop(name, None)
        return DeltaRequest(
            type=request.type,
            subscribe=tuple(sorted(told.names - before)),
            unsubscribe=tuple(sorted(before - told.names)),
            nonce=request.nonce,
            error=request.error,
        )

    def said(self, response: DeltaResponse) -> WholeResponse | DeltaRequest:
        """What to send, or where there is nothing to say, the acknowledgement to take for given."""
        told = self._told[response.type]
        told.resources.update((r.name, r) for r in response.resources)
        for name in response.removed:
            told.resources.pop(name, None)
        if response.type in _IN_FULL:
            resources = tuple(told.resources[name] for name in sorted(told.resources))
        elif response.resources:
            resources = response.resources
        else:
            return DeltaRequest(type=response.type, nonce=response.nonce)
        return WholeResponse(type=response.type, nonce=response.nonce, resources=resources)
