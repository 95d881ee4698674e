"""What every proxy was told, what it said to that, and since when.

In: events of the streams, wanted snapshots.    Out: ProxyState views, last good resources, listeners.
Before: xds/events.py                           After: xds/server.py, stages/, `lateen proxy status`

Times are seconds since the epoch, by the clock handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from lateen.base.clock import Clock
from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.xds.events import (
    EVENTS,
    Acked,
    Connected,
    Disconnected,
    Event,
    GaveUpWaiting,
    Kept,
    Nacked,
    Programmed,
    Pushed,
)

_NOTHING: Mapping[str, Resource] = {}
_Heard = Callable[[Event], None]


class Refusal(Struct, frozen=True, kw_only=True):
    """A version of a resource the proxy refused, in Envoy's words."""

    type: ResourceType
    name: str
    version: str
    message: str
    at: float


class TypeState(Struct, frozen=True, kw_only=True):
    """One type at one proxy. `pending`: told, not answered. `kept`: not resent at the last
    reconnect; `sent`: resources sent since."""

    type: ResourceType
    version: str
    wanted: int
    pending: tuple[str, ...] = ()
    acked: tuple[str, ...] = ()
    nacked: tuple[str, ...] = ()
    kept: int = 0
    sent: int = 0
    pushed_at: float | None = None
    acked_at: float | None = None


class ProxyState(Struct, frozen=True, kw_only=True):
    """One proxy as the control plane sees it.

    `connected_since` is None without a stream. `programmed`: it acknowledged all of the newest
    snapshot and no listener waits. `waited_for`: clusters whose ACK did not come in time.
    """

    proxy: str
    connected_since: float | None
    programmed: bool
    types: tuple[TypeState, ...]
    refusals: tuple[Refusal, ...] = ()
    waited_for: tuple[str, ...] = ()

    def type(self, type_: ResourceType) -> TypeState:
        """The state of one type."""
        return next(t for t in self.types if t.type is type_)


@dataclass(slots=True)
class _Row:
    """One type of one proxy, as it stands."""

    pending: dict[str, str] = field(default_factory=dict)
    acked: dict[str, Resource] = field(default_factory=dict)
    nacked: dict[str, Refusal] = field(default_factory=dict)
    kept: int = 0
    sent: int = 0
    pushed_at: float | None = None
    acked_at: float | None = None

    def answered(self, name: str, version: str) -> None:
        if self.pending.get(name) == version:
            del self.pending[name]


@dataclass(slots=True)
class _Proxy:
    wanted: Resources = field(default_factory=dict)
    programmed_for: Resources | None = None
    connected_since: float | None = None
    waited_for: tuple[str, ...] = ()
    rows: dict[ResourceType, _Row] = field(
        default_factory=lambda: {type_: _Row() for type_ in ResourceType}
    )

    @property
    def programmed(self) -> bool:
        return self.programmed_for is not None and self.programmed_for is self.wanted


