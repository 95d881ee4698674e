"""Pretend to be many Envoys: connect, ask for everything as Envoy does, acknowledge what comes.

In: a socket, a file of node ids with their tokens; lines `PROXIES SECONDS`.    Out: JSON lines.
Before: tools/scale_mesh.py        After: tools/bench_scale.py

Nothing is done with what comes but to read its names, so that what is measured is the server and not its
clients: frames are read by hand on bare connections, in one process. A line is answered with what came since the one
before, once something has come to so many proxies and then nothing for so many seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

from lateen.envoy.pb.envoy.service.discovery.v3 import discovery_pb2 as pb
from lateen.envoy.resources import ResourceType

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
PATIENCE = 120.0  # seconds
AGAIN = 0.1  # seconds until the next try of one that was not let in
_WINDOW = 2**31 - 1  # bytes that may come: as many as there are, so that none need be given back
_FRAME = 16 * 1024  # bytes
_DATA, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 3, 4, 6, 7
_ACK = 1
_PREFIX = struct.Struct("!BI")
CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
LISTENER, ROUTES, SECRET = ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.SECRET


@dataclass(kw_only=True)
class Seen:
    """What came since the last report: by proxy when the last of it, and how much in all."""

    last: dict[str, float] = field(default_factory=dict)
    size: int = 0
    responses: int = 0
    resources: dict[str, int] = field(default_factory=dict)

    def note(self, node: str, raw: bytes, response: pb.DeltaDiscoveryResponse) -> None:
        """Count one response."""
        self.last[node] = time.monotonic()
        self.size += len(raw)
        self.responses += 1
        short = ResourceType(response.type_url).short
        self.resources[short] = self.resources.get(short, 0) + len(response.resources)

    def report(self) -> dict[str, Any]:
        """As the bench reads it; times are of the clock all processes share."""
        return {
            "times": sorted(self.last.values()),
            "bytes": self.size,
            "responses": self.responses,
            "resources": self.resources,
        }


class Fleet:
    """All the proxies of this process."""

    def __init__(self, socket: str, tokens: dict[str, str]) -> None:
        self._socket = socket
        self._tokens = tokens
        self._seen = Seen()
        self._more = asyncio.Event()

    async def run(self) -> None:
        """Connect all, and answer reports until the input ends."""
        gc.disable()
        proxies = [asyncio.create_task(self._proxy(n, t)) for n, t in self._tokens.items()]
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            proxies_wanted, quiet = line.split()
            await self._reached(int(proxies_wanted))
            await self._silence(float(quiet))
            seen, self._seen = self._seen, Seen()
            print(json.dumps(seen.report()), flush=True)
            # A thousand Envoys do not wait for one collector of all their garbage: nor do these.
            gc.collect()
            gc.freeze()
        for proxy in proxies:
            proxy.cancel()
        await asyncio.gather(*proxies, return_exceptions=True)

    async def _reached(self, proxies: int) -> None:
        """Return when something has come to so many, or PATIENCE is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(self._seen.last) < proxies:
                    self._more.clear()
                    await self._more.wait()

    async def _silence(self, seconds: float) -> None:
        """Return when nothing has come for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                self._more.clear()
                async with asyncio.timeout(seconds):
                    await self._more.wait()

    async def _proxy(self, node: str, token: str) -> None:
        loop = asyncio.get_running_loop()
        while True:  # as Envoy, which tries again when it cannot connect
            with contextlib.suppress(OSError):
                _, proxy = await loop.create_unix_connection(
                    lambda: Proxy(token, lambda raw: self._heard(node, raw)), self._socket
                )
                await proxy.ended.wait()
            await asyncio.sleep(AGAIN)

    def _heard(self, node: str, raw: bytes) -> pb.DeltaDiscoveryResponse:
        response = pb.DeltaDiscoveryResponse.FromString(raw)
        self._seen.note(node, raw, response)
        self._more.set()
        return response


def _opening(token: str) -> bytes:
    """What a client says first: its settings and the call's headers."""
    wire = H2Connection(H2Configuration(client_side=True))
    wire.initiate_connection()
    wire.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW})
    wire.increment_flow_control_window(_WINDOW - 65_535)
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": METHOD,
        ":authority": "xds",
        "te": "trailers",
        "content-type": "application/grpc",
        "authorization": f"Bearer {token}",
    }
    wire.send_headers(1, list(headers.items()))
    return wire.data_to_send()


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + content


class Proxy(asyncio.Protocol):
    """One connection with one stream."""

    def __init__(self, token: str, heard: Callable[[bytes], pb.DeltaDiscoveryResponse]) -> None:
        self.ended = asyncio.Event()
        self._token = token
        self._heard = heard
        self._frames = bytearray()
        self._got = bytearray()
        self._out: list[bytes] = []
        self._asked: set[str] = set()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._out.append(_opening(self._token))
        self._ask(CLUSTER)
        self._ask(LISTENER)
        self._ask(SECRET, ["default", "ROOTCA"])
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._frames += data
        at = 0
        with memoryview(self._frames) as frames:
            while len(frames) >= at + 9:
                end = at + 9 + int.from_bytes(frames[at : at + 3])
                if len(frames) < end:
                    break
                self._take(frames[at + 3], frames[at + 4], frames[at + 9 : end])
                at = end
        del self._frames[:at]
        self._answer_all()
        self._flush()

    def _take(self, kind: int, flags: int, content: memoryview) -> None:
        if kind == _DATA:
            self._got += content
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._out.append(_frame(kind, _ACK, 0, bytes(content) if kind == _PING else b""))
        elif kind in (_RESET, _GOAWAY):
            self._transport.close()
        content.release()

    def _answer_all(self) -> None:
        while len(self._got) >= _PREFIX.size:
            whole = _PREFIX.size + _PREFIX.unpack_from(self._got)[1]
            if len(self._got) < whole:
                return
            message = bytes(memoryview(self._got)[_PREFIX.size : whole])
            del self._got[:whole]
            self._answer(self._heard(message))

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def _answer(self, response: pb.DeltaDiscoveryResponse) -> None:
        if response.type_url == CLUSTER:
            self._ask_new(ENDPOINTS, [r.name for r in response.resources if _by_eds(r.name)])
        elif response.type_url == LISTENER:
            self._ask_new(ROUTES, [*filter(None, (_table(r.name) for r in response.resources))])
        self._say(
            pb.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        )

    def _ask(self, type_: ResourceType, names: list[str] | None = None) -> None:
        self._say(pb.DeltaDiscoveryRequest(type_url=type_, resource_names_subscribe=names))

    def _ask_new(self, type_: ResourceType, names: list[str]) -> None:
        if new := [name for name in names if name not in self._asked]:
            self._asked.update(new)
            self._ask(type_, new)

    def _say(self, request: pb.DeltaDiscoveryRequest) -> None:
        raw = request.SerializeToString()
        data = _PREFIX.pack(0, len(raw)) + raw
        pieces = (data[at : at + _FRAME] for at in range(0, len(data), _FRAME))
        self._out.extend(_frame(_DATA, 0, 1, piece) for piece in pieces)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._out))
        self._out.clear()


def _by_eds(cluster: str) -> bool:
    return cluster.startswith("outbound|")


def _table(listener: str) -> str:
    """The route table of an HTTP listener, which has the same name by Istio's convention."""
    address, _, port = listener.rpartition("_")
    if address == "0.0.0.0":  # noqa: S104 - the name of a listener
        return port
    return f"http.{port}" if address == "border" else ""


if __name__ == "__main__":
    asyncio.run(Fleet(sys.argv[1], json.loads(Path(sys.argv[2]).read_text())).run())
