"""Tell when a file that images are built from has changed.

In: build folders.    Out: a stream of sets of changed paths.
Before: build/tree.py        After: stages/building.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from watchfiles import DefaultFilter, awatch

from lateen.build.tree import MADE

log = logging.getLogger(__name__)
DEBOUNCE_MS = 300  # an editor, git or a formatter writes several files in one go
_STEP_MS = 50


async def source_changes(
    folders: Collection[Path], *, stop: asyncio.Event
) -> AsyncIterator[frozenset[Path]]:
    """Yield what was changed below the folders, until `stop` is set; what tools make does not count.

    Ends at once, with a warning in the log, where the kernel's watches do not suffice.
    """
    changes = awatch(
        *folders,
        watch_filter=DefaultFilter(ignore_dirs=tuple(MADE)),
        debounce=DEBOUNCE_MS,
        step=_STEP_MS,
        stop_event=stop,
    )
    try:
        async for some in changes:
            yield frozenset(Path(path) for _, path in some)
    except OSError as fault:
        log.warning("sources are not watched: %s", fault)
        await stop.wait()
