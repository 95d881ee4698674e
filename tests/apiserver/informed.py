"""A served API whose connections can be cut, and changes to be told of.

In: -    Out: `informed_api`; InformedApi with `make_changes`, `change_behind_their_backs`.
Before: apiserver/serving.py        After: tests/apiserver/test_informers.py
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from lateen.apiserver.app import Handler, make_app
from lateen.apiserver.kubeconfig import kubeconfig, write_kubeconfig
from lateen.apiserver.serving import TlsListener, serving
from lateen.base.origin import ObjectKey
from lateen.store.memory import MemoryStore
from tests.apiserver.certificates import self_signed
from tests.apiserver.serve import TOKEN
from tests.apiserver.world import config_map, deps_for, namespace

HISTORY = 1_200  # revisions a watch may lag behind, or somewhat more
Told = tuple[str, str, int]  # ADDED, MODIFIED or DELETED, a name, a revision
_NAMES = 60


@dataclass
class Cutter:
    """A way to a port through which connections can be cut, or none let through for a while."""

    port: int
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    closed: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        there, to = await asyncio.open_connection("127.0.0.1", self.port)
        self.open |= {writer, to}
        with suppress(OSError):
            await asyncio.gather(_copy(reader, to), _copy(there, writer))
        for one in (writer, to):
            one.transport.abort()
        self.open -= {writer, to}

    def cut(self) -> None:
        """Break every connection, in the midst of whatever is on its way."""
        for writer in self.open:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(777):  # odd pieces, so that a cut falls into a line
        writer.write(data)
        await writer.drain()
    writer.close()


@dataclass
class InformedApi:
    """The API, and all that was changed in it."""

    store: MemoryStore
    kubeconfig: Path
    cutter: Cutter
    changes: list[Told] = field(default_factory=list)
    lists: int = 0  # how often the whole collection was asked for
    _random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - no secret

    def change(self) -> None:
        """Make, change or delete one of the ConfigMaps."""
        name = f"map-{self._random.randrange(_NAMES)}"
        key = ObjectKey(group="", kind="ConfigMap", namespace="default", name=name)
        known = self.store.get(key)
        if known is not None and self._random.random() < 0.3:
            self.store.delete(key)
            self.changes.append(("DELETED", name, self.store.revision))
            return
        made = self.store.put(config_map(name, n=str(len(self.changes)), text="x" * 200))
        self.changes.append(("ADDED" if known is None else "MODIFIED", name, made.revision))

    @property
    def objects(self) -> dict[str, str]:
        """The revision of each ConfigMap there is."""
        maps = self.store.list(group="", kind="ConfigMap")
        return {obj.key.name: str(obj.revision) for obj in maps}

    async def make_changes(self, count: int, *, cut_every: int = 0) -> None:
        """Make so many, letting others at it in between; cut all connections now and then."""
        for number in range(1, count + 1):
            self.change()
            if number % 5 == 0:
                await asyncio.sleep(0)
            if cut_every and number % cut_every == 0:
                self.cutter.cut()

    async def change_behind_their_backs(self, count: int) -> None:
        """Let nobody in for so long that who comes back has missed more than is remembered."""
        self.cutter.closed = True
        self.cutter.cut()
        await self.make_changes(count)
        self.cutter.closed = False


@asynccontextmanager
async def informed_api(folder: Path) -> AsyncIterator[InformedApi]:
    """Serve an API over TLS, reached through a Cutter by the kubeconfig."""
    certificate, key = self_signed()
    store = MemoryStore(history=HISTORY)
    store.put(namespace("default"))
    app = make_app(store, deps_for(store), token=TOKEN)
    made: list[InformedApi] = []

    @web.middleware
    async def counting(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith("/configmaps") and "watch" not in request.query:
            made[0].lists += 1
        return await handler(request)

    app.middlewares.append(counting)
    tls = TlsListener(port=0, certificate=certificate, key=key)
    async with serving(app, unix=folder / "api.sock", tls=tls) as port:
        cutter = Cutter(port)
        server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
        async with server:
            at = server.sockets[0].getsockname()[1]
            config = kubeconfig(name="informed", port=at, ca_pem=certificate, token=TOKEN)
            write_kubeconfig(folder / "kubeconfig", config)
            config_at = folder / "kubeconfig"
            made.append(InformedApi(store=store, kubeconfig=config_at, cutter=cutter))
            yield made[0]
            cutter.closed = True
            cutter.cut()
