"""The server on its socket: who may speak, which node a stream is, what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from lateen.base.clock import FakeClock
from lateen.base.errors import EnvironmentFault
from lateen.envoy.pb.envoy.config.core.v3 import base_pb2
from lateen.envoy.pb.envoy.service.discovery.v3 import discovery_pb2 as pb
from lateen.envoy.resources import Resource
from lateen.xds.messages import NoSecrets, SecretSource
from lateen.xds.server import Ads
from lateen.xds.tokens import TokenKey
from tests.xds.talk import CDS, EDS, LDS, RDS, SDS, resource, snapshot

KEY = TokenKey(b"k" * 32)
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


class Client:
    """A proxy by hand."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def says(self, type_: str, *names: str, node: str = "", **more: Any) -> None:
        request = pb.DeltaDiscoveryRequest(
            type_url=type_, resource_names_subscribe=names, node=base_pb2.Node(id=node), **more
        )
        await self._call.write(request.SerializeToString())

    async def says_bytes(self, raw: bytes) -> None:
        await self._call.write(raw)

    async def hears(self) -> str:
        """The next response, as `type nonce +a -b`, or how the stream ended."""
        async with asyncio.timeout(5):
            try:
                raw = await self._call.read()
            except grpc.aio.AioRpcError as error:
                code: grpc.StatusCode = error.code()
                return str(code.name)
            if raw is grpc.aio.EOF:
                return str((await self._call.code()).name)
        response = pb.DeltaDiscoveryResponse.FromString(raw)
        self.nonce = response.nonce
        names = [f"+{r.name}" for r in response.resources]
        names += [f"-{name}" for name in response.removed_resources]
        return " ".join([response.type_url.rpartition(".")[2], *names])

    async def acks(self, type_: str) -> None:
        await self.says(type_, response_nonce=self.nonce)


class Server:
    """An Ads on a socket, and clients for it."""

    def __init__(self, folder: Path, secrets: SecretSource) -> None:
        self.path = folder / "xds.sock"
        self.clock = FakeClock()
        self.ads = Ads(key=KEY, secrets=secrets, clock=self.clock)
        self._channels = contextlib.AsyncExitStack()

    async def client(self, authorization: str | None) -> Client:
        channel = grpc.aio.insecure_channel(
            f"unix:{self.path}", options=(("grpc.use_local_subchannel_pool", 1),)
        )
        await self._channels.enter_async_context(channel)
        metadata = (("authorization", authorization),) if authorization is not None else ()
        return Client(channel.stream_stream(METHOD)(metadata=metadata))

    async def proxy(self, node_id: str) -> Client:
        return await self.client(f"Bearer {KEY.mint(node_id)}")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.ads.start(self.path)
        try:
            yield
        finally:
            await self._channels.aclose()
            await self.ads.stop()


def serve(
    folder: Path,
    scenario: Callable[[Server], Awaitable[None]],
    secrets: SecretSource | None = None,
) -> None:
    async def run() -> None:
        server = Server(folder, secrets or NoSecrets())
        async with server.running():
            await scenario(server)

    asyncio.run(run())


def test_the_node_is_the_tokens_whatever_the_proxy_says(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        server.ads.put("web", snapshot(cds="for-web"))
        server.ads.put("api", snapshot(cds="for-api"))
        proxy = await server.proxy("web")
        await proxy.says(CDS, node="api")
        assert await proxy.hears() == "Cluster +for-web"

    serve(tmp_path, scenario)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer nonsense",
        f"Basic {KEY.mint('web')}",
        f"Bearer {TokenKey(b'x' * 32).mint('web')}",
    ],
)
def test_without_a_valid_token_nobody_is_served(tmp_path: Path, authorization: str | None) -> None:
    async def scenario(server: Server) -> None:
        server.ads.put("web", snapshot(cds="a"))
        stranger = await server.client(authorization)
        assert await stranger.hears() == "UNAUTHENTICATED"
        state = server.ads.ledger.state("web")
        assert state is not None
        assert state.connected_since is None

    serve(tmp_path, scenario)


