"""Ask an Envoy over its admin socket.

In: the socket's path and a request path.    Out: the answer's text.
Before: -        After: telemetry/collecting.py, stages/tracing.py, app/reporting.py
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from pathlib import Path

from lateen.base.errors import Unreachable

PATIENCE = 5.0  # seconds for the whole answer
LARGEST = 64 * 1024 * 1024  # bytes


async def ask_admin(
    socket: Path, path: str, *, patience: float = PATIENCE, largest: int = LARGEST
) -> str:
    """GET the path; raises Unreachable when there is no good answer within `patience` seconds."""
    return await _said("GET", socket, path, patience, largest)


async def tell_admin(socket: Path, path: str, *, patience: float = PATIENCE) -> None:
    """POST the path, which changes something; raises Unreachable as `ask_admin`."""
    await _said("POST", socket, path, patience, LARGEST)


async def _said(method: str, socket: Path, path: str, patience: float, largest: int) -> str:
    import aiohttp

    limit = aiohttp.ClientTimeout(total=patience)
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=str(socket)), timeout=limit
            ) as session,
            session.request(method, f"http://envoy{path}") as answer,
        ):
            if answer.status != 200:
                raise Unreachable(f"{socket}: {path} answered {answer.status}")
            return await _text(answer.content.iter_chunked(64 * 1024), socket, largest)
    except (aiohttp.ClientError, OSError) as fault:
        raise Unreachable(f"{socket}: {str(fault) or 'no answer'}") from None


async def _text(content: AsyncIterable[bytes], socket: Path, largest: int) -> str:
    parts = []
    left = largest
    async for part in content:
        left -= len(part)
        if left < 0:
            raise Unreachable(f"{socket}: the answer is larger than {largest} bytes")
        parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")
