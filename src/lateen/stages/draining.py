"""End all pods, for `down` and Ctrl-C; and tell when every proxy knows what has changed.

In: the store, the ledger.    Out: pods marked as ending; whether all have acknowledged.
Before: app/control.py        After: stages/running.py
"""

from __future__ import annotations

from collections.abc import Callable

from lateen.base.clock import Clock
from lateen.cluster.deletion import delete_object
from lateen.cluster.pods import pod_of
from lateen.store.interface import Store
from lateen.xds.ledger import Ledger

DOWN_GRACE = 5  # seconds at most between TERM and KILL when everything ends
LOOK = 0.02  # seconds between looks


def end_all_pods(store: Store, clock: Clock) -> None:
    """Ask each to end, with its own grace where that is shorter than DOWN_GRACE."""
    with store.transaction():
        for obj in store.list(group="", kind="Pod"):
            grace = min(DOWN_GRACE, pod_of(obj).spec.termination_grace_period_seconds)
            delete_object(store, obj.key, clock, grace=grace)


async def within(seconds: float, clock: Clock, what: Callable[[], bool]) -> bool:
    """Whether it comes true in that time."""
    deadline = clock.monotonic() + seconds
    while not (true := what()) and clock.monotonic() < deadline:
        await clock.sleep(LOOK)
    return true


def all_programmed(ledger: Ledger) -> bool:
    """Whether every connected proxy has acknowledged the newest plan."""
    states = ledger.states()
    return all(state.programmed for state in states if state.connected_since is not None)
