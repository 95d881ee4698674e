"""Wake the controllers at each change of the store, and when their time has come.

In: a store and its changes.    Out: the store, kept settled.
Before: cluster/controlling.py        After: app/control.py
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from lateen.base.clock import Clock
from lateen.base.errors import Expired
from lateen.base.locality import NOWHERE, Locality
from lateen.base.tasks import named
from lateen.cluster.controlling import Controllers
from lateen.cluster.nodes import this_machine
from lateen.cluster.performing import Changed, changed_by
from lateen.store.interface import Store, Watch


async def controlling(
    store: Store,
    clock: Clock,
    volumes: str = "",
    nodes: tuple[Locality, ...] = (NOWHERE,),
    authority: str = "",
) -> None:
    """Keep the store settled, until cancelled.

    `volumes` is the folder for claims, `nodes` their places, `authority` the PEM by which pods know the API.
    """
    controllers = Controllers(
        store=store,
        clock=clock,
        volumes=volumes,
        authority=authority,
        machine=this_machine(nodes),
    )
    while True:
        async with store.watch() as watch:
            heard = _Heard(clock=clock)
            heard.look_again(controllers.settle())
            hearing = named("controlling: changes", heard.hear(watch))
            try:
                while not heard.behind:
                    await heard.wait()
                    heard.look_again(controllers.settle(heard.take()))
            finally:
                hearing.cancel()


@dataclass(kw_only=True)
class _Heard:
    """The changes since the controllers last looked, and when to look again without any."""

    clock: Clock
    behind: bool = False
    _deadline: float | None = None
    _changed: Changed = field(default_factory=Changed)
    _some: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, watch: Watch) -> None:
        """Note every change; `behind` when some were missed."""
        try:
            async for event in watch:
                self._changed |= changed_by(event)
                self._some.set()
        except Expired:
            self.behind = True
            self._some.set()

    def look_again(self, after: float | None) -> None:
        """Be woken after so many seconds at the latest."""
        if after is not None:
            deadline = self.clock.monotonic() + after
            self._deadline = min(deadline, self._deadline or deadline)

    async def wait(self) -> None:
        """Return at the first change, or when the time has come."""
        waits: list[asyncio.Task[object]] = [named("controlling: a change", self._some.wait())]
        if self._deadline is not None:
            seconds = max(0.0, self._deadline - self.clock.monotonic())
            waits.append(named("controlling: time", self.clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    def take(self) -> Changed | None:
        """What changed; None, which means all, when the time has come."""
        taken, self._changed = self._changed, Changed()
        self._some.clear()
        if self._deadline is not None and self.clock.monotonic() >= self._deadline:
            self._deadline = None
            return None
        return taken
