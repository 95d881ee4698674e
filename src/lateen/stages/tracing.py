"""Tell busy proxies to begin fewer traces, and quiet ones to begin all.

In: Shares, the Envoys' admin sockets.    Out: Envoys that draw lots with another percentage.
Before: telemetry/traces/shares.py        After: app/observedtraces.py
Source: Envoy's runtime, `tracing.random_sampling`; POST /runtime_modify.

It goes past the control plane: nothing that was configured changes, and an Envoy that starts anew begins all again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from lateen.base.clock import Clock
from lateen.base.errors import Unreachable
from lateen.telemetry.admin import tell_admin
from lateen.telemetry.traces.shares import ALL, ProxyName, Shares

EVERY = 1.0  # seconds
AT_ONCE = 8
PATIENCE = 2.0  # seconds
PATH = "/runtime_modify?tracing.random_sampling="  # and a percentage; without one, as it was configured
log = logging.getLogger(__name__)

Sockets = Callable[[], dict[ProxyName, Path]]
"""The admin socket of each proxy there is."""
Tell = Callable[[Path, str], Awaitable[None]]


async def tell(socket: Path, path: str) -> None:
    """POST to one proxy."""
    await tell_admin(socket, path, patience=PATIENCE)


async def sharing(shares: Shares, sockets: Sockets, clock: Clock, tell: Tell = tell) -> None:
    """Look each second, until cancelled."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(who: ProxyName, socket: Path, share: int) -> None:
        async with slots:
            try:
                await tell(socket, PATH + (str(share) if share < ALL else ""))
                log.debug("%s/%s begins traces of %d %% of its requests", *who, share)
            except Unreachable:  # it has just ended, or will be told when it is seen again
                shares.untold(who)

    while True:
        await clock.sleep(EVERY)
        there = sockets()
        changes = shares.changes(there)
        await asyncio.gather(*(one(who, there[who], share) for who, share in changes.items()))