class Ledger:
    """All proxies; fed by the server, read by anybody, on one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._proxies: dict[str, _Proxy] = {}
        self._listeners: dict[type[Event], tuple[_Heard, ...]] = {}

    def listen(self, heard: _Heard, kinds: Iterable[type[Event]] = EVENTS) -> Callable[[], None]:
        """Call `heard` (quick, not raising) with every later event of these kinds; returns how to stop that.

        There are several events for each proxy at each change, so nobody should ask for more than is used.
        """
        of = tuple(kinds)
        for kind in of:
            self._listeners[kind] = (*self._listeners.get(kind, ()), heard)

        def stop() -> None:
            for kind in of:
                left = list(self._listeners[kind])
                left.remove(heard)
                self._listeners[kind] = tuple(left)

        return stop

    def want(self, proxy: str, resources: Resources) -> None:
        """The proxy should have this snapshot."""
        known = self._of(proxy)
        known.wanted = resources
        for type_, row in known.rows.items():
            if not row.nacked:
                continue
            have = resources.get(type_, _NOTHING)
            for name, refusal in tuple(row.nacked.items()):
                if name in have and have[name].version == refusal.version:
                    continue
                del row.nacked[name]

    def _of(self, proxy: str) -> _Proxy:
        known = self._proxies.get(proxy)
        if known is None:
            known = self._proxies[proxy] = _Proxy()
        return known

    def forget(self, proxy: str) -> None:
        """The proxy is gone for good."""
        self._proxies.pop(proxy, None)

    def last_good(self, proxy: str, type_: ResourceType, name: str) -> Resource | None:
        """The resource of that name the proxy last acknowledged; a secret comes without its body."""
        known = self._proxies.get(proxy)
        return known.rows[type_].acked.get(name) if known else None

    def programmed(self, proxy: str) -> bool:
        """Whether the proxy has acknowledged all of the newest snapshot, and no listener waits."""
        known = self._proxies.get(proxy)
        return known is not None and known.programmed

    def note(self, event: Event) -> None:
        """Write an event down and tell the listeners."""
        self._write(self._of(event.proxy), event)
        for heard in self._listeners.get(type(event), ()):
            heard(event)

    def _write(self, known: _Proxy, event: Event) -> None:
        match event:  # the most frequent come first
            case Pushed():
                row = known.rows[event.type]
                row.pushed_at = self._time()
                row.sent += len(event.resources)
                for resource in event.resources:
                    row.pending[resource.name] = resource.version
                for name in event.removed:
                    row.pending[name] = ""
            case Acked():
                self._write_ack(known.rows[event.type], event)
            case Programmed():
                known.programmed_for = event.snapshot
                known.waited_for = ()
            case Connected():
                known.connected_since = self._time()
                known.programmed_for = None
                known.waited_for = ()
                for row in known.rows.values():
                    row.pending.clear()
                    row.nacked.clear()
                    row.kept = row.sent = 0
            case Disconnected():
                known.connected_since = None
            case Kept():
                row = known.rows[event.type]
                row.kept = len(event.resources)
                row.acked.update((r.name, r) for r in event.resources)
            case Nacked():
                self._write_nack(known.rows[event.type], event)
            case GaveUpWaiting():
                known.waited_for = event.clusters
            case _:
                assert_never(event)

    def _write_ack(self, row: _Row, event: Acked) -> None:
        row.acked_at = self._time()
        keep_body = event.type is not ResourceType.SECRET
        for resource in event.resources:
            row.answered(resource.name, resource.version)
            row.acked[resource.name] = resource if keep_body else replace(resource, body=b"")
            row.nacked.pop(resource.name, None)
        for name in event.removed:
            row.answered(name, "")
            row.acked.pop(name, None)
            row.nacked.pop(name, None)

    def _write_nack(self, row: _Row, event: Nacked) -> None:
        now = self._time()
        for resource in event.resources:
            row.answered(resource.name, resource.version)
            row.nacked[resource.name] = Refusal(
                type=event.type,
                name=resource.name,
                version=resource.version,
                message=event.message,
                at=now,
            )

    def _time(self) -> float:
        return self._clock.now().timestamp()

    def state(self, proxy: str) -> ProxyState | None:
        """How that proxy stands; None if it was never wanted and never came."""
        known = self._proxies.get(proxy)
        return _view(proxy, known) if known else None

    def states(self) -> tuple[ProxyState, ...]:
        """All proxies, by name."""
        return tuple(_view(proxy, known) for proxy, known in sorted(self._proxies.items()))


def _view(proxy: str, known: _Proxy) -> ProxyState:
    return ProxyState(
        proxy=proxy,
        connected_since=known.connected_since,
        programmed=known.programmed,
        types=tuple(
            TypeState(
                type=type_,
                version=digest_of(known.wanted.get(type_, _NOTHING)),
                wanted=len(known.wanted.get(type_, _NOTHING)),
                pending=tuple(sorted(row.pending)),
                acked=tuple(sorted(row.acked)),
                nacked=tuple(sorted(row.nacked)),
                kept=row.kept,
                sent=row.sent,
                pushed_at=row.pushed_at,
                acked_at=row.acked_at,
            )
            for type_, row in known.rows.items()
        ),
        refusals=tuple(
            row.nacked[name] for row in known.rows.values() for name in sorted(row.nacked)
        ),
        waited_for=known.waited_for,
    )


def digest_of(resources: Mapping[str, Resource]) -> str:
    """The version of a set: a digest over names and versions, whatever their order; "" if empty."""
    if not resources:
        return ""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(resources):
        digest.update(f"{name}\0{resources[name].version}\0".encode())
    return digest.hexdigest()
