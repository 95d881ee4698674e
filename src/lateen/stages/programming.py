"""Say on each of Istio's settings whether the proxies run it: the condition `Programmed`.

In: what each proxy should have, what it acknowledged, objects set aside.    Out: statuses in the store.
Before: stages/planning.py, xds/ledger.py, stages/quarantining.py            After: apiserver/

The status is also what a new control plane remembers: what was programmed is known to be good, and
what was refused stays out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lateen.api.objects import Obj
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import OWN
from lateen.cluster.statuses import timestamp
from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.stages.editions import SETTINGS, Edition, edition_of
from lateen.store.interface import Store, Writer
from lateen.xds.events import Acked, Event, Kept, Nacked

PROGRAMMED = "Programmed"  # the condition's type, and its reason when it is True
PENDING = "Pending"
REFUSED = "RefusedByProxy"
GATHER = 0.1  # seconds in which what proxies say is gathered into one look at the statuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One resource of one proxy, in which an object has a part."""

    proxy: str
    type: ResourceType
    name: str
    version: str


def uses_of(resources: Mapping[str, Resources]) -> Mapping[ObjectKey, tuple[Use, ...]]:
    """Where each of Istio's settings ends up."""
    uses: dict[ObjectKey, list[Use]] = {}
    for proxy, some in resources.items():
        for type_, resource in _each(some):
            for key in resource.origins:
                if key.kind in SETTINGS:
                    use = Use(proxy=proxy, type=type_, name=resource.name, version=resource.version)
                    uses.setdefault(key, []).append(use)
    return {key: tuple(some) for key, some in uses.items()}


def _each(resources: Resources) -> Iterator[tuple[ResourceType, Resource]]:
    for type_, by_name in resources.items():
        for resource in by_name.values():
            yield type_, resource


def condition_of(
    obj: Obj, uses: Iterable[Use], *, acked: Callable[[Use], bool], refused: str | None
) -> dict[str, Any]:
    """The condition `Programmed`, without a time. `refused`: Envoy's words, if it is set aside."""
    waiting: dict[str, bool] = {}
    for use in uses:
        waiting[use.proxy] = waiting.get(use.proxy, False) or not acked(use)
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
    ended: bool = False  # proxies go because everything ends; what was said of the objects stays
    _due: asyncio.Event = field(default_factory=asyncio.Event)
    _uses: Mapping[ObjectKey, tuple[Use, ...]] = field(default_factory=dict)
    _uses_of: Mapping[str, Resources] | None = None
    _heard: set[str] = field(default_factory=set)

    def hear(self, event: Event) -> None:
        """Look again when a proxy has answered."""
        if isinstance(event, Acked | Kept | Nacked):
            self._heard.add(event.proxy)
            self.look()

    def look(self) -> None:
        """Look at the statuses soon."""
        self._due.set()

    async def programming(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._due.wait()
            await self.clock.sleep(GATHER)
            self._due.clear()
            self.step()

    def step(self) -> None:
        """Write the statuses that are not true any more."""
        if self.ended:
            return
        resources = self.resources()
        if self._uses_of is not resources:
            self._uses, self._uses_of = uses_of(resources), resources
        refused = self.refused()
        now = timestamp(self.clock.now())
        settings = [obj for obj in self.store.list() if obj.key.kind in SETTINGS]
        with self.store.transaction():
            for obj in settings:
                uses = self._uses.get(obj.key, ())
                if self._too_early(obj, uses):
                    continue
                words = refused.get(obj.key)
                condition = condition_of(obj, uses, acked=self._is_acked, refused=words)
                status = with_condition(obj, condition, now)
                self.store.put_status(obj.key, status, writer=Writer(name=OWN))

    def _is_acked(self, use: Use) -> bool:
        acked = self.acked(use.proxy, use.type, use.name)
        return acked is not None and acked.version == use.version

    def _too_early(self, obj: Obj, uses: Iterable[Use]) -> bool:
        """Whether a proxy has yet to come (back), and what was said of the object still holds."""
        holds = said_of(obj).get("observedGeneration") == obj.meta.generation
        return holds and any(use.proxy not in self._heard for use in uses)
