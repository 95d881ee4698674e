"""An API over a store on disk in a process of its own, to be killed: `python -m tests.apiserver.served FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lateen.apiserver.app import make_app
from lateen.apiserver.serving import serving
from lateen.store.sqlite import SqliteStore
from tests.apiserver.world import deps_for, namespace


async def serve(folder: Path) -> None:
    """Serve on FOLDER/api.sock until killed; says `ready` once."""
    store = SqliteStore.open(folder / "store.db")
    if not store.revision:
        store.put(namespace("default"))
    async with serving(make_app(store, deps_for(store)), unix=folder / "api.sock"):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
