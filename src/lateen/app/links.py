"""Speak with the node agent over the socket pair it was started with.

In: the agent's lines.    Out: names resolved on the host; what the agent cannot go on without.
Before: app/supervising.py      After: node/link.py

JSON lines. The agent says {"ready": true}, {"fatal": why}, or asks {"resolve": name, "id": n}; it is
answered {"id": n, "addresses": [...]} or, where the host's resolver failed, {"id": n, "error": why}.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

from lateen.base.tasks import named

NAMES_AT_ONCE = 64
_NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA)


async def serve_link(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    on_ready: Callable[[], None],
    on_fatal: Callable[[str], None],
) -> None:
    """Serve until the agent closes its end."""
    gate = asyncio.Semaphore(NAMES_AT_ONCE)
    under_way: set[asyncio.Task[None]] = set()

    async def answer(number: object, name: str) -> None:
        async with gate:
            found = await resolve(name)
        writer.write(json.dumps({"id": number, **found}).encode() + b"\n")

    while line := await reader.readline():
        said = json.loads(line)
        if "ready" in said:
            on_ready()
        elif "fatal" in said:
            on_fatal(str(said["fatal"]))
        elif "resolve" in said:
            task = named("resolve", answer(said.get("id"), str(said["resolve"])))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


async def resolve(name: str) -> dict[str, Any]:
    """The IPv4 addresses of a name, by the host's own resolver; none if there is no such name."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except socket.gaierror as fault:
        if fault.errno in _NO_SUCH_NAME:
            return {"addresses": []}
        return {"error": fault.strerror or "the host's resolver failed"}
    except (OSError, UnicodeError) as fault:
        return {"error": str(fault)}
    return {"addresses": sorted({str(entry[4][0]) for entry in found})}
