"""Make the store of a large mesh without starting a pod of it.

In: how many services, namespaces and pods.    Out: a state folder as a control plane leaves it.
Before: -        After: tools/bench_scale.py

Pods have addresses and are ready, so that the control plane plans for them as for running ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lateen.app.settings import Settings, make_private
from lateen.cluster.nodes import node_name
from lateen.store.sqlite import SqliteStore

BOOT = b"scale"
PODS_ON_A_NODE = 100  # Kubernetes lets a node have 110
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Pods are dealt out to the services in turn, services to the namespaces.

    Beside them lateen makes a pod of its own: the ingress gateway.
    """

    services: int
    namespaces: int
    pods: int

    def namespace(self, service: int) -> str:
        """Where a service is."""
        return f"ns-{service % self.namespaces:03}"


def pod_name(number: int) -> str:
    """The name of a pod."""
    return f"pod-{number:04}"


def pod_status(address: str, *, ready: bool) -> Tree:
    """What the node says of a pod."""
    word = "True" if ready else "False"
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": word},
            {"type": "ContainersReady", "status": word},
        ],
    }


def pod_address(number: int) -> str:
    """The address of a pod."""
    return f"198.18.{1 + number // 250}.{2 + number % 250}"


def pod(size: Size, number: int, *, ready: bool = True) -> Tree:
    """A pod of the service whose turn it is."""
    service = number % size.services
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(number),
            "namespace": size.namespace(service),
            "labels": {"app": f"svc-{service:04}", "version": "v1"},
        },
        "spec": {
            "nodeName": node_name(number // PODS_ON_A_NODE),
            "serviceAccountName": "default",
            "containers": [
                {"name": "app", "image": "none", "ports": [{"containerPort": 8080}]},
            ],
        },
        "status": pod_status(pod_address(number), ready=ready),
    }


def service(size: Size, number: int) -> Tree:
    """A Service of one HTTP port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"svc-{number:04}", "namespace": size.namespace(number)},
        "spec": {
            "clusterIP": f"198.19.{number // 250}.{2 + number % 250}",
            "selector": {"app": f"svc-{number:04}"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    }


def virtual_service(size: Size, number: int, generation: int) -> Tree:
    """A route of a service that differs from one generation to the next."""
    host = f"svc-{number:04}"
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": host, "namespace": size.namespace(number)},
        "spec": {
            "hosts": [host],
            "http": [
                {"match": [{"uri": {"prefix": f"/v{generation}"}}], "route": [_to(host)]},
                {"route": [_to(host)], "timeout": "5s"},
            ],
        },
    }


def _to(host: str) -> Tree:
    return {"destination": {"host": host, "port": {"number": 80}}}


def mesh_wide_rule(generation: int) -> Tree:
    """A DestinationRule of the root namespace for every service of the mesh."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "all", "namespace": "istio-system"},
        "spec": {
            "host": "*.svc.cluster.local",
            "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 1000 + generation}}},
        },
    }


def _front(size: Size) -> Iterator[Tree]:
    """What the gateway lets in: one host for every tenth service."""
    yield {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "front", "namespace": "istio-system"},
        "spec": {
            "selector": {"istio": "ingressgateway"},
            "servers": [
                {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
            ],
        },
    }
    for number in range(0, size.services, 10):
        host = f"svc-{number:04}"
        yield {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": f"front-{number:04}", "namespace": size.namespace(number)},
            "spec": {
                "hosts": [f"{host}.example.com"],
                "gateways": ["istio-system/front"],
                "http": [{"route": [_to(host)]}],
            },
        }


def objects(size: Size) -> Iterator[Tree]:
    """Everything in the store."""
    spaces = [f"ns-{number:03}" for number in range(size.namespaces)]
    for name in ("istio-system", *spaces):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        yield {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name},
        }
    for number in range(size.services):
        yield service(size, number)
        if number % 10 == 0:
            yield virtual_service(size, number, 0)
    yield from _front(size)
    yield mesh_wide_rule(0)
    for number in range(size.pods):
        yield pod(size, number)


def prepare(home: Path, size: Size) -> Settings:
    """Fill a new state folder; the control plane goes on in it as one that was started again."""
    settings = Settings(
        run=str(home / "r"),
        state=str(home / "s"),
        cache=str(home / "c"),
        folder=str(home),
        ports={80: 0},
        nodes=("",) * (2 + size.pods // PODS_ON_A_NODE),
    )
    for folder in (settings.run_dir, settings.state_dir):
        make_private(folder)
    (settings.run_dir / "boot").write_bytes(BOOT)
    settings.save()
    store = SqliteStore.open(settings.state_dir / "store.db")
    with store.transaction():
        store.write_note("boot", BOOT)
        for tree in objects(size):
            store.put(tree, source="scale")
    store.close()
    return settings
