"""Pretend to be many Envoys: connect, ask for everything as Envoy does, acknowledge what comes.

In: a socket, a file of node ids with their tokens; lines `PROXIES SECONDS`.    Out: JSON lines.
Before: tools/scale_mesh.py        After: tools/bench_scale.py

Nothing is done with what comes but to read its names. A line is answered with what came since the one
before, once something has come to so many proxies and then nothing for so many seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from lateen.envoy.pb.envoy.service.discovery.v3 import discovery_pb2 as pb
from lateen.envoy.resources import ResourceType

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
PATIENCE = 120.0  # seconds
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
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
        proxies = [asyncio.create_task(self._proxy(n, t)) for n, t in self._tokens.items()]
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            proxies_wanted, quiet = line.split()
            await self._reached(int(proxies_wanted))
            await self._silence(float(quiet))
            seen, self._seen = self._seen, Seen()
            print(json.dumps(seen.report()), flush=True)
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
        while True:  # as Envoy, which tries again when it cannot connect
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self._stream(node, token)

    async def _stream(self, node: str, token: str) -> None:
        async with grpc.aio.insecure_channel(f"unix:{self._socket}", options=_OPTIONS) as channel:
            call: Any = channel.stream_stream(METHOD)(
                metadata=(("authorization", f"Bearer {token}"),)
            )
            for type_ in (CLUSTER, LISTENER):
                await _ask(call, type_)
            await _ask(call, SECRET, ["default", "ROOTCA"])
            asked: set[str] = set()
            while (raw := await call.read()) is not grpc.aio.EOF:
                response = pb.DeltaDiscoveryResponse.FromString(raw)
                self._seen.note(node, raw, response)
                self._more.set()
                names = [r.name for r in response.resources]
                if response.type_url == CLUSTER:
                    await _ask_new(call, ENDPOINTS, [n for n in names if _by_eds(n)], asked)
                elif response.type_url == LISTENER:
                    await _ask_new(call, ROUTES, list(filter(None, map(_table, names))), asked)
                await call.write(
                    pb.DeltaDiscoveryRequest(
                        type_url=response.type_url, response_nonce=response.nonce
                    ).SerializeToString()
                )


def _by_eds(cluster: str) -> bool:
    return cluster.startswith("outbound|")


def _table(listener: str) -> str:
    """The route table of an HTTP listener, which has the same name by Istio's convention."""
    address, _, port = listener.rpartition("_")
    if address == "0.0.0.0":  # noqa: S104 - the name of a listener
        return port
    return f"http.{port}" if address == "border" else ""


async def _ask(call: Any, type_: ResourceType, names: list[str] | None = None) -> None:
    request = pb.DeltaDiscoveryRequest(type_url=type_, resource_names_subscribe=names)
    await call.write(request.SerializeToString())


async def _ask_new(call: Any, type_: ResourceType, names: list[str], asked: set[str]) -> None:
    if new := [name for name in names if name not in asked]:
        asked.update(new)
        await _ask(call, type_, new)


if __name__ == "__main__":
    asyncio.run(Fleet(sys.argv[1], json.loads(Path(sys.argv[2]).read_text())).run())