def test_a_proxy_waits_for_its_first_snapshot(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        proxy = await server.proxy("web")
        await proxy.says(CDS)
        waiting = asyncio.create_task(proxy.hears())
        server.ads.put("other", snapshot(cds="not-for-you"))
        server.ads.put("web", snapshot(cds="a"))
        assert await waiting == "Cluster +a"

    serve(tmp_path, scenario)


def test_a_new_stream_of_a_node_takes_the_place_of_the_old(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        server.ads.put("web", snapshot(cds="a"))
        first = await server.proxy("web")
        await first.says(CDS)
        assert await first.hears() == "Cluster +a"
        second = await server.proxy("web")
        await second.says(CDS)
        assert await second.hears() == "Cluster +a"
        assert await first.hears() == "OK"
        state = server.ads.ledger.state("web")
        assert state is not None
        assert state.connected_since is not None

    serve(tmp_path, scenario)


def test_a_dropped_node_loses_its_stream(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        server.ads.put("web", snapshot(cds="a"))
        proxy = await server.proxy("web")
        await proxy.says(CDS)
        await proxy.hears()
        server.ads.drop("web")
        assert await proxy.hears() == "OK"
        assert server.ads.ledger.state("web") is None

    serve(tmp_path, scenario)


def test_what_is_no_request_ends_the_stream_with_a_reason(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        proxy = await server.proxy("web")
        await proxy.says_bytes(b"\xff\xff\xff")
        assert await proxy.hears() == "INVALID_ARGUMENT"

    serve(tmp_path, scenario)


def test_a_type_not_served_does_not_end_the_stream(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        server.ads.put("web", snapshot(cds="a"))
        proxy = await server.proxy("web")
        await proxy.says("type.googleapis.com/envoy.config.route.v3.VirtualHost", "x")
        await proxy.says(CDS)
        assert await proxy.hears() == "Cluster +a"

    serve(tmp_path, scenario)


def test_the_wait_for_an_ack_ends_by_the_clock(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        server.ads.put("web", snapshot(cds="cold", lds="in", rds="80"))
        proxy = await server.proxy("web")
        await proxy.says(CDS)
        assert await proxy.hears() == "Cluster +cold"
        await proxy.says(LDS)
        await proxy.says(EDS, "cold")  # answered after what was said before it was looked at
        assert await proxy.hears() == "ClusterLoadAssignment -cold"
        await server.clock.advance(5)
        assert await proxy.hears() == "Listener +in"
        await proxy.says(RDS, "80")
        assert await proxy.hears() == "RouteConfiguration +80"

    serve(tmp_path, scenario)


class Turning:
    """A source whose secret can be replaced."""

    def __init__(self) -> None:
        self.now = "1"

    def secret(self, node_id: str, name: str) -> Resource | None:
        return resource(name, f"{node_id} {self.now}") if name == "default" else None

    def still_good(self, node_id: str, name: str, version: str) -> bool:
        return version == "kept"


def test_a_refreshed_secret_is_sent(tmp_path: Path) -> None:
    secrets = Turning()

    async def scenario(server: Server) -> None:
        server.ads.put("web", snapshot())
        proxy = await server.proxy("web")
        await proxy.says(SDS, "default", initial_resource_versions={"default": "kept"})
        await proxy.says(CDS)
        assert await proxy.hears() == "Cluster"
        server.ads.refresh("web", ["default"])
        assert await proxy.hears() == "Secret +default"
        await proxy.acks(SDS)
        secrets.now = "2"
        server.ads.refresh("web", ["default"])
        assert await proxy.hears() == "Secret +default"
        server.ads.refresh("nobody", ["default"])

    serve(tmp_path, scenario, secrets)


class Starting(Turning):
    """A source that does not know the proxy before it is planned for."""

    known = False

    def still_good(self, node_id: str, name: str, version: str) -> bool:
        return self.known and version == "kept"


def test_what_a_proxy_holds_is_judged_when_it_is_known_what_it_should_have(tmp_path: Path) -> None:
    secrets = Starting()

    async def scenario(server: Server) -> None:
        here = asyncio.Event()
        server.ads.ledger.listen(lambda _: here.set())
        proxy = await server.proxy("web")
        await proxy.says(SDS, "default", initial_resource_versions={"default": "kept"})
        await proxy.says(CDS)
        async with asyncio.timeout(5):
            await here.wait()
        await asyncio.sleep(0.05)  # its requests are there before the first plan is
        secrets.known = True
        server.ads.put("web", snapshot(cds="a"))
        assert await proxy.hears() == "Cluster +a"
        state = server.ads.ledger.state("web")
        assert state
        assert {t.type.short: t.sent for t in state.types}["SDS"] == 0

    serve(tmp_path, scenario, secrets)


def test_the_socket_is_private_and_goes_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = Server(tmp_path, NoSecrets())
        async with server.running():
            assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
        assert not server.path.exists()
        await server.ads.stop()

    asyncio.run(scenario())


def test_a_socket_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    async def scenario() -> None:
        ads = Ads(key=KEY, secrets=NoSecrets(), clock=FakeClock())
        with pytest.raises(EnvironmentFault, match="too long"):
            await ads.start(tmp_path / ("x" * 100))
        taken = tmp_path / "taken"
        taken.write_text("")
        with pytest.raises(EnvironmentFault, match="in the way"):
            await ads.start(taken)

    asyncio.run(scenario())
