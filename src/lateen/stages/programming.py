"""Say on each of Istio's settings whether the proxies run it: the condition `Programmed`.

In: what each proxy should have, what it acknowledged, objects set aside.    Out: statuses in the store.
Before: stages/planning.py, xds/ledger.py, stages/quarantining.py            After: apiserver/

The status is also what a new control plane remembers: what was programmed is known to be good, and
what was refused stays out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import OWN
from lateen.cluster.statuses import timestamp
from lateen.envoy.resources import Resource, Resources, ResourceType, parts_of
from lateen.stages.editions import SETTINGS, Edition, edition_of
from lateen.store.interface import Store, Writer
from lateen.xds.events import Acked, Event, Kept, Nacked

PROGRAMMED = "Programmed"  # the condition's type, and its reason when it is True
PENDING = "Pending"
REFUSED = "RefusedByProxy"
GATHER = 0.1  # seconds in which what proxies say is gathered into one look at the statuses
EASE = 10  # a look is followed by a pause of so many times its own length
Confirmed = Callable[[str, ResourceType, Resource], bool]  # whether a proxy has acknowledged it


class Use(Struct, frozen=True, kw_only=True):
    """Resources in which an object has a part, and the proxies that have these very resources."""

    proxies: tuple[str, ...]
    type: ResourceType
    resources: tuple[Resource, ...]


def uses_of(resources: Mapping[str, Resources]) -> Mapping[ObjectKey, tuple[Use, ...]]:
    """Where each of Istio's settings ends up; what proxies share is looked through once."""
    holders: dict[int, tuple[ResourceType, Mapping[str, Resource], list[str]]] = {}
    for proxy, some in resources.items():
        for type_, by_name in some.items():
            for part in parts_of(by_name):
                holders.setdefault(id(part), (type_, part, []))[2].append(proxy)
    uses: dict[ObjectKey, list[Use]] = {}
    for type_, part, proxies in holders.values():
        of: dict[ObjectKey, list[Resource]] = {}
        for resource in part.values():
            for key in resource.origins:
                if key.kind in SETTINGS:
                    of.setdefault(key, []).append(resource)
        for key, some_of in of.items():
            use = Use(proxies=tuple(proxies), type=type_, resources=tuple(some_of))
            uses.setdefault(key, []).append(use)
    return {key: tuple(some) for key, some in uses.items()}


def waiting_for(
    uses: Iterable[Use], acked: Confirmed, at_rest: Container[str] = ()
) -> Mapping[str, bool]:
    """The proxies an object is for, and whether some of it is not acknowledged there yet.

    Those `at_rest` have acknowledged all, and are not asked about each resource.
    """
    waiting: dict[str, bool] = {}
    for use in uses:
        for proxy in use.proxies:
            waiting[proxy] = waiting.get(proxy, False) or (
                proxy not in at_rest
                and not all(acked(proxy, use.type, resource) for resource in use.resources)
            )
    return waiting


def condition_of(obj: Obj, waiting: Mapping[str, bool], *, refused: str | None) -> dict[str, Any]:
    """The condition `Programmed`, without a time. `refused`: Envoy's words, if it is set aside."""
    done = sum(not still for still in waiting.values())
    count = f"{done}/{len(waiting)} prox{'y' if len(waiting) == 1 else 'ies'}"
    if refused is not None:
        status, reason, message = "False", REFUSED, refused
    elif not waiting:
        status, reason, message = "Unknown", PENDING, "no proxy has a use for it"
    elif done < len(waiting):
        status, reason, message = "Unknown", PENDING, count
    else:
        status, reason, message = "True", PROGRAMMED, count
    return {
        "type": PROGRAMMED,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": obj.meta.generation,
    }


def said_of(obj: Obj) -> Mapping[str, Any]:
    """The condition as the store has it; empty when there is none."""
    status = obj.raw.get("status")
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, Mapping) and condition.get("type") == PROGRAMMED:
            return condition
    return {}


