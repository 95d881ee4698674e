"""Talk to a pod's Envoy through its admin socket.

In: RUN/p/SLOT/admin.sock.    Out: `is_live`, `fail_health_checks`.
Before: -       After: node/pods.py

Source: https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

from __future__ import annotations

import asyncio
from pathlib import Path

_ANSWER_SECONDS = 1.0
_MAX_STATUS_LINE = 4096


async def is_live(admin: Path) -> bool:
    """Whether Envoy has its first configuration and takes connections."""
    return await _status(admin, "GET", "/ready") == 200


async def fail_health_checks(admin: Path) -> None:
    """Have Envoy tell its peers to take their connections elsewhere; what is in flight goes on."""
    await _status(admin, "POST", "/healthcheck/fail")


async def _status(admin: Path, method: str, path: str) -> int:
    """The status of the answer; 0 when there is none."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(admin), limit=_MAX_STATUS_LINE)
            try:
                head = f"{method} {path} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode())
                line = await reader.readline()
                return int(line.split(b" ", 2)[1])
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError, IndexError):
        return 0
