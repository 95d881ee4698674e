"""What kube-proxy does, for pods without an Envoy: a service's address leads to its endpoints in turn.

In: connections redirected inside a pod; protocol.Directory's services.    Out: ServiceTable, `serve_pod`.
Before: node/network.py, node/streams.py        After: node/pods.py, node/doorways.py
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from lateen.node import addresses as at
from lateen.node import linux, streams
from lateen.node.network import socket_in
from lateen.node.protocol import ServiceAddress
from lateen.node.relay import original_destination

MAX_CONNECTIONS = 1024
MAX_CLIENTS = 16384  # remembered for session affinity
CONNECT_SECONDS = 5.0

Endpoint = tuple[str, int]


class ServiceTable:
    """All services; each hands out its endpoints in turn, or to each client the one it had last."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._services: dict[Endpoint, ServiceAddress] = {}
        self._turns: dict[Endpoint, int] = {}
        self._clients: OrderedDict[tuple[Endpoint, str], tuple[float, Endpoint]] = OrderedDict()

    def replace(self, services: Iterable[ServiceAddress]) -> None:
        """Take the place of all services known before; turns are kept."""
        self._services = {(s.address, s.port): s for s in services}
        self._turns = {key: turn for key, turn in self._turns.items() if key in self._services}

    def update(self, services: Iterable[ServiceAddress]) -> None:
        """Take the place of these services alone."""
        self._services.update({(s.address, s.port): s for s in services})

    def endpoints(
        self, address: str, port: int, client: str = "", node: str | None = None
    ) -> Sequence[Endpoint]:
        """The endpoints to try, the client's own or the one whose turn it is first.

        None for an unknown service. `node` is that of a pod that calls.
        """
        key = (address, port)
        service = self._services.get(key)
        known = _near(service, node) if service else ()
        if service is None or not known:
            return ()
        if service.affinity and (own := self._own(key, client, known)) is not None:
            start = own
        else:
            turn = self._turns.get(key, 0)
            self._turns[key] = turn + 1
            start = turn % len(known)
        if service.affinity:
            self._remember(key, client, known[start], service.affinity)
        return known[start:] + known[:start]

    def _own(self, key: Endpoint, client: str, known: Sequence[Endpoint]) -> int | None:
        """Where among the endpoints the client's own is, if it is still there and not too long ago."""
        until, endpoint = self._clients.get((key, client), (0.0, key))
        if until < self._now() or endpoint not in known:
            return None
        return known.index(endpoint)

    def _remember(self, key: Endpoint, client: str, endpoint: Endpoint, seconds: int) -> None:
        self._clients[key, client] = (self._now() + seconds, endpoint)
        self._clients.move_to_end((key, client))
        while len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)


def _near(service: ServiceAddress, node: str | None) -> tuple[Endpoint, ...]:
    """The endpoints that a client on that node may go to."""
    if not service.nodes or node is None:
        return service.endpoints
    pairs = zip(service.endpoints, service.nodes, strict=True)
    return tuple(endpoint for endpoint, place in pairs if place == node)


async def serve_pod(
    namespace: int, table: ServiceTable, node: str = "", *, past_envoy: bool = False
) -> asyncio.Server:
    """Listen inside a pod, where its rules lead connections to service addresses.

    `past_envoy`: the pod has one, which is not to get what is dialled from here.
    """
    listening = socket_in(namespace)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", at.SPARED_PORT if past_envoy else at.OUTBOUND_PORT))
    open_now = 0

    def dialling() -> socket.socket:
        made = socket_in(namespace)
        if past_envoy:
            made.setsockopt(socket.SOL_SOCKET, linux.SO_MARK, at.SPARED_MARK)
        return made

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        if open_now >= MAX_CONNECTIONS:
            streams.reset(writer)
            return
        open_now += 1
        try:
            target = original_destination(writer.get_extra_info("socket"))
            client = writer.get_extra_info("peername")[0]
            known = table.endpoints(*target, client, node)
            endpoint = await connect(known, dialling)
            if endpoint is None:
                streams.reset(writer)
            else:
                await streams.join((reader, writer), endpoint)
        except OSError:
            streams.reset(writer)
        finally:
            open_now -= 1

    return await asyncio.start_server(streams.held(serve), sock=listening, limit=streams.CHUNK)


async def connect(
    endpoints: Sequence[Endpoint], make: Callable[[], socket.socket]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """A connection to the first endpoint that takes one, by a socket as made; None if none does."""
    for endpoint in endpoints:
        connection = make()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, endpoint)
            return await asyncio.open_connection(sock=connection, limit=streams.CHUNK)
        connection.close()
    return None
