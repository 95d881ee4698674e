"""The border relay: TCP that leaves the mesh goes on, as it is, to the pod's border socket.

In: connections redirected on the bridge; the slot of each pod address.    Out: `Relay`.
Before: node/streams.py        After: node/agent.py

The pod is known by its source address, which the rules of its own namespace keep true. Where it was
going is told by a header of the PROXY protocol, not by CONNECT: on HTTP/1.1 there is no saying "I am
done, and listening", so that a client that ends its half would lose the answer.

What goes to the Kubernetes API goes to the one socket where that answers pods. Who calls, TLS and a
token tell it. What goes to the observer's ports goes to the observer, dialled from an address that names
the pod. Nothing else of the host is to be reached this way.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from lateen.node import addresses as at
from lateen.node import linux, streams
from lateen.node.addresses import SandboxPaths

_API = (at.GATEWAY, at.API_PORT)
_OTLP = tuple((at.GATEWAY, port) for port in at.OTLP_PORTS)
_GRPC = b"PRI * HTTP/2"  # how HTTP/2 begins, as gRPC has it; either is taken at either port
MAX_CONNECTIONS = 4096
MAX_PER_POD = 1024
CONNECT_SECONDS = 15.0
_PROXY_V2_TCP4 = b"\r\n\r\n\0\r\nQUIT\n" + bytes((0x21, 0x11, 0, 12))
_INSIDE = tuple(
    ipaddress.ip_network(f"{base}/{length}")
    for base, length in (at.POD_NETWORK, at.SERVICE_NETWORK, at.AUTO_NETWORK, ("127.0.0.0", 8))
)


def original_destination(connection: socket.socket) -> tuple[str, int]:
    """Where a redirected connection was going; raises OSError when it was not redirected."""
    raw = connection.getsockopt(socket.IPPROTO_IP, linux.SO_ORIGINAL_DST, 16)
    port, packed = struct.unpack_from("!2xH4s", raw)
    return socket.inet_ntoa(packed), port


class Relay:
    """Serves on the bridge. `slots` maps a pod's address to its slot and is read at each use."""

    def __init__(self, paths: SandboxPaths, slots: Mapping[str, str]) -> None:
        self._paths = paths
        self._slots = slots
        self._open: Counter[str] = Counter()
        self._number = 0

    async def start(self) -> asyncio.Server:
        """Listen; the sandbox's root rules lead outside connections here."""
        return await asyncio.start_server(
            streams.held(self._serve), at.GATEWAY, at.RELAY_PORT, limit=streams.CHUNK, backlog=512
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pod = writer.get_extra_info("peername")[0]
        slot = self._slots.get(pod)
        full = self._open.total() >= MAX_CONNECTIONS or self._open[pod] >= MAX_PER_POD
        if slot is None or full:
            streams.reset(writer)
            return
        self._open[pod] += 1
        try:
            await self._relay(slot, reader, writer)
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, ValueError):
            streams.reset(writer)
        finally:
            self._open[pod] -= 1

    async def _relay(
        self, slot: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, port = original_destination(writer.get_extra_info("socket"))
        if (host, port) == _API:
            await streams.join((reader, writer), await _dialled(self._paths.api))
            return
        if (host, port) in _OTLP:
            first = await reader.read(streams.CHUNK)
            grpc = first.startswith(_GRPC)
            told = await self._dialled_for(slot, self._paths.otlp(at.OTLP_PORTS[not grpc]))
            told[1].write(first)
            await streams.join((reader, writer), told)
            return
        if any(ipaddress.ip_address(host) in network for network in _INSIDE):
            streams.reset(writer)
            return
        client = writer.get_extra_info("peername")
        border = await _dialled(self._paths.border(slot))
        border[1].write(proxy_header(client, (host, port)))
        await streams.join((reader, writer), border)

    async def _dialled_for(
        self, slot: str, path: Path
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection whose own address, without a file, names the pod's slot."""
        self._number += 1
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            own.bind(f"\0lateen-otlp/{slot}/{self._number}")
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(own, str(path))
                return await asyncio.open_unix_connection(sock=own, limit=streams.CHUNK)
        except BaseException:
            own.close()
            raise


async def _dialled(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(CONNECT_SECONDS):
        return await asyncio.open_unix_connection(str(path), limit=streams.CHUNK)


def proxy_header(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """Version 2 of the PROXY protocol, for TCP over IPv4 (haproxy's doc/proxy-protocol.txt, 2.2)."""
    hosts = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    return _PROXY_V2_TCP4 + hosts + struct.pack("!HH", source[1], destination[1])