def with_condition(obj: Obj, condition: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The object's status with this condition in it; lastTransitionTime moves with `status` only."""
    before = said_of(obj)
    same = before.get("status") == condition["status"]
    since = before.get("lastTransitionTime", now) if same else now
    status = obj.raw.get("status")
    status = status if isinstance(status, Mapping) else {}
    conditions = status.get("conditions")
    others = [c for c in conditions if c is not before] if isinstance(conditions, list) else []
    return {**status, "conditions": [*others, {**condition, "lastTransitionTime": since}]}


def remembered(
    objects: Iterable[Obj],
) -> tuple[Mapping[ObjectKey, Edition], Mapping[ObjectKey, tuple[Edition, str]]]:
    """What the statuses say was programmed, and what was refused and in which words."""
    good: dict[ObjectKey, Edition] = {}
    refused: dict[ObjectKey, tuple[Edition, str]] = {}
    for obj in objects:
        said = said_of(obj)
        if obj.key.kind not in SETTINGS or said.get("observedGeneration") != obj.meta.generation:
            continue
        if said.get("status") == "True":
            good[obj.key] = edition_of(obj)
        elif said.get("reason") == REFUSED:
            refused[obj.key] = edition_of(obj), str(said.get("message", ""))
    return good, refused


@dataclass(kw_only=True)
class Programming:
    """Keeps the statuses true, a moment after the proxies have answered."""

    store: Store
    clock: Clock
    resources: Callable[[], Mapping[str, Resources]]  # of the newest plan, by proxy
    acked: Callable[[str, ResourceType, str], Resource | None]  # the last one that proxy took
    refused: Callable[[], Mapping[ObjectKey, str]]
    programmed: Callable[[str], bool] = lambda _: False  # whether that proxy has acknowledged all
    ended: bool = False  # proxies go because everything ends; what was said of the objects stays
    _due: asyncio.Event = field(default_factory=asyncio.Event)
    _uses: Mapping[ObjectKey, tuple[Use, ...]] = field(default_factory=dict)
    _uses_of: Mapping[str, Resources] | None = None
    _heard: set[str] = field(default_factory=set)

    HEARS: ClassVar[tuple[type[Event], ...]] = (Acked, Kept, Nacked)

    def hear(self, event: Event) -> None:
        """Look again when a proxy has answered; endpoints come from none of these objects."""
        if isinstance(event, Acked | Kept | Nacked) and event.type is not ResourceType.ENDPOINTS:
            self._heard.add(event.proxy)
            self.look()

    def look(self) -> None:
        """Look at the statuses soon."""
        self._due.set()

    async def programming(self) -> None:
        """Go on until cancelled."""
        pause = 0.0
        while True:
            await self._due.wait()
            await self.clock.sleep(max(GATHER, pause))
            self._due.clear()
            began = self.clock.monotonic()
            self.step()
            pause = EASE * (self.clock.monotonic() - began)

    def step(self) -> None:
        """Write the statuses that are not true any more."""
        if self.ended:
            return
        resources = self.resources()
        if self._uses_of is not resources:
            self._uses, self._uses_of = uses_of(resources), resources
        refused = self.refused()
        at_rest = frozenset(filter(self.programmed, resources))
        now = timestamp(self.clock.now())
        settings = [obj for obj in self.store.list() if obj.key.kind in SETTINGS]
        with self.store.transaction():
            for obj in settings:
                uses = self._uses.get(obj.key, ())
                if self._too_early(obj, uses):
                    continue
                words = refused.get(obj.key)
                waiting = waiting_for(uses, self._is_acked, at_rest)
                status = with_condition(obj, condition_of(obj, waiting, refused=words), now)
                self.store.put_status(obj.key, status, writer=Writer(name=OWN))

    def holders(self, key: ObjectKey) -> Mapping[str, bool]:
        """The proxies that an object is for, and whether some of it is not acknowledged there yet."""
        return waiting_for(self._uses.get(key, ()), self._is_acked)

    def settings_at(self, proxy: str) -> Mapping[ObjectKey, bool]:
        """The settings a proxy has a use for, and whether it has some of each yet to acknowledge."""
        return {
            key: waiting_for(uses, self._is_acked)[proxy]
            for key, uses in self._uses.items()
            if any(proxy in use.proxies for use in uses)
        }

    def _is_acked(self, proxy: str, type_: ResourceType, resource: Resource) -> bool:
        acked = self.acked(proxy, type_, resource.name)
        return acked is not None and acked.version == resource.version

    def _too_early(self, obj: Obj, uses: Iterable[Use]) -> bool:
        """Whether a proxy has yet to come (back), and what was said of the object still holds."""
        holds = said_of(obj).get("observedGeneration") == obj.meta.generation
        return holds and any(proxy not in self._heard for use in uses for proxy in use.proxies)
