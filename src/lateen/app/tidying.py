"""Look for garbage among what has become old when nobody waits for anything.

In: how much has been done so far, a clock.    Out: the collections of Python's oldest generation.
Before: app/control.py                         After: -

By itself Python looks through all that is old whenever enough has come to it, in the midst of what made it:
with a thousand proxies a change then waits for 0.1 to 0.3 s. What is young is looked through as ever.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

from lateen.base.clock import Clock

LOOK_EVERY = 1.0  # seconds; without anything done from one look to the next, nobody waits
ENOUGH = 10  # collections of the middle generation, each of which has left something to the oldest
AT_LATEST = 60.0  # seconds for which that is put off when there is always something to do
ALL_EVERY = 600.0  # seconds; until then what has survived once is not looked at again
ALL_AT_LATEST = 1200.0
_NEVER = 1_000_000_000


@dataclass(kw_only=True)
class Tidying:
    """When to collect. What survives is not looked at again, but for now and then."""

    clock: Clock
    done: Callable[[], int]  # a number that grows with all that is done
    _done: int = 0
    _seen: int = 0  # what had been done when all was looked through
    _last: float = 0.0
    _last_of_all: float = 0.0

    async def tidying(self) -> None:
        """Go on until cancelled."""
        young, middle, old = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        try:
            self._collect()  # what start-up made stays
            self._last = self._last_of_all = self.clock.monotonic()
            while True:
                await self.clock.sleep(LOOK_EVERY)
                self._look()
        finally:
            gc.set_threshold(young, middle, old)

    def _look(self) -> None:
        before, self._done = self._done, self.done()
        now = self.clock.monotonic()
        at_rest = self._done == before
        since = now - self._last_of_all
        if self._done != self._seen and since >= (ALL_EVERY if at_rest else ALL_AT_LATEST):
            self._seen, self._last, self._last_of_all = self._done, now, now
            gc.unfreeze()
            self._collect()
        elif gc.get_count()[2] >= ENOUGH and (at_rest or now - self._last >= AT_LATEST):
            self._last = now
            self._collect()

    def _collect(self) -> None:
        gc.collect()
        gc.freeze()
