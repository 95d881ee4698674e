"""What one proxy has asked for, holds, accepted and refused of one xDS type.

In: subscriptions, answers, what there is.    Out: what is due, grouped into responses.
Before: xds/messages.py, xds/refusal.py       After: xds/stream.py

Versions are kept per resource name. `sent` is what the proxy has been told and not refused, `acked`
what it confirmed; a name told to be absent has the version ABSENT in both.

Proxies share most of what there is, so what two snapshots differ in is worked out once for all of them
(`Changes`), and a channel looks only at those names and at the ones of which it has heard since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from lateen.envoy.resources import Resource, ResourceType
from lateen.xds.changes import Changes
from lateen.xds.messages import WILDCARD, DeltaRequest
from lateen.xds.refusal import refused_among

ABSENT = ""

# Envoy does not name the refused one of these, so each travels in a response of its own.
_ALWAYS_ALONE = frozenset({ResourceType.ROUTES, ResourceType.SECRET})
_WILDCARD_TYPES = frozenset({ResourceType.CLUSTER, ResourceType.LISTENER})
_FRAMING = 128  # bytes around one resource: type URL, tags, lengths


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one response."""

    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What the proxy lacks. `unknown` names were asked for just now and do not exist; `gone` names it
    holds and should forget.
    """

    resources: tuple[Resource, ...] = ()
    unknown: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.resources or self.unknown or self.gone)


NOTHING_DUE = Due()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How a refused response came out, resource by resource; what is in neither will be sent again."""

    refused: tuple[Resource, ...] = ()
    applied: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


