"""The sandbox's DNS server, at 198.18.0.1:53 over UDP and TCP.

In: protocol.Directory's names; a way to resolve other names on the host.    Out: `Zone`, `DnsServer`.
Before: node/protocol.py, node/link.py        After: node/agent.py

Names of the mesh get A records (or a CNAME); AAAA and others get an empty answer, so that clients go
on with IPv4. Below cluster.local an unknown name does not exist, and one that only others end in is
empty (RFC 8020: what does not exist has nothing below it); any other is asked of the host.
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

from dnslib import CNAME, QTYPE, RCODE, RR, A, DNSError, DNSQuestion, DNSRecord
from msgspec import Struct

from lateen.base.clock import Clock
from lateen.node import addresses as at
from lateen.node.protocol import Name
from lateen.node.streams import held

CLUSTER_DOMAIN = "cluster.local"
_MESH_TTL = 5
_OUTSIDE_TTL = 30
_NOTHING_TTL = 5
_CACHED_NAMES = 1024
_MAX_LOOKUPS = 64
_LOOKUP_SECONDS = 5.0
_PLAIN_UDP_BYTES = 512
_TCP_IDLE_SECONDS = 10.0
_MAX_TCP_CLIENTS = 256
_CNAME_DEPTH = 8

Resolve = Callable[[str], Awaitable[tuple[str, ...]]]


class Zone(Struct, frozen=True):
    """The names of the mesh, by lower-case name; `*.x` stands for every name below x."""

    names: dict[str, Name]
    parents: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Iterable[Name]) -> Zone:
        """Index what the control plane sent."""
        known = {name.name.lower(): name for name in names}
        return cls(known, frozenset(parent for name in known for parent in _parents(name)))

    def find(self, name: str) -> Name | None:
        """The name itself, else the wildcard that covers it most closely."""
        if exact := self.names.get(name):
            return exact
        labels = name.split(".")
        for depth in range(1, len(labels)):
            if found := self.names.get("*." + ".".join(labels[depth:])):
                return found
        return None


def _parents(name: str) -> Iterable[str]:
    """What a name ends in, as far as that is the mesh's own: `svc.cluster.local`, `cluster.local`."""
    while name := name.partition(".")[2]:
        if _ours(name):
            yield name


def _ours(name: str) -> bool:
    return name == CLUSTER_DOMAIN or name.endswith("." + CLUSTER_DOMAIN)


class Lookups:
    """Names outside the mesh, asked of the host and remembered for a short while."""

    def __init__(self, resolve: Resolve, clock: Clock) -> None:
        self._resolve = resolve
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def addresses(self, name: str) -> tuple[str, ...] | None:
        """IPv4 addresses, none for a name that does not exist; None when nobody could tell."""
        until, known = self._known.get(name, (0.0, ()))
        if self._clock.monotonic() < until:
            return known
        asking = self._asking.get(name)
        if asking is None:
            if len(self._asking) >= _MAX_LOOKUPS:
                return None
            asking = asyncio.create_task(self._ask(name), name=f"resolve {name}")
            asking.add_done_callback(lambda _: self._asking.pop(name))
            self._asking[name] = asking
        try:
            return await asyncio.shield(asking)
        except (TimeoutError, OSError):
            return None

    async def _ask(self, name: str) -> tuple[str, ...]:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            found = await self._resolve(name)
        ttl = _OUTSIDE_TTL if found else _NOTHING_TTL
        self._known[name] = (self._clock.monotonic() + ttl, found)
        self._known.move_to_end(name)
        while len(self._known) > _CACHED_NAMES:
            self._known.popitem(last=False)
        return found


async def answer(query: DNSRecord, zone: Zone, lookups: Lookups) -> DNSRecord:
    """The whole answer to one query."""
    reply = query.reply()
    reply.header.ra = 1
    if query.header.opcode or len(query.questions) != 1:
        reply.header.rcode = RCODE.NOTIMP
        return reply
    question: DNSQuestion = query.q
    name = str(question.qname).rstrip(".").lower()
    owner = question.qname
    for _ in range(_CNAME_DEPTH):
        entry = zone.find(name)
        if entry is None or not entry.cname:
            break
        name = entry.cname.rstrip(".").lower()
        reply.add_answer(RR(owner, QTYPE.CNAME, ttl=_MESH_TTL, rdata=CNAME(name)))
        owner = name
    if entry is not None:
        if question.qtype in {QTYPE.A, QTYPE.ANY}:
            for address in entry.addresses:
                reply.add_answer(RR(owner, QTYPE.A, ttl=_MESH_TTL, rdata=A(address)))
    elif _ours(name) or "." not in name:
        reply.header.rcode = RCODE.NOERROR if name in zone.parents else RCODE.NXDOMAIN
    elif question.qtype in {QTYPE.A, QTYPE.ANY}:
        found = await lookups.addresses(name)
        if found is None:
            reply.header.rcode = RCODE.SERVFAIL
        elif not found:
            reply.header.rcode = RCODE.NXDOMAIN
        for address in found or ():
            reply.add_answer(RR(owner, QTYPE.A, ttl=_OUTSIDE_TTL, rdata=A(address)))
    return reply


def pack_udp(query: DNSRecord, reply: DNSRecord) -> bytes:
    """The answer's bytes, cut and marked as such when the asker's buffer is too small."""
    room = max((rr.edns_len for rr in query.ar if rr.rtype == QTYPE.OPT), default=0)
    packed = bytes(reply.pack())
    if len(packed) > max(room, _PLAIN_UDP_BYTES):
        packed = bytes(reply.truncate().pack())
    return packed


class DnsServer:
    """Serves `zone`, which may be replaced at any time."""

    def __init__(self, resolve: Resolve, clock: Clock) -> None:
        self.zone = Zone({})
        self._lookups = Lookups(resolve, clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients = 0

    async def start(self) -> asyncio.Server:
        """Listen on the bridge; returns the TCP server."""
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(at.GATEWAY, at.DNS_PORT)
        )
        return await asyncio.start_server(held(self._serve_tcp), at.GATEWAY, at.DNS_PORT)

    def take(self, data: bytes, reply: Callable[[bytes], None]) -> None:
        """Answer one datagram in a task of its own."""
        task = asyncio.create_task(self._serve_udp(data, reply), name="dns")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_udp(self, data: bytes, reply: Callable[[bytes], None]) -> None:
        try:
            query = DNSRecord.parse(data)
        except DNSError:
            return
        reply(pack_udp(query, await answer(query, self.zone, self._lookups)))

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients >= _MAX_TCP_CLIENTS:
            writer.transport.abort()
            return
        self._clients += 1
        try:
            while True:
                async with asyncio.timeout(_TCP_IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    query = DNSRecord.parse(await reader.readexactly(length))
                packed = bytes((await answer(query, self.zone, self._lookups)).pack())
                writer.write(struct.pack("!H", len(packed)) + packed)
                await writer.drain()
        except (OSError, EOFError, TimeoutError, DNSError):
            writer.close()
        finally:
            self._clients -= 1


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.take(data, lambda packed: self._transport.sendto(packed, addr))
