"""The border relay: TCP that leaves the mesh goes on as CONNECT to the pod's border socket.

In: connections redirected on the bridge; the slot of each pod address.    Out: `Relay`.
Before: node/streams.py        After: node/agent.py

The pod is known by its source address, which the rules of its own namespace keep true.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections import Counter
from collections.abc import Mapping

from lateen.node import addresses as at
from lateen.node import linux, streams
from lateen.node.addresses import SandboxPaths

MAX_CONNECTIONS = 4096
MAX_PER_POD = 1024
CONNECT_SECONDS = 15.0
_MAX_HEAD = 16 * 1024
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

    async def start(self) -> asyncio.Server:
        """Listen; the sandbox's root rules lead outside connections here."""
        return await asyncio.start_server(
            self._serve, at.GATEWAY, at.RELAY_PORT, limit=streams.CHUNK, backlog=512
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
        if any(ipaddress.ip_address(host) in network for network in _INSIDE):
            streams.reset(writer)
            return
        async with asyncio.timeout(CONNECT_SECONDS):
            border = await connect_through(str(self._paths.border(slot)), f"{host}:{port}")
        await streams.join((reader, writer), border)


async def connect_through(
    path: str, authority: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask the proxy at a Unix socket for a tunnel; raises OSError when it refuses."""
    reader, writer = await asyncio.open_unix_connection(path, limit=_MAX_HEAD)
    try:
        writer.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(b" ", 2)[1]
        if status != b"200":
            raise ConnectionRefusedError(f"the border answered {status.decode(errors='replace')}")
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer
