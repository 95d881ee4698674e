"""A store that forgets everything at its end; the twin of store/sqlite.py, for tests and `explain`.

In: -    Out: MemoryStore.
Before: store/core.py        After: cluster/, cli/
"""

from __future__ import annotations

from collections.abc import Callable

from lateen.base.clock import Clock
from lateen.store.core import Batch, Loaded, ObjectStore, new_uid
from lateen.store.interface import Event, NoteManagers
from lateen.store.watching import HISTORY


class _Nowhere:
    """A persistence that keeps nothing."""

    def load(self) -> Loaded:
        return Loaded()

    def history(self) -> tuple[Event, ...]:
        return ()

    def commit(self, batch: Batch) -> None:
        del batch

    def close(self) -> None:
        return


class MemoryStore(ObjectStore):
    """Objects in this process's memory only."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        make_uid: Callable[[], str] = new_uid,
        history: int = HISTORY,
        note: NoteManagers | None = None,
    ) -> None:
        super().__init__(_Nowhere(), clock=clock, make_uid=make_uid, history=history, note=note)
