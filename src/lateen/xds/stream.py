"""One proxy's stream as a pure state machine: requests, snapshots and time in, responses out.

In: DeltaRequest, Resources, secrets that changed, a timer.    Out: Output (responses, events).
Before: xds/channel.py                                         After: xds/server.py

The order is what keeps Envoy from answering 503 between two states:

    secrets, clusters, endpoints  →  (clusters ACKed)  →  listeners, routes  →  (both ACKed)  →  removals

- Envoy withholds the ACK of clusters while any of them warms, so that ACK means: routes may now use
  them. It may stay away for good (a cluster that never warms), so the wait is bounded by a timer.
- A changed cluster warms anew and needs its endpoints again, though Envoy does not ask for them.
  Cluster and ClusterLoadAssignment have the same name.
- Endpoints and secrets never wait, so an endpoint-only change is out at once.
- A newer snapshot replaces the one being rolled out: what is due is always computed against the newest.
- After a refusal clusters are not removed: the routes still in use may need them.
- A client that uses new routes only when it has all they lead to, as the gRPC library does, asks for
  listeners first: with `ordered` False nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.xds.changes import Changes
from lateen.xds.channel import NOTHING_DUE, Batch, Channel, Due
from lateen.xds.events import Acked, Event, GaveUpWaiting, Kept, Nacked, Programmed, Pushed
from lateen.xds.messages import DeltaRequest, DeltaResponse, SecretSource
from lateen.xds.refusal import clean

ACK_WAIT: Final = 5.0  # seconds
RESPONSE_LIMIT: Final = 3 * 1024 * 1024  # bytes; gRPC clients take 4 MiB unless told otherwise
_NOTHING: Mapping[str, Resource] = {}
_ROUTES: Final = ("", "routes")  # stands among the awaited clusters, which have names


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """Call `on_timeout(number)` after so many seconds, unless another timer has replaced this one."""

    number: int
    seconds: float


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, in this order, and what happened."""

    responses: tuple[DeltaResponse, ...] = ()
    events: tuple[Event, ...] = ()


