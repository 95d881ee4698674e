"""The gRPC library's own xDS client, which nobody here wrote, against the control plane's socket."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio

from lateen.base.clock import SystemClock
from lateen.envoy.grpc import emit_for_grpc, grpc_bootstrap
from lateen.envoy.resources import Resources
from lateen.ir.plan import ProxyPlan
from lateen.translate.plan import plans
from lateen.world.build import world_of
from lateen.xds.messages import NoSecrets
from lateen.xds.server import Ads
from lateen.xds.tokens import TokenKey
from tests.envoy.apps import free_port
from tests.translate.cases import objects_in

KEY = TokenKey(b"k" * 32)
PORT = free_port()
ADDRESSES = {"v1": "127.0.0.21", "v2": "127.0.0.22"}
MESH = f"""
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{app: web}}
  ports: [{{name: grpc, port: 80, targetPort: {PORT}}}]
---
pods:
  shop:
    web-1: {{ip: {ADDRESSES["v1"]}, labels: {{app: web, version: v1}}}}
    web-2: {{ip: {ADDRESSES["v2"]}, labels: {{app: web, version: v2}}}}
    client-1: {{ip: 127.0.0.23, labels: {{app: client}}}}
"""
SPLIT = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
    - route:
        - {destination: {host: web, subset: v1}, weight: FIRST}
        - {destination: {host: web, subset: v2}, weight: SECOND}
---
"""
CLIENT = """
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
who = channel.unary_unary("/shop.Web/Who")
for line in sys.stdin:
    print(*(who(b"", timeout=20).decode() for _ in range(int(line))), flush=True)
"""


def plan_of(split: tuple[int, int] | None) -> ProxyPlan:
    """The client's plan, with the traffic split so, or not at all."""
    rules = ""
    if split:
        first, second = map(str, split)
        rules = SPLIT.replace("FIRST", first).replace("SECOND", second)
    services, pods = MESH.split("---\n")
    world = world_of(objects_in(services + (rules or "---\n") + pods))
    return next(each.plan for each in plans(world) if each.plan.proxy.pod == "client-1")


class Rig:
    """Ads, two servers and the client in a process of its own."""

    def __init__(self, folder: Path) -> None:
        plan = plan_of(None)
        self.node, self.resources = plan.proxy.id, emit_for_grpc(plan)
        self.ads = Ads(
            key=KEY, secrets=NoSecrets(), clock=SystemClock(), for_grpc=self.resources_of
        )
        self.socket, self.bootstrap = folder / "x.sock", folder / "bootstrap.json"

    def resources_of(self, node: str) -> Resources | None:
        return self.resources if node == self.node else None

    def split(self, split: tuple[int, int]) -> None:
        """Another VirtualService is there."""
        self.resources = emit_for_grpc(plan_of(split))
        self.ads.tell_grpc()

    def client(self, target: str, token: str) -> subprocess.Popen[str]:
        self.bootstrap.write_text(
            grpc_bootstrap(node_id=self.node, token=token, xds_socket=str(self.socket))
        )
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, target],
            env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(self.bootstrap), "no_proxy": "*"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@asynccontextmanager
async def rigged() -> AsyncIterator[Rig]:
    servers = []
    for name, address in ADDRESSES.items():
        server = grpc.aio.server()
        answer = name.encode()

        async def who(_: bytes, __: object, answer: bytes = answer) -> bytes:
            return answer

        handlers = {"Who": grpc.unary_unary_rpc_method_handler(who)}
        generic = grpc.method_handlers_generic_handler("shop.Web", handlers)
        server.add_generic_rpc_handlers((generic,))
        server.add_insecure_port(f"{address}:{PORT}")
        await server.start()
        servers.append(server)
    with tempfile.TemporaryDirectory(prefix="ltx", dir="/tmp") as folder:
        rig = Rig(Path(folder))
        await rig.ads.start(rig.socket)
        try:
            yield rig
        finally:
            await rig.ads.stop()
            for server in servers:
                await server.stop(None)


async def ask(client: subprocess.Popen[str], times: int) -> Counter[str]:
    """Who answered how often."""

    def asked() -> str:
        assert client.stdin
        assert client.stdout
        assert client.stderr
        client.stdin.write(f"{times}\n")
        client.stdin.flush()
        return client.stdout.readline() or client.stderr.read()

    return Counter((await asyncio.to_thread(asked)).split())


async def end(client: subprocess.Popen[str]) -> None:
    client.kill()
    await asyncio.to_thread(client.communicate)


def test_it_resolves_a_service_balances_and_follows_weights() -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            client = rig.client("xds:///web.shop.svc.cluster.local:80", KEY.mint(rig.node))
            try:
                first = await ask(client, 40)
                assert first.keys() == ADDRESSES.keys(), first
                assert all(count >= 10 for count in first.values()), first
                for split, only in (((100, 0), "v1"), ((0, 100), "v2")):
                    rig.split(split)
                    async with asyncio.timeout(10):
                        while (await ask(client, 10)).keys() != {only}:
                            pass
                rig.split((70, 30))
                async with asyncio.timeout(10):
                    while (await ask(client, 10)).keys() == {"v2"}:
                        pass
                counts = await ask(client, 1000)
                assert 620 <= counts["v1"] <= 780, counts
            finally:
                await end(client)

    asyncio.run(scenario())


def test_the_short_names_of_its_own_namespace_resolve() -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            client = rig.client("xds:///web:80", KEY.mint(rig.node))
            try:
                assert (await ask(client, 4)).keys() <= ADDRESSES.keys()
            finally:
                await end(client)

    asyncio.run(scenario())


def test_without_the_token_of_a_known_proxy_it_learns_nothing() -> None:
    async def scenario() -> None:
        async with rigged() as rig:
            client = rig.client("xds:///web:80", TokenKey(b"x" * 32).mint(rig.node))
            try:
                said = await ask(client, 1)
                assert not said.keys() & ADDRESSES.keys()
                assert "UNAVAILABLE" in " ".join(said)
            finally:
                await end(client)

    asyncio.run(scenario())
