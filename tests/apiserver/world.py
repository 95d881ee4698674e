"""A store and dependencies just big enough to serve the API in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lateen.api.decode import decode_raw
from lateen.api.objects import Obj
from lateen.apiserver.crilog import log_reader
from lateen.apiserver.deps import ApiDeps, LogRequest, PodStream, Sources
from lateen.base.clock import Clock, SystemClock
from lateen.base.errors import EnvironmentFault, NotFound, NotPossible
from lateen.base.origin import ObjectKey
from lateen.store.core import ObjectStore
from lateen.store.memory import MemoryStore

Tree = dict[str, Any]


def store_with(*trees: Tree, clock: Clock | None = None) -> MemoryStore:
    """A store with the default namespace and these objects."""
    store = MemoryStore(clock=clock)
    for tree in (namespace("default"), *trees):
        obj, problems = decode_raw(tree, places=None)
        assert obj is not None, problems
        store.put(obj.raw)
    return store


@dataclass
class Calls:
    """What the API asked of the rest of lateen."""

    sources: list[Sources] = field(default_factory=list)
    deleted: list[tuple[ObjectKey, int | None, str]] = field(default_factory=list)
    ended: bool = False


async def no_log(request: LogRequest, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    raise NotFound("no log")
    yield b""


async def no_stream(asked: object) -> PodStream:
    raise EnvironmentFault("the node agent does not answer")


def deps_for(store: ObjectStore, calls: Calls | None = None, logs: Path | None = None) -> ApiDeps:
    """Dependencies that answer plainly and note what they were asked."""
    said = calls or Calls()

    def delete(key: ObjectKey, *, grace: int | None, propagation: str) -> Obj | None:
        said.deleted.append((key, grace, propagation))
        store.delete(key)
        return None

    async def apply(sources: Sources) -> Any:
        said.sources.append(sources)
        return {"created": list(sources.paths), "changed": [], "deleted": []}

    async def config_dump(namespace: str, name: str) -> Any:
        if name != "web-1":
            raise NotFound(f"no proxy of pod {namespace}/{name}")
        return DUMP

    async def traffic() -> Any:
        return {"edges": [], "proxies": []}

    async def metrics() -> str:
        return "# TYPE istio_requests_total counter\nistio_requests_total 3\n"

    async def decisions(id: str) -> Any:
        if id == "?":
            raise ValueError(id)
        return {"hops": [{"id": id}]}

    async def drain() -> Any:
        return {"ended": 2}

    def rotate_root() -> Any:
        raise NotPossible("a user's CA signs")

    def shutdown() -> None:
        said.ended = True

    return ApiDeps(
        delete=delete,
        read_log=log_reader(logs, SystemClock()) if logs else no_log,
        apply=apply,
        status=lambda: {"name": "default", "phase": "ready", "pods": []},
        problems=lambda: {"problems": []},
        proxies=lambda: {"proxies": []},
        certificates=lambda: {"certificates": [], "rotation": "steady", "waitingFor": []},
        rotate_root=rotate_root,
        config_dump=config_dump,
        traffic=traffic,
        metrics=metrics,
        platform=lambda: "# TYPE lateen_up gauge\nlateen_up 1\n",
        timed=lambda *_: None,
        decisions=decisions,
        holders=lambda key: {"proxies": []},
        settings_at=lambda namespace, pod: {"settings": []},
        uses=dict,
        open_stream=no_stream,
        drain=drain,
        shutdown=shutdown,
    )


DUMP: Tree = {
    "configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
            "bootstrap": {
                "initial_metadata": [{"key": "authorization", "value": "Bearer xds-token"}]
            },
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump",
            "dynamic_active_secrets": [
                {
                    "name": "default",
                    "secret": {
                        "tls_certificate": {"private_key": {"inline_bytes": "c2VjcmV0LWtleQ=="}}
                    },
                }
            ],
        },
        {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump"},
    ]
}


def namespace(name: str) -> Tree:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str, **data: str) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


def pod(name: str, *, phase: str = "Running", **labels: str) -> Tree:
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": dict(labels)},
        "spec": {"containers": [{"name": "app", "image": "web"}], "nodeName": "lateen"},
        "status": {
            "phase": phase,
            "podIP": "198.18.0.7",
            "containerStatuses": [
                {"name": "app", "ready": True, "restartCount": 0, "state": running},
                {"name": "istio-proxy", "ready": True, "restartCount": 0, "state": running},
            ],
        },
    }


def deployment(name: str, replicas: int = 1) -> Tree:
    labels = {"app": name}
    container = {"name": "app", "image": "web:1", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def virtual_service(name: str, *destinations: tuple[str, int]) -> Tree:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "hosts": ["*"],
            "gateways": ["main-gateway"],
            "http": [
                {
                    "match": [{"uri": {"prefix": "/api"}}],
                    "route": [
                        {"destination": {"host": host}, "weight": weight}
                        for host, weight in destinations
                    ],
                    "timeout": "30s",
                    "retries": {"attempts": 3, "perTryTimeout": "10s"},
                }
            ],
        },
    }
