"""Take in what the files say now, and tell when every proxy that it concerns has acknowledged.

In: Sources, the ledger's events, what is set aside.    Out: plain JSON data for `lateen apply` and `up`.
Before: app/control.py, stages/sourcing.py              After: apiserver/deps.py

A proxy is concerned when it was sent something in the time of the change. One that refuses is asked again
without the object at fault, and so acknowledges in the end; the refusal is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

import msgspec

from lateen.apiserver.deps import Sources
from lateen.app.settings import Settings
from lateen.base.clock import Clock
from lateen.envoy.names import BORDER_NODE
from lateen.ir.plan import Proxy
from lateen.stages.draining import all_programmed, within
from lateen.stages.quarantining import Quarantine
from lateen.xds.events import Event, Nacked, Programmed, Pushed
from lateen.xds.ledger import Ledger

REST = 0.05  # seconds without anything to do, after which no more is to come of a change


@dataclass(kw_only=True)
class Heard:
    """What the proxies were sent and said since it began."""

    clock: Clock
    began: float
    refused: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _done: dict[str, float] = field(default_factory=dict)  # seconds until all was acknowledged

    HEARS: ClassVar[tuple[type[Event], ...]] = (Pushed, Programmed, Nacked)

    def hear(self, event: Event) -> None:
        """Take in an event of the ledger."""
        match event:
            case Pushed():
                self._told.add(event.proxy)
                self._done.pop(event.proxy, None)
            case Programmed() if event.proxy in self._told:
                self._done[event.proxy] = self.clock.monotonic() - self.began
            case Nacked():
                self.refused.add(event.proxy)
            case _:
                pass

    def rows(self, proxies: Mapping[str, Proxy]) -> list[dict[str, Any]]:
        """One for each proxy concerned: `seconds` is None while it has not acknowledged all of it."""
        rows = []
        for node in self._told & {*proxies, BORDER_NODE}:
            proxy = proxies.get(node)
            rows.append(
                {
                    "namespace": proxy.namespace if proxy else "",
                    "pod": proxy.pod if proxy else "border",
                    "seconds": self._done.get(node),
                    "refused": node in self.refused,
                }
            )
        return sorted(rows, key=lambda row: (row["namespace"], row["pod"]))


@dataclass(kw_only=True)
class Acknowledging:
    """Waits for the proxies after a change."""

    clock: Clock
    ledger: Ledger
    quarantine: Quarantine
    due: Callable[[], bool]  # whether a round is still to come
    proxies: Callable[[], Mapping[str, Proxy]]  # of the latest plan, by node id

    async def change(self, make: Callable[[], None], seconds: float) -> dict[str, Any]:
        """Make a change; who was concerned, when each acknowledged, whether all did in that time."""
        heard = Heard(clock=self.clock, began=self.clock.monotonic())
        stop = self.ledger.listen(heard.hear, Heard.HEARS)
        try:
            make()
            complete = await self._at_rest(seconds)
        finally:
            stop()
        return {
            "complete": complete and not self.quarantine.unexplained,
            "seconds": self.clock.monotonic() - heard.began,
            "proxies": heard.rows(self.proxies()),
        }

    async def _at_rest(self, seconds: float) -> bool:
        deadline = self.clock.monotonic() + seconds
        while True:
            await self.clock.sleep(REST)  # the store's watchers hear of a change a moment later
            left = deadline - self.clock.monotonic()
            if not await within(left, self.clock, self._settled):
                return False
            await self.clock.sleep(REST)
            if self._settled():
                return True

    def _settled(self) -> bool:
        if self.due() or self.quarantine.undecided:
            return False
        return self.quarantine.unexplained or all_programmed(self.ledger)


def taken_in(settings: Settings, sources: Sources) -> Settings:
    """The settings with what is to run from now on."""
    if not sources.beside:
        return msgspec.structs.replace(
            settings,
            paths=sources.paths,
            stdin=sources.stdin,
            folder=sources.folder,
            namespace=sources.namespace,
        )
    stdin = sources.stdin if "-" in sources.paths else settings.stdin
    return msgspec.structs.replace(
        settings, paths=joined(settings.paths, sources.paths), stdin=stdin
    )


def joined(before: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """The paths of before and those on top that are not below one of them already."""
    new = [
        path
        for path in more
        if path == "-" or not any(PurePath(path).is_relative_to(known) for known in before)
    ]
    return tuple(dict.fromkeys((*before, *new)))
