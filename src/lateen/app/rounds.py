"""One round: bring what proxies, node and border should have up to what the store says.

In: events of the store, the stages.    Out: snapshots, the node's directory, the border's plan.
Before: app/control.py                  After: stages/planning.py, stages/moving.py, xds/server.py
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey, Origin
from lateen.envoy.border import emit_border
from lateen.envoy.names import BORDER_NODE
from lateen.node.protocol import Directory
from lateen.stages.attesting import Attesting
from lateen.stages.bootstrapping import Bootstraps
from lateen.stages.bordering import Bordering
from lateen.stages.editions import Traffic
from lateen.stages.exposing import expose
from lateen.stages.moving import Moves, Moving, moved_directory
from lateen.stages.openings import openings
from lateen.stages.planning import Planned, Planning, directory_of
from lateen.stages.programming import Programming
from lateen.stages.quarantining import Quarantine
from lateen.stages.rerouting import Rerouting
from lateen.stages.running import Running
from lateen.stages.securing import Securing
from lateen.store.interface import Event, Store
from lateen.world.needs import Needs
from lateen.xds.server import Ads


@dataclass(kw_only=True)
class Rounds:
    """What has changed since the last round, and the stages a round goes through."""

    store: Store
    ads: Ads
    planning: Planning
    securing: Securing
    attesting: Attesting
    origin_of: Callable[[ObjectKey], Origin]
    quarantine: Quarantine
    programming: Programming
    running: Running
    bootstraps: Bootstraps
    bordering: Bordering
    ports: Callable[[], Mapping[int, int]]
    closed: Callable[[], Iterable[int]]  # ports of the host that could not be opened
    needs: Callable[[], Needs] = dict  # what workloads are said to call
    due: bool = True  # whether what proxies should run may be out of date
    done: int = 0  # how many there have been
    _traffic: Traffic = field(default_factory=Traffic)
    _moves: Moves = field(default_factory=Moves)
    _moving: Moving = field(init=False)
    _rerouting: Rerouting = field(init=False)
    _directory: Directory = field(default_factory=Directory)

    def __post_init__(self) -> None:
        self._moving = Moving(planning=self.planning)
        self._rerouting = Rerouting(planning=self.planning)

    def note(self, event: Event) -> None:
        """Take in a change of the store."""
        if self._traffic.changes(event):
            self.due = True
            self._moves.note(event)

    def plan_anew(self) -> None:
        """Let the next round look at everything."""
        self.due = self._moves.beyond = True

    def step(self) -> None:
        """Go through the stages."""
        self.done += 1
        only_moved = False
        if self.due:
            self.due = False
            latest, rules = self.planning.latest, self._moves.rules
            services = self._moves.take(latest.world if latest else None)
            short = services is not None and self._move(services)
            if not short or (rules and not self._reroute()):
                self._plan()
            only_moved = short and not rules
            self.ads.tell_grpc()
        if (planned := self.planning.latest) and not only_moved:
            expose(self.store, openings(planned), ports=self.ports(), closed=self.closed())
        self.running.step()

    def _move(self, services: frozenset[tuple[str, str]]) -> bool:
        """Take the short way, if it leads there: the doors for clients of the host stay as they are."""
        if not services:
            return True
        planned = self._moving.step(services, self._slices)
        if planned is None:
            return False
        self.quarantine.moved(planned.resources)
        self._directory, others = moved_directory(self._directory, planned.world, services)
        self.running.put_moved(self._directory, others)
        return True

    def _reroute(self) -> bool:
        """Take the short way of rules, if it leads there."""
        planned = self._rerouting.step(self.store.list(), self.quarantine.keys())
        if planned is None:
            return False
        self.securing.put(planned.plans.values(), planned.resources)
        self.quarantine.made(planned.resources)
        self.programming.look()
        return True

    def _plan(self) -> None:
        # What is made here stays for long and has no cycles: looking through it for some, now and
        # again with every quarter that comes on top, would cost more than all of the rest.
        gc.disable()
        try:
            self._plan_all()
        finally:
            gc.freeze()
            gc.enable()

    def _plan_all(self) -> None:
        planned = self.planning.step(self.store.list(), self.quarantine.keys(), self.needs())
        self.securing.put(planned.plans.values(), planned.resources)
        self.securing.follow(planned.world, self.origin_of)
        self.quarantine.made(planned.resources)
        self.programming.look()
        self._tell(directory_of(planned.world))
        self.bootstraps.keep_only(planned.world)
        self.attesting.put(self.store.list(group="", kind="Pod"), planned.world)
        self._open(planned)

    def _open(self, planned: Planned) -> None:
        """Let the border lead to the gateways there are."""
        self.ads.put(BORDER_NODE, emit_border(self.bordering.step(planned, self.ports())))

    def _tell(self, directory: Directory) -> None:
        self._directory = directory
        self.running.put_directory(directory)

    def _slices(self, namespace: str) -> Iterable[Obj]:
        return self.store.list(group="discovery.k8s.io", kind="EndpointSlice", namespace=namespace)
