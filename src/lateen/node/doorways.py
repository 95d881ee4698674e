"""The way in from the host for Services that are there for its clients: a Unix socket for each port.

In: protocol.Directory's services, ServiceTable.    Out: Doorways.
Before: node/serviceproxy.py                        After: node/agent.py

The border listens on the host and dials here. A connection goes on from the node's own address, as from a
node of a cluster, to an endpoint of the Service; no proxy speaks for the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable

from lateen.base import layout
from lateen.base.tasks import named
from lateen.node import streams
from lateen.node.addresses import SandboxPaths
from lateen.node.protocol import ServiceAddress
from lateen.node.serviceproxy import Endpoint, ServiceTable, connect

CLIENT = "127.0.0.1"  # to a Service all of the host is one client
MAX_CONNECTIONS = 4096


class Doorways:
    """The sockets that are open; `keep` says which should be."""

    def __init__(self, paths: SandboxPaths, table: ServiceTable) -> None:
        self._run = paths.run
        self._table = table
        self._open: dict[Endpoint, asyncio.Server] = {}
        self._wanted: frozenset[Endpoint] = frozenset()
        self._changing: asyncio.Task[None] | None = None
        self._connections = 0

    def keep(self, services: Iterable[ServiceAddress]) -> None:
        """Have a socket for each of these Services' ports that is for the host's clients, no other."""
        self._wanted = frozenset((s.address, s.port) for s in services if s.outside)
        if self._changing is None or self._changing.done():
            self._changing = named("doorways", self._change())

    async def _change(self) -> None:
        while self._wanted != self._open.keys():
            for gone in self._open.keys() - self._wanted:
                self._open.pop(gone).close()
                layout.service_socket(self._run, *gone).unlink(missing_ok=True)
            for new in self._wanted - self._open.keys():
                self._open[new] = await self._listen(new)

    async def _listen(self, target: Endpoint) -> asyncio.Server:
        path = layout.service_socket(self._run, *target)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(target, reader, writer)

        server = await asyncio.start_unix_server(
            streams.held(serve), path=str(path), limit=streams.CHUNK, backlog=512
        )
        path.chmod(0o600)
        return server

    async def _serve(
        self, target: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._connections >= MAX_CONNECTIONS:
            streams.reset(writer)
            return
        self._connections += 1
        try:
            found = await connect(self._table.endpoints(*target, CLIENT), _own_socket)
            if found is None:
                streams.reset(writer)
            else:
                await streams.join((reader, writer), found)
        except OSError:
            streams.reset(writer)
        finally:
            self._connections -= 1


def _own_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    with contextlib.suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
