"""Serve the real console over the made-up mesh: `python -m tests.console.madeup.serving [SERVICES CALLS]`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from lateen.console.listening import console_listener
from tests.console.madeup.answers import deps_of
from tests.console.madeup.objects import store_of
from tests.console.madeup.observer import observer_of
from tests.console.madeup.shape import Shape, many, shop

TOKEN = "made-up"


@asynccontextmanager
async def serving(shape: Shape, port: int = 0) -> AsyncIterator[str]:
    """The console's address, with its token, while the context is open."""
    with tempfile.TemporaryDirectory(prefix="lt") as folder:
        socket = Path(folder) / "observe.sock"
        runner = web.AppRunner(observer_of(shape, time.time), access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        store = store_of(shape)
        deps = deps_of(shape, store, time.time)
        try:
            async with console_listener(port, TOKEN, socket)(store, deps) as url:
                yield url
        finally:
            await runner.cleanup()


async def _main(words: list[str]) -> None:
    shape = many(int(words[0]), int(words[1])) if words else shop()
    async with serving(shape) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
