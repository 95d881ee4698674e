"""What kube-proxy does, for pods without an Envoy: a service's address leads to its endpoints in turn.

In: connections redirected inside a pod; protocol.Directory's services.    Out: ServiceTable, `serve_pod`.
Before: node/network.py, node/streams.py        After: node/pods.py
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Sequence

from lateen.node import addresses as at
from lateen.node import streams
from lateen.node.network import socket_in
from lateen.node.protocol import ServiceAddress
from lateen.node.relay import original_destination

MAX_CONNECTIONS = 1024
CONNECT_SECONDS = 5.0

Endpoint = tuple[str, int]


class ServiceTable:
    """All services; each hands out its endpoints in turn."""

    def __init__(self) -> None:
        self._endpoints: dict[Endpoint, tuple[Endpoint, ...]] = {}
        self._turns: dict[Endpoint, int] = {}

    def replace(self, services: Iterable[ServiceAddress]) -> None:
        """Take the place of all services known before; turns are kept."""
        self._endpoints = {(s.address, s.port): s.endpoints for s in services}
        self._turns = {key: turn for key, turn in self._turns.items() if key in self._endpoints}

    def endpoints(self, address: str, port: int) -> Sequence[Endpoint]:
        """The endpoints to try, the one whose turn it is first; none for an unknown service."""
        known = self._endpoints.get((address, port), ())
        if not known:
            return ()
        turn = self._turns.get((address, port), 0)
        self._turns[address, port] = turn + 1
        start = turn % len(known)
        return known[start:] + known[:start]


async def serve_pod(namespace: int, table: ServiceTable) -> asyncio.Server:
    """Listen inside a pod, where its rules lead connections to service addresses."""
    listening = socket_in(namespace)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", at.OUTBOUND_PORT))
    open_now = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        if open_now >= MAX_CONNECTIONS:
            streams.reset(writer)
            return
        open_now += 1
        try:
            target = original_destination(writer.get_extra_info("socket"))
            endpoint = await _connect(namespace, table.endpoints(*target))
            if endpoint is None:
                streams.reset(writer)
            else:
                await streams.join((reader, writer), endpoint)
        except OSError:
            streams.reset(writer)
        finally:
            open_now -= 1

    return await asyncio.start_server(streams.held(serve), sock=listening, limit=streams.CHUNK)


async def _connect(
    namespace: int, endpoints: Sequence[Endpoint]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    for endpoint in endpoints:
        connection = socket_in(namespace)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, endpoint)
            return await asyncio.open_connection(sock=connection, limit=streams.CHUNK)
        connection.close()
    return None
