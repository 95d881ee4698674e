"""Serve the console on loopback, for whoever builds the control plane.

In: a port, a token, the observer's socket.    Out: Listener, a callable that is given the store and ApiDeps.
Before: console/page.py    After: whoever starts the control plane hands it to app/
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from aiohttp import web

from lateen.apiserver.deps import ApiDeps, Objects
from lateen.base.errors import EnvironmentFault
from lateen.console.page import make_console

LOOPBACK = "127.0.0.1"
CLOSE_PATIENCE = 1.0  # seconds an open request may go on once the console closes

Listener = Callable[[Objects, ApiDeps], AbstractAsyncContextManager[str]]


def console_listener(port: int, token: str, observer: Path) -> Listener:
    """A listener on that port (0: a free one); its context gives the address with the token.

    `observer` is the socket of the observer.
    """

    @asynccontextmanager
    async def listening(store: Objects, deps: ApiDeps) -> AsyncIterator[str]:
        app = make_console(token, store, deps, observer)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=CLOSE_PATIENCE, handler_cancellation=True
        )
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, LOOPBACK, port).start()
            except OSError as fault:
                raise EnvironmentFault(
                    f"port {port} of {LOOPBACK}, for the console, cannot be used: {fault.strerror}"
                ) from fault
            yield f"http://{LOOPBACK}:{runner.addresses[0][1]}/?token={token}"
        finally:
            await runner.cleanup()

    return listening