class Stream:
    """The state of one stream. Every `on_…` returns what it brings about; none waits or fails."""

    def __init__(
        self,
        node_id: str,
        secrets: SecretSource,
        *,
        ack_wait: float = ACK_WAIT,
        response_limit: int = RESPONSE_LIMIT,
        changes: Changes | None = None,
        ordered: bool = True,
    ) -> None:
        self.node_id = node_id
        self.timer: Timer | None = None
        self._secrets = secrets
        self._ack_wait = ack_wait
        self._ordered = ordered
        self._limit = response_limit
        changes = changes or Changes()
        self._channels = {type_: Channel(type_, changes) for type_ in ResourceType}
        self._target: Resources | None = None
        self._kept_secrets: set[str] = set()
        self._nonce = 0
        self._timers = 0
        self._awaited: frozenset[tuple[str, str]] = frozenset()
        self._excused: frozenset[tuple[str, str]] = frozenset()
        self._programmed_for: Resources | None = None
        self._responses: list[DeltaResponse] = []
        self._events: list[Event] = []

    def on_request(self, request: DeltaRequest) -> Output:
        """The proxy subscribes, unsubscribes, or answers a response."""
        channel = self._channels[request.type]
        if request.nonce:
            self._answered(channel, request)
            if request.only_answers and channel.subscribed and self._only_answers_missing:
                self._note_programmed()
                return self._output()
        if request.type is ResourceType.SECRET:
            self._keep_secrets(channel, request)
        channel.subscribe(request, trust_held=self._may_trust_held(request.type))
        return self._advance()

    def on_snapshot(self, resources: Resources) -> Output:
        """There is a new wanted state; it replaces the last one, whatever became of that."""
        old, self._target = self._target, resources
        changed = [
            type_
            for type_ in self._channels
            if old is None or old.get(type_) is not resources.get(type_)
        ]
        for type_ in changed:
            self._channels[type_].dirty = True
        at_rest = old is not None and self._programmed_for is old
        if at_rest and changed == [ResourceType.ENDPOINTS] and self._push_endpoints():
            return self._output()  # there is nothing else that could be due
        return self._advance()

    def on_secrets(self, names: Iterable[str]) -> Output:
        """The secret source has something new for these names."""
        self._kept_secrets.difference_update(names)
        self._channels[ResourceType.SECRET].dirty = True
        return self._advance()

    def on_timeout(self, number: int) -> Output:
        """The timer of that number ran out; a replaced timer does nothing."""
        if self.timer is None or self.timer.number != number:
            return Output()
        self.timer = None
        unsettled = self._unsettled_clusters()
        # A cluster is excused in this version only.
        self._excused &= unsettled | {_ROUTES}
        self._excused |= self._awaited & (unsettled | {_ROUTES})
        if missing := self._awaited & unsettled:
            names = tuple(sorted(name for name, _ in missing))
            self._events.append(GaveUpWaiting(proxy=self.node_id, clusters=names))
        return self._advance()

    @property
    def _only_answers_missing(self) -> bool:
        """Whether all is sent: once it has been at rest, nothing but what is dirty can become due."""
        return (
            self._programmed_for is not None
            and self.timer is None
            and not any(channel.dirty for channel in self._channels.values())
        )

    def _may_trust_held(self, type_: ResourceType) -> bool:
        # On a reconnect Envoy asks for clusters first, unless it holds that request back because a
        # cluster is warming; then the endpoints it reports may be those of the cluster's last form.
        return (
            type_ is not ResourceType.ENDPOINTS or self._channels[ResourceType.CLUSTER].subscribed
        )

    def _keep_secrets(self, channel: Channel, request: DeltaRequest) -> None:
        self._kept_secrets.difference_update(request.unsubscribe)
        if channel.subscribed:
            self._kept_secrets.difference_update(request.subscribe)
            return
        self._kept_secrets.update(
            name
            for name, version in request.initial_versions.items()
            if self._secrets.still_good(self.node_id, name, version)
        )

    def _answered(self, channel: Channel, request: DeltaRequest) -> None:
        if request.error is None:
            if batch := channel.accept(request.nonce):
                self._note_applied(channel, batch.resources, batch.removed)
            return
        verdict = channel.refuse(request.nonce, request.error)
        if verdict is None:
            return
        self._note_applied(channel, verdict.applied, verdict.removed)
        if verdict.refused:
            self._events.append(
                Nacked(
                    proxy=self.node_id,
                    type=channel.type,
                    resources=verdict.refused,
                    message=clean(request.error),
                )
            )

    def _note_applied(
        self, channel: Channel, resources: tuple[Resource, ...], removed: tuple[str, ...]
    ) -> None:
        if resources or removed:
            self._events.append(
                Acked(proxy=self.node_id, type=channel.type, resources=resources, removed=removed)
            )

    def _advance(self) -> Output:
        """Send all that may be sent now."""
        if self._target is not None:
            for type_, channel in self._channels.items():
                if type_ is not ResourceType.SECRET:
                    self._note_kept(channel, self._have(type_))
            self._push_secrets()
            clusters = self._push_clusters()
            endpoints = self._push_endpoints()
            missing = self._missing(clusters)
            if missing <= {_ROUTES}:
                routes = self._push_listeners_and_routes()
                if not missing:
                    self._push_removals(clusters, endpoints, routes)
                    self._note_programmed()
        return self._output()

    def _output(self) -> Output:
        output = Output(responses=tuple(self._responses), events=tuple(self._events))
        self._responses.clear()
        self._events.clear()
        return output

    def _have(self, type_: ResourceType) -> Mapping[str, Resource]:
        if self._target is None:
            return _NOTHING
        return self._target.get(type_, _NOTHING)

    def _due(self, type_: ResourceType) -> Due:
        channel = self._channels[type_]
        return channel.due(self._have(type_)) if channel.dirty else NOTHING_DUE

    def _note_kept(self, channel: Channel, have: Mapping[str, Resource]) -> None:
        if not channel.fresh:
            return
        channel.fresh = False
        held = channel.sent.items()
        resources = [have[n] for n, v in held if n in have and have[n].version == v]
        if channel.type is ResourceType.SECRET:
            resources = [replace(r, body=b"") for r in resources]
            resources += [
                Resource(name=n, version=v, body=b"") for n, v in held if n in self._kept_secrets
            ]
        if resources:
            kept = tuple(sorted(resources, key=lambda r: r.name))
            self._events.append(Kept(proxy=self.node_id, type=channel.type, resources=kept))

    def _push_secrets(self) -> None:
        channel = self._channels[ResourceType.SECRET]
        if not channel.dirty:
            return
        given = self._have(ResourceType.SECRET)
        found = {
            name: secret
            for name in channel.names - self._kept_secrets
            if (secret := given.get(name) or self._secrets.secret(self.node_id, name))
        }
        self._note_kept(channel, found)
        due = channel.due(found, skip=self._kept_secrets)
        self._send(channel, due.resources, due.unknown + due.gone)

    def _push_clusters(self) -> Due:
        """Send new and changed clusters, and mark their endpoints as needed again."""
        channel = self._channels[ResourceType.CLUSTER]
        due = self._due(ResourceType.CLUSTER)
        self._send(channel, due.resources, due.unknown)
        endpoints = self._channels[ResourceType.ENDPOINTS]
        again = endpoints.names.intersection(r.name for r in due.resources)
        if again:
            endpoints.owe(again)
        return due

    def _push_endpoints(self) -> Due:
        due = self._due(ResourceType.ENDPOINTS)
        self._send(self._channels[ResourceType.ENDPOINTS], due.resources, due.unknown)
        return due

    def _push_listeners_and_routes(self) -> Due:
        listeners = self._due(ResourceType.LISTENER)
        self._send(
            self._channels[ResourceType.LISTENER],
            listeners.resources,
            listeners.unknown + listeners.gone,
        )
        routes = self._due(ResourceType.ROUTES)
        self._send(self._channels[ResourceType.ROUTES], routes.resources, routes.unknown)
        return routes

    def _push_removals(self, clusters: Due, endpoints: Due, routes: Due) -> None:
        """Send the removals, once no listener and no route can need what goes."""
        if not (clusters.gone or endpoints.gone or routes.gone):
            return
        users = (self._channels[ResourceType.LISTENER], self._channels[ResourceType.ROUTES])
        if any(c.flying or c.refused for c in users) or not users[0].subscribed:
            return
        self._send(self._channels[ResourceType.ROUTES], (), routes.gone)
        self._send(self._channels[ResourceType.CLUSTER], (), clusters.gone)
        # Envoy itself gives up the endpoints of a removed cluster.
        orphans = tuple(n for n in endpoints.gone if n not in clusters.gone)
        self._send(self._channels[ResourceType.ENDPOINTS], (), orphans)

    def _unsettled_clusters(self) -> frozenset[tuple[str, str]]:
        channel = self._channels[ResourceType.CLUSTER]
        return channel.unsettled(self._have(ResourceType.CLUSTER))

    def _missing(self, clusters: Due) -> frozenset[tuple[str, str]]:
        """What is waited for before listeners, routes or removals may go; keeps the timer."""
        missing: frozenset[tuple[str, str]] = frozenset()
        if not self._ordered:
            return missing
        if (
            clusters.gone
            or self._channels[ResourceType.LISTENER].answer_due
            or self._due(ResourceType.LISTENER)
            or self._due(ResourceType.ROUTES)
        ):
            missing = self._unsettled_clusters() - self._excused
        if clusters.gone or self._have(ResourceType.ROUTES):
            missing |= self._routes_not_asked_for()
        if not missing:
            self.timer = None
        elif self.timer is None:
            self._timers += 1
            self.timer = Timer(number=self._timers, seconds=self._ack_wait)
            self._awaited = missing
        return missing

    def _routes_not_asked_for(self) -> frozenset[tuple[str, str]]:
        # A reconnecting proxy holds routes that we learn of only when it asks for them.
        asked = self._channels[ResourceType.ROUTES].subscribed
        reconnected = self._channels[ResourceType.LISTENER].had_some
        return frozenset({_ROUTES}) - self._excused if reconnected and not asked else frozenset()

    def _send(
        self, channel: Channel, resources: tuple[Resource, ...], removed: tuple[str, ...]
    ) -> None:
        if not (resources or removed or channel.answer_due):
            return
        batches = list(channel.group(Batch(resources=resources, removed=removed), self._limit))
        if not batches and channel.answer_due:
            batches = [Batch()]
        for batch in batches:
            self._nonce += 1
            nonce = f"{channel.type.short}-{self._nonce}"
            channel.note_sent(nonce, batch)
            self._responses.append(
                DeltaResponse(
                    type=channel.type,
                    nonce=nonce,
                    resources=batch.resources,
                    removed=batch.removed,
                )
            )
            self._events.append(
                Pushed(
                    proxy=self.node_id,
                    type=channel.type,
                    nonce=nonce,
                    resources=batch.resources,
                    removed=batch.removed,
                )
            )

    def _note_programmed(self) -> None:
        target = self._target
        clusters = self._channels[ResourceType.CLUSTER]
        listeners = self._channels[ResourceType.LISTENER]
        if (
            target is not None
            and self._programmed_for is not target
            and clusters.subscribed
            and listeners.subscribed
            and all(c.settled for c in self._channels.values() if c.subscribed)
        ):
            self._programmed_for = target
            self._events.append(Programmed(proxy=self.node_id, snapshot=target))
