"""Open the API and the console on loopback, and say where they answer.

In: Settings, the store, ApiDeps.    Out: the ports taken, RUN/kubeconfig, the console's address.
Before: app/access.py     After: apiserver/serving.py, console/listening.py
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from lateen.apiserver.accounttokens import AccountKey
from lateen.apiserver.app import make_app
from lateen.apiserver.deps import ApiDeps
from lateen.apiserver.kubeconfig import kubeconfig, write_kubeconfig
from lateen.apiserver.serving import TlsListener, serving
from lateen.app.access import Access, open_access
from lateen.app.clients import Clients, open_clients
from lateen.app.settings import Settings
from lateen.base import layout
from lateen.base.clock import Clock
from lateen.cluster.roles import provide_roles
from lateen.store.interface import Store

Listener = Callable[[Store, ApiDeps], AbstractAsyncContextManager[str]]
# of a port (0: a free one), a token, and the observer's socket
MakeConsole = Callable[[int, str, Path], Listener]


class Opened(Struct, frozen=True, kw_only=True):
    """Where they answer. A control plane that comes back takes the same ports.

    `authority` is the PEM by which a client, in a pod too, knows the API.
    """

    api_port: int
    authority: str
    console_port: int = 0
    console: str = ""  # its address with the token; empty without a console


@asynccontextmanager
async def opened(
    settings: Settings, *, store: Store, deps: ApiDeps, clock: Clock, console: MakeConsole | None
) -> AsyncIterator[Opened]:
    """Serve while the context is open; raises EnvironmentFault when a port is taken."""
    access = open_access(settings.state_dir / "access", clock)
    clients = open_clients(settings.state_dir / "access", clock)
    provide_roles(store)
    key = AccountKey.open(settings.state_dir / "access" / "serviceaccounts.key")
    app = make_app(store, deps, token=access.api_token, key=key, clock=clock)
    tls = TlsListener(
        port=settings.api_port,
        certificate=access.certificate,
        key=access.key,
        client_ca=clients.authority,
        pods=layout.pods_api_socket(settings.run_dir),
    )
    async with AsyncExitStack() as stack:
        serve = serving(app, unix=settings.api_socket, tls=tls)
        port = await stack.enter_async_context(serve)
        _say_where(settings, port, access, clients)
        if console is None:
            yield Opened(api_port=port, authority=access.certificate)
            return
        observer = layout.observe_socket(settings.run_dir)
        listener = console(settings.console_port, access.console_token, observer)
        url = await stack.enter_async_context(listener(store, deps))
        yield Opened(
            api_port=port,
            authority=access.certificate,
            console_port=urlsplit(url).port or 0,
            console=url,
        )


def _say_where(settings: Settings, port: int, access: Access, clients: Clients) -> None:
    tree = kubeconfig(
        name=settings.name,
        port=port,
        ca_pem=access.certificate,
        certificate=clients.certificate,
        key=clients.key,
    )
    write_kubeconfig(settings.run_dir / "kubeconfig", tree)
