"""Set aside the object for which Envoy refuses a resource, and take it back when it is changed.

In: what proxies acknowledge and refuse, editions of objects.    Out: the keys to leave out.
Before: xds/ledger.py, xds/quarantine.py      After: stages/planning.py, stages/programming.py

The unit Envoy refuses is a whole route table or listener; what was good in it must go live all the
same, at proxies that start later too. So the objects to blame are left out of the next plan:

    refused → what no proxy has acknowledged yet is held back → the rest is acknowledged
            → half of what is held back goes on trial → acknowledged: it is innocent
                                                      → refused: the fault is in that half …

until one object is left, which stays out. Most often one was changed, and there is nothing to try.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem
from lateen.envoy.resources import Resource, Resources, ResourceType, parts_of
from lateen.stages.editions import SETTINGS, Edition
from lateen.xds.events import Acked, Connected, Disconnected, Event, Kept, Nacked
from lateen.xds.quarantine import blame, editions_in

log = logging.getLogger(__name__)
REFUSED_BY_ENVOY = "LAT0100"
_REMEMBERED = 16  # rounds in which an answer to something older may still come

_What = tuple[ResourceType, str]  # type and name of a resource
_Made = tuple[ResourceType, str, str]  # type, name, version
_Where = tuple[str, ResourceType, str]  # proxy, type, name


class Held(Struct, frozen=True, kw_only=True):
    """An object left out. The fault is in one of `among` objects; 1: it is this one for certain."""

    edition: Edition
    words: str
    among: int
    places: frozenset[_Where] = frozenset()
    on_trial: bool = False


@dataclass(kw_only=True)
class Quarantine:
    """The objects set aside, each in the edition that was refused, with Envoy's words.

    Which editions went into a resource is written down when it is made, not when it is answered: by
    then an object may have been changed again.
    """

    changed: Callable[[], None]
    editions: Callable[[], Mapping[ObjectKey, Edition]]
    _held: dict[ObjectKey, Held] = field(default_factory=dict)
    _resources: Mapping[str, Resources] = field(default_factory=dict)
    _round: int = 0
    _tried: bool = True  # whether what is left out now is what the newest plan left out
    _made: dict[_Made, tuple[int, Mapping[ObjectKey, Edition]]] = field(default_factory=dict)
    _good: dict[_What, dict[ObjectKey, Edition]] = field(default_factory=dict)
    _learnt: set[_Made] = field(default_factory=set)  # of which the good editions are known
    _recalled: Mapping[ObjectKey, Edition] = field(default_factory=dict)
    # Of connected proxies; there are many, so dicts of nothing but texts, which no collector visits.
    _acked: dict[str, dict[ResourceType, dict[str, str]]] = field(default_factory=dict)
    _beyond: dict[_Where, tuple[Resource, str]] = field(default_factory=dict)

    def recall(
        self,
        good: Mapping[ObjectKey, Edition],
        refused: Mapping[ObjectKey, tuple[Edition, str]],
    ) -> None:
        """What an earlier life of the control plane had found out."""
        self._recalled = good
        for key, (edition, words) in refused.items():
            self._held[key] = Held(edition=edition, words=words, among=1)

    def keys(self) -> frozenset[ObjectKey]:
        """What is to be left out now; an object changed or deleted since is tried again."""
        now = self.editions()
        for key, held in tuple(self._held.items()):
            if now.get(key) != held.edition:
                del self._held[key]
        return frozenset(key for key, held in self._held.items() if not held.on_trial)

    def made(self, resources: Mapping[str, Resources]) -> None:
        """Take in what a round made, by proxy, without the objects of `keys`."""
        now = self.editions()
        self._round += 1
        self._resources = resources
        seen: set[int] = set()
        for some in resources.values():
            for kind, by_name in some.items():
                for part in parts_of(by_name):
                    if id(part) in seen:  # proxies share most
                        continue
                    seen.add(id(part))
                    for resource in part.values():
                        if resource.origins and id(resource) not in seen:
                            seen.add(id(resource))
                            self._write_down(kind, resource, now)
        oldest = self._round - _REMEMBERED
        self._made = {k: known for k, known in self._made.items() if known[0] > oldest}
        self._learnt.intersection_update(self._made)
        names = {(kind, name) for kind, name, _ in self._made}
        self._good = {what: good for what, good in self._good.items() if what in names}
        self._beyond = {w: why for w, why in self._beyond.items() if self._version(w)}
        self._tried = True
        self._judge()

    def moved(self, resources: Mapping[str, Resources]) -> None:
        """Take in other endpoints, which come from no object that could be left out."""
        self._resources = resources

    def _write_down(
        self, kind: ResourceType, resource: Resource, now: Mapping[ObjectKey, Edition]
    ) -> None:
        key = (kind, resource.name, resource.version)
        known = self._made.get(key)
        made = known[1] if known else editions_in(resource.origins, now)
        self._made[key] = (self._round, made)

    HEARS: ClassVar[tuple[type[Event], ...]] = (Connected, Disconnected, Acked, Kept, Nacked)

    def hear(self, event: Event) -> None:
        """Learn from an ACK what is good, from a NACK what is not."""
        match event:
            case Connected():
                self._acked[event.proxy] = {}
            case Disconnected():
                self._acked.pop(event.proxy, None)
            case Acked() | Kept():
                self._accept(event)
            case Nacked():
                for resource in event.resources:
                    self._refuse((event.proxy, event.type, resource.name), resource, event.message)
            case _:
                return
        if self._held:
            self._judge()

    def _accept(self, event: Acked | Kept) -> None:
        if self._beyond:
            for resource in event.resources:
                self._beyond.pop((event.proxy, event.type, resource.name), None)
        if event.type is ResourceType.ENDPOINTS:
            return  # they come of no object that could be left out, and are many
        acked = self._acked.setdefault(event.proxy, {}).setdefault(event.type, {})
        for resource in event.resources:
            acked[resource.name] = resource.version
            made = (event.type, resource.name, resource.version)
            if made in self._learnt:
                continue
            if known := self._made.get(made):
                self._good.setdefault(made[:2], {}).update(known[1])
                self._learnt.add(made)

    def _refuse(self, where: _Where, resource: Resource, message: str) -> None:
        if self._version(where) != resource.version:
            return  # what has taken its place will be answered, too
        _, kind, name = where
        made = self._made.get((kind, name, resource.version), (0, {}))[1]
        good = {**self._recalled, **self._good.get((kind, name), {})}
        for key, held in self._held.items():
            if held.on_trial:
                good.pop(key, None)
        suspects = blame(made, now=made, good=good)
        if not suspects or any(other[1:] == where[1:] for other in self._beyond):
            self._give_up(where, resource, message)
        elif known := [key for key in suspects if self._is_out(key, made[key])]:
            for key in known:  # another proxy refused it first
                held = self._held[key]
                self._held[key] = replace(held, places=held.places | {where})
        else:
            self._hold(suspects, made, where, message)

    def _is_out(self, key: ObjectKey, edition: Edition) -> bool:
        held = self._held.get(key)
        return held is not None and held.edition == edition and not held.on_trial

    def _hold(
        self,
        suspects: tuple[ObjectKey, ...],
        made: Mapping[ObjectKey, Edition],
        where: _Where,
        message: str,
    ) -> None:
        for key in suspects:
            before = self._held.get(key)
            self._held[key] = Held(
                edition=made[key],
                words=f"{where[2]}: {message}",
                among=len(suspects),
                places=frozenset({where}) | (before.places if before else frozenset()),
            )
        if len(suspects) == 1:
            log.warning("%s set aside: %s: %s", suspects[0], where[2], message)
        self._leave_out()

    def _give_up(self, where: _Where, resource: Resource, message: str) -> None:
        """Refused though nothing in it can be left out: then what was left out is not to blame."""
        self._beyond[where] = (resource, message)
        acquitted = [
            key
            for key, held in self._held.items()
            if any(place[1:] == where[1:] for place in held.places)
        ]
        for key in acquitted:
            del self._held[key]
        if acquitted:
            self._leave_out()

    def _judge(self) -> None:
        """When all is answered, let those on trial go, and try the next."""
        undecided = {key: held for key, held in self._held.items() if held.among > 1}
        places = {place for held in undecided.values() for place in held.places}
        if not (undecided and self._tried and all(map(self._settled, places))):
            return
        for key, held in tuple(undecided.items()):
            if held.on_trial:
                del self._held[key], undecided[key]
        if undecided:
            among = min(held.among for held in undecided.values())
            group = sorted(key for key, held in undecided.items() if held.among == among)
            for key in group[: max(1, among // 2)]:
                self._held[key] = replace(self._held[key], on_trial=True)
            self._leave_out()

    def _leave_out(self) -> None:
        self._tried = False
        self.changed()

    def _version(self, where: _Where) -> str | None:
        """The version of a resource in the newest plan; None if it is not in it."""
        proxy, kind, name = where
        resource = self._resources.get(proxy, {}).get(kind, {}).get(name)
        return resource.version if resource else None

    def _settled(self, where: _Where) -> bool:
        """Whether the proxy has acknowledged the newest of it, or will not answer at all."""
        proxy, kind, name = where
        version, acked = self._version(where), self._acked.get(proxy)
        return version is None or acked is None or acked.get(kind, {}).get(name) == version

    @property
    def undecided(self) -> bool:
        """Whether it is still being found out which object is to blame, or about to be left out."""
        return not self._tried or any(held.among > 1 for held in self._held.values())

    @property
    def unexplained(self) -> bool:
        """Whether something is refused although nothing in it can be left out."""
        return bool(self._beyond)

    def refused(self) -> Mapping[ObjectKey, str]:
        """The objects set aside for certain, with Envoy's words."""
        return {key: held.words for key, held in sorted(self._held.items()) if held.among == 1}

    def problems(self, origin_of: Callable[[ObjectKey], Origin]) -> tuple[Problem, ...]:
        """One for each object set aside, and for each refusal that no object explains."""
        return (
            *(
                _problem(origin_of(key), f"left out, everything else is live: {words}")
                for key, words in self.refused().items()
            ),
            *dict.fromkeys(
                _problem(
                    _origin_of_all(resource.origins, origin_of),
                    f"and nothing in it can be left out: {resource.name}: {words}",
                )
                for resource, words in self._beyond.values()
            ),
        )


def _problem(origin: Origin, words: str) -> Problem:
    return Problem(
        code=REFUSED_BY_ENVOY,
        level=Level.ERROR,
        origin=origin,
        message=f"refused by Envoy, {words}",
    )


def _origin_of_all(
    origins: Iterable[ObjectKey], origin_of: Callable[[ObjectKey], Origin]
) -> Origin:
    """The object of a resource no setting made, when there is just one."""
    others = [key for key in origins if key.kind not in SETTINGS]
    return origin_of(others[0]) if len(others) == 1 else Origin()