class Channel:
    """The state of one type on one stream."""

    def __init__(self, type_: ResourceType, changes: Changes | None = None) -> None:
        self.type = type_
        self._changes = changes or Changes()
        self._looked: Mapping[str, Resource] | None = None  # compared with what was told, but for
        self._heard: set[str] = set()  # these names
        self._open: set[str] = set()  # told and not confirmed
        self._left: set[str] = set()  # told to be absent; a version confirmed before counts no more
        self.subscribed = False
        self.wildcard = False
        self.names: set[str] = set()
        self.sent: dict[str, str] = {}
        self.acked: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.flying: dict[str, Batch] = {}
        self.owed: set[str] = set()
        self.fresh = False  # the first request has not been compared with a snapshot yet
        self.had_some = False  # it came with resources of an earlier stream
        self.answer_due = False  # Envoy waits for a first response, be it empty
        self.dirty = False  # something may be due
        self._alone: set[str] = set()

    def subscribe(self, request: DeltaRequest, *, trust_held: bool = True) -> None:
        """Take the subscription part of a request.

        `trust_held` False: what the proxy says it holds is not taken as held, so that it is sent again.
        """
        first = not self.subscribed
        if first:
            held = request.initial_versions if trust_held else {}
            self.had_some = bool(held)
            self.sent.update(held)
            self.acked.update(held)
            self._looked = None
            self.wildcard = self.type in _WILDCARD_TYPES and not request.subscribe
            self.answer_due = self.wildcard and not held
            self.subscribed = self.fresh = self.dirty = True
        for name in request.unsubscribe:
            self._unsubscribe(name)
        for name in request.subscribe:
            if name == WILDCARD:
                self.wildcard, self._looked = True, None
            else:
                self.names.add(name)
                self._heard.add(name)
                if not first:
                    self.owed.add(name)
            self.dirty = True

    def owe(self, names: Collection[str]) -> None:
        """Send these again, whatever the proxy has of them."""
        self.owed.update(names)
        self._heard.update(names)
        self.dirty = True

    def _unsubscribe(self, name: str) -> None:
        self.dirty = True
        if name == WILDCARD:
            self.wildcard, self._looked = False, None
            for held in self.sent.keys() - self.names:
                self._forget(held)
            return
        self.names.discard(name)
        self._forget(name)
        if self.wildcard:
            # The wildcard still covers it: the proxy must be told what it has of it now.
            self.owed.add(name)

    def _forget(self, name: str) -> None:
        for versions in (self.sent, self.acked, self.refused):
            versions.pop(name, None)
        for names in (self.owed, self._alone, self._open, self._left):
            names.discard(name)
        self._heard.add(name)

    def _compare(self, name: str) -> None:
        """Keep `_open` true after what was told or confirmed of a name changed."""
        if self.sent.get(name) == self.acked.get(name):
            self._open.discard(name)
        else:
            self._open.add(name)

    def due(self, have: Mapping[str, Resource], skip: Collection[str] = ()) -> Due:
        """What differs between what there is and what the proxy was told.

        A version it refused is not due again. Names in `skip` count as told.
        """
        if not self.subscribed:
            return NOTHING_DUE
        for name, version in tuple(self.refused.items()):
            if name not in have or have[name].version != version:
                del self.refused[name]  # what was refused is no longer wanted
                self._heard.add(name)
        resources = []
        unknown = []
        gone = []
        for name in self._to_look_at(have):
            if name in skip:
                continue
            resource = have.get(name)
            told = self.sent.get(name)
            if resource is None:
                if name in self.owed or (told is None and name in self.names):
                    unknown.append(name)
                elif told not in (None, ABSENT):
                    gone.append(name)
            elif name in self.owed or (resource.version != told and name not in self.refused):
                resources.append(resource)
        self._looked = have
        self._heard = {*(r.name for r in resources), *unknown, *gone}
        self.dirty = bool(self._heard)
        return Due(resources=tuple(resources), unknown=tuple(unknown), gone=tuple(gone))

    def _to_look_at(self, have: Mapping[str, Resource]) -> list[str]:
        """The names of which something may be due; all that are wanted, when nothing is known yet."""
        if self._looked is None or self.type is ResourceType.SECRET:  # looked up anew each time
            return self._wanted(have)
        names = self._changes.between(self._looked, have) | self._heard
        if not self.wildcard:
            return sorted(names & self.names)
        return [*sorted(names & have.keys()), *sorted(names - have.keys())]

    def _wanted(self, have: Mapping[str, Resource]) -> list[str]:
        if not self.wildcard:
            return sorted(self.names)
        rest = (self.names | self.owed | self.sent.keys()) - have.keys()
        return [*have, *sorted(rest)]

    def group(self, due: Batch, limit: int) -> Iterator[Batch]:
        """Split into responses of at most `limit` bytes (a larger resource goes on its own).

        Where a refusal could not be told apart each resource goes alone.
        """
        lot: list[Resource] = []
        size = 0
        removed = due.removed
        for resource in due.resources:
            if self.type in _ALWAYS_ALONE or resource.name in self._alone:
                yield Batch(resources=(resource,))
                continue
            weight = len(resource.body) + len(resource.name) + _FRAMING
            if lot and size + weight > limit:
                yield Batch(resources=tuple(lot), removed=removed)
                lot, size, removed = [], 0, ()
            lot.append(resource)
            size += weight
        if lot or removed:
            yield Batch(resources=tuple(lot), removed=removed)

    def note_sent(self, nonce: str, batch: Batch) -> None:
        """Remember a response that goes out under this nonce."""
        self.answer_due = False
        self.flying[nonce] = batch
        for resource in batch.resources:
            self._tell(resource.name, resource.version)
        for name in batch.removed:
            self._tell(name, ABSENT)
            self._left.add(name)
        if self._looked is not None:
            self.dirty = bool(self._heard)

    def _tell(self, name: str, version: str) -> None:
        self.sent[name] = version
        self.owed.discard(name)
        self._heard.discard(name)  # it was told what there is
        self._compare(name)

    def accept(self, nonce: str) -> Batch | None:
        """Take an ACK; None for a nonce that is unknown or already answered."""
        batch = self.flying.pop(nonce, None)
        if batch is not None:
            self._apply(batch.resources, batch.removed)
        return batch

    def _apply(self, resources: tuple[Resource, ...], removed: tuple[str, ...]) -> None:
        for resource in resources:
            if resource.name in self.sent:
                self.acked[resource.name] = resource.version
                if self._left and not self._is_leaving(resource.name):
                    self._left.discard(resource.name)
                self._compare(resource.name)
                if self.refused.pop(resource.name, None) is not None:
                    self._heard.add(resource.name)
            self._alone.discard(resource.name)
        for name in removed:
            if self.sent.get(name) != ABSENT:
                self.acked.pop(name, None)
                self._compare(name)
            elif name in self.names:
                self.acked[name] = ABSENT
                self._compare(name)
            else:
                self._forget(name)

    def _is_leaving(self, name: str) -> bool:
        return any(name in batch.removed for batch in self.flying.values())

    def refuse(self, nonce: str, message: str) -> Verdict | None:
        """Take a NACK; None for a nonce that is unknown or already answered.

        Resources the message names fall back to what was last ACKed; the others of the response were
        applied. Does it name none, nothing was applied for certain: a lone resource is the culprit,
        and of several each will be sent again alone.
        """
        batch = self.flying.pop(nonce, None)
        if batch is None:
            return None
        self.dirty = True
        named = refused_among(message, (r.name for r in batch.resources))
        if named:
            refused = tuple(r for r in batch.resources if r.name in named)
            applied = tuple(r for r in batch.resources if r.name not in named)
            self._apply(applied, batch.removed)
            self._refuse(refused)
            return Verdict(refused=refused, applied=applied, removed=batch.removed)
        if not batch.resources:
            # Sending the same removals again would be refused again.
            self._apply((), batch.removed)
            return Verdict()
        self._fall_back(batch)
        if len(batch.resources) == 1:
            self._refuse(batch.resources)
            return Verdict(refused=batch.resources)
        self._alone.update(r.name for r in batch.resources)
        return Verdict()

    def _refuse(self, resources: tuple[Resource, ...]) -> None:
        self._fall_back(Batch(resources=resources))
        for resource in resources:
            self.refused[resource.name] = resource.version
            self._alone.discard(resource.name)

    def _fall_back(self, batch: Batch) -> None:
        told = [(r.name, r.version) for r in batch.resources]
        told += [(name, ABSENT) for name in batch.removed]
        for name, version in told:
            if self.sent.get(name) != version:
                continue  # something newer is on its way
            if name in self.acked:
                self.sent[name] = self.acked[name]
            else:
                del self.sent[name]
            self._compare(name)
            self._heard.add(name)

    def unsettled(self, have: Mapping[str, Resource]) -> frozenset[tuple[str, str]]:
        """Name and version of each resource there is and the proxy wants, but has not ACKed."""
        wanted = have if self.wildcard or not self.subscribed else self.names & have.keys()
        if self._looked is have and self.subscribed:
            told = (*self._heard, *self._open, *self._left, *self.refused)
            wanted = {name for name in told if name in wanted and name in have}
        return frozenset(
            (name, have[name].version)
            for name in wanted
            if self.acked.get(name) != have[name].version or name in self._left
        )

    @property
    def settled(self) -> bool:
        """Whether all it was told is ACKed, and nothing is due, refused or without an answer."""
        return not (self.dirty or self.flying or self.refused or self.answer_due or self._open)
