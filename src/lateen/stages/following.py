"""Read the files again whenever they, or the paths to read, have changed.

In: paths, changes on disk.    Out: calls of `read`.
Before: sources/watching.py        After: stages/sourcing.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lateen.sources.watching import watching


@dataclass(kw_only=True)
class Following:
    """The watch over the sources of one mesh."""

    paths: Callable[[], Sequence[str]]
    read: Callable[[], object]
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def look_elsewhere(self) -> None:
        """The paths are others now (and have been read)."""
        self._moved.set()

    async def following(self) -> None:
        """Read at once, and then at every change, until cancelled."""
        self.read()
        while True:
            self._moved.clear()
            # Also once when the watch stands: what changed before it did was seen by nobody.
            async for _ in watching(self.paths(), stop=self._moved):
                self.read()
            # Standard input alone, or what is gone, has nothing to watch.
            await self._moved.wait()
