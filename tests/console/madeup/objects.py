"""The made-up mesh's objects, as the store would have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lateen.api.decode import decode_raw
from lateen.api.objects import FieldPlaces
from lateen.store.memory import MemoryStore
from tests.apiserver.world import store_with
from tests.console.madeup.shape import Shape, Work

Tree = dict[str, Any]
WHEN = "2026-11-21T08:00:00Z"
SICK = "fraud-check"  # its pod never gets ready


def store_of(shape: Shape) -> MemoryStore:
    """Pods, Services, their slices, and a few of Istio's settings with their places in files."""
    store = store_with(*_workloads(shape), *_services(shape))
    for tree in _settings(shape):
        file = f"istio/{tree['metadata']['name']}.yaml"
        places = FieldPlaces(file=file, places={"": (1, 1), "spec": (6, 3), "spec.http[0]": (9, 5)})
        obj, problems = decode_raw(tree, places=None)
        assert obj is not None, problems
        store.put(obj.raw, places=places)
    return store


def _meta(namespace: str, name: str, **labels: str) -> Tree:
    return {
        "name": name,
        "namespace": namespace,
        "creationTimestamp": WHEN,
        "uid": f"{namespace}-{name}",
        "generation": 1,
        "labels": labels,
    }


def _workloads(shape: Shape) -> Iterator[Tree]:
    for number, work in enumerate(shape.works):
        for i, name in enumerate(work.pod_names):
            yield _pod(work, name, f"198.18.{number // 60}.{number % 60 * 4 + i + 2}")


def labels_of(work: Work) -> dict[str, str]:
    """The labels of a workload's pods."""
    version = {"version": work.version} if work.version else {}
    return {"app": work.service or work.name, **version}


def _pod(work: Work, name: str, address: str) -> Tree:
    sick = work.name == SICK
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "exit code 1 a moment ago"}}
    running = {"running": {"startedAt": WHEN}}
    meta = _meta(work.namespace, name, **labels_of(work), **{"pod-template-hash": "5d9f7c6b4"})
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{work.name}-5d9f7c6b4"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**meta, "ownerReferences": [{**owner, "uid": "rs", "controller": True}]},
        "spec": {"nodeName": "lateen", "containers": [{"name": "app", "image": f"{work.name}:1"}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False" if sick else "True",
                    "lastTransitionTime": WHEN,
                }
            ],
            "containerStatuses": [
                _container("app", running if not sick else waiting, 7 if sick else 0),
                _container("istio-proxy", running, 0),
            ],
        },
    }


def _container(name: str, state: Tree, restarts: int) -> Tree:
    ready = "running" in state
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


def _services(shape: Shape) -> Iterator[Tree]:
    for work in {(w.namespace, w.service): w for w in shape.works if w.service}.values():
        behind = [
            w for w in shape.works if (w.namespace, w.service) == (work.namespace, work.service)
        ]
        port = {"name": "http", "port": work.port, "targetPort": work.port}
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _meta(work.namespace, work.service),
            "spec": {
                "clusterIP": "198.19.0.7",
                "ports": [port],
                "selector": {"app": work.service},
            },
        }
        meta = _meta(work.namespace, f"{work.service}-1")
        meta["labels"] = {"kubernetes.io/service-name": work.service}
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta,
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": work.port}],
            "endpoints": [
                {"addresses": ["198.18.0.9"], "conditions": {"ready": w.name != SICK}}
                for w in behind
                for _ in w.pod_names
            ],
        }


def _settings(shape: Shape) -> Iterator[Tree]:
    if not any(work.service == "reviews" for work in shape.works):
        return
    weights = (("v1", 90), ("v2", 10))
    yield _setting(
        "networking.istio.io/v1",
        "VirtualService",
        "shop",
        "reviews",
        {
            "hosts": ["reviews"],
            "http": [
                {
                    "name": "canary",
                    "timeout": "2s",
                    "route": [
                        {"destination": {"host": "reviews", "subset": v}, "weight": w}
                        for v, w in weights
                    ],
                }
            ],
        },
    )
    yield _setting(
        "networking.istio.io/v1",
        "DestinationRule",
        "shop",
        "reviews",
        {
            "host": "reviews",
            "subsets": [{"name": v, "labels": {"version": v}} for v, _ in weights],
        },
    )
    yield _setting(
        "security.istio.io/v1",
        "AuthorizationPolicy",
        "money",
        "payments-callers",
        {
            "selector": {"matchLabels": {"app": "payments"}},
            "action": "ALLOW",
            "rules": [
                {
                    "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/checkout"]}}],
                    "to": [{"operation": {"methods": ["POST"], "paths": ["/pay"]}}],
                }
            ],
        },
    )
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}
    data = {"password": "aHVudGVyMg=="}
    yield {**secret, "metadata": _meta("shop", "db-password"), "data": data}


def _setting(version: str, kind: str, namespace: str, name: str, spec: Tree) -> Tree:
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Programmed",
        "message": "15/15 proxies",
        "observedGeneration": 1,
        "lastTransitionTime": WHEN,
    }
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": _meta(namespace, name),
        "spec": spec,
        "status": {"conditions": [condition]},
    }
