"""A source that changes is told, what tools make beside it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from lateen.build.watching import source_changes


async def written_until_seen(
    changes: AsyncIterator[frozenset[Path]], *files: Path
) -> frozenset[Path]:
    """Write to the files until the watch, which begins at some moment, has seen something."""
    seen = asyncio.ensure_future(anext(changes))
    count = 0
    while not seen.done():
        count += 1
        for file in files:
            file.write_text(str(count))
        await asyncio.wait([seen], timeout=0.5)
    return seen.result()


def test_a_changed_file_is_told_and_what_tools_make_is_not(tmp_path: Path) -> None:
    made, source = tmp_path / "node_modules" / "a.js", tmp_path / "src" / "app.js"
    made.parent.mkdir()
    source.parent.mkdir()

    async def seen() -> frozenset[Path]:
        stop = asyncio.Event()
        changes = source_changes([tmp_path], stop=stop)
        async with asyncio.timeout(20):
            found = await written_until_seen(changes, made, source)
            stop.set()
            return found | {path async for some in changes for path in some}

    assert asyncio.run(seen()) == {source}
