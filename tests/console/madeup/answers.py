"""What the control plane answers about the made-up mesh."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lateen.apiserver.deps import ApiDeps
from lateen.store.memory import MemoryStore
from tests.apiserver.world import deps_for
from tests.console.madeup.objects import SICK
from tests.console.madeup.shape import OUTSIDE, Call, Shape, Work

Now = Callable[[], float]  # seconds since the epoch
DUMP = Path(__file__).parent / "config_dump.json"  # of a real Envoy, made smaller
BEGAN = 600.0  # seconds before the tests' beginning at which the proxies began to count
REFUSED = "catalog"  # whose proxy refused its routes


def deps_of(shape: Shape, store: MemoryStore, now: Now) -> ApiDeps:
    """Dependencies that know the shape; counters grow with the clock."""
    began = now() - BEGAN

    async def traffic() -> Any:
        return {"edges": [_edge(call, now() - began) for call in shape.calls], "proxies": []}

    async def config_dump(namespace: str, name: str) -> Any:
        return json.loads(DUMP.read_text())

    async def decisions(id: str) -> Any:
        return {"hops": [DENIED]}

    return replace(
        deps_for(store),
        status=lambda: _status(shape, now()),
        problems=lambda: {"problems": _problems(now())},
        proxies=lambda: {"proxies": [_proxy(w, pod, now()) for w, pod in _proxies(shape)]},
        certificates=lambda: {"certificates": [], "rotation": "steady", "waitingFor": []},
        traffic=traffic,
        config_dump=config_dump,
        holders=lambda key: {"proxies": _holders(shape, key.kind)},
        settings_at=lambda namespace, pod: {"settings": _settings(namespace)},
        decisions=decisions,
    )


DENIED = {
    "namespace": "money",
    "pod": "payments-5d9f7c6b4-00000",
    "time": "2026-11-21T21:50:55.104Z",
    "id": "3f0e6c1a-0c5e-9d3b-8a77-2f7d1c0b9a10",
    "method": "GET",
    "path": "/pay",
    "authority": "payments.money:8080",
    "status": 403,
    "refused": True,
    "verdict": "not allowed",
    "why": "no ALLOW policy lets it in: AuthorizationPolicy money/payments-callers, istio/payments-callers.yaml:1",
    "rule": None,
    "marks": [],
}


def _holders(shape: Shape, kind: str) -> list[dict[str, Any]]:
    if kind == "Secret":
        return []
    return [
        {
            "namespace": work.namespace,
            "pod": pod,
            "acknowledged": not (work.name == REFUSED and kind == "VirtualService"),
        }
        for work, pod in _proxies(shape)
    ]


def _settings(namespace: str) -> list[dict[str, Any]]:
    if namespace != "money":
        return []
    own = {"group": "security.istio.io", "kind": "AuthorizationPolicy", "namespace": "money"}
    return [{**own, "name": "payments-callers", "acknowledged": True}]


def _edge(call: Call, seconds: float) -> dict[str, Any]:
    count = int(call.rate * seconds)
    source = call.source
    return {
        "source": source.name if source else OUTSIDE,
        "source_namespace": source.namespace if source else OUTSIDE,
        "destination": call.target.name,
        "destination_namespace": call.target.namespace,
        "version": call.target.version or OUTSIDE,
        "requests": 0 if call.tcp else count,
        "errors": 0 if call.tcp else int(call.rate * seconds * call.errors),
        "tries": 0 if call.tcp else int(call.rate / (1 - call.hidden) * seconds),
        "tries_failed": 0 if call.tcp else int(_failing_tries(call) * seconds),
        "mutual": 0 if source is None else count,
        "plain": count if source is None else 0,
        "connections": count if call.tcp else 0,
        "milliseconds": None if call.tcp else call.p95 / 2,
    }


def _failing_tries(call: Call) -> float:
    return call.rate * (call.errors + call.hidden / (1 - call.hidden))


def _proxies(shape: Shape) -> list[tuple[Work, str]]:
    return [(work, pod) for work in shape.works for pod in work.pod_names]


def _status(shape: Shape, now: float) -> dict[str, Any]:
    return {
        "name": "shop",
        "phase": "degraded" if any(w.name == SICK for w in shape.works) else "ready",
        "pods": [_pod(work, pod) for work, pod in _proxies(shape)],
        "urls": ["http://127.0.0.1:8080"],
        "refused": [],
        "news": [],
        "problems": _problems(now),
    }


def _pod(work: Work, pod: str) -> dict[str, Any]:
    sick = work.name == SICK
    return {
        "namespace": work.namespace,
        "name": pod,
        "ready": "1/2" if sick else "2/2",
        "isReady": not sick,
        "state": "CrashLoopBackOff" if sick else "Running",
        "phase": "Running",
        "message": "the last run ended with exit code 1 (Error)" if sick else "",
        "restarts": 7 if sick else 0,
        "ip": "198.18.0.9",
        "proxy": "programmed",
        "age": 5400,
    }


def _problems(now: float) -> list[dict[str, Any]]:
    rows = (
        (
            *("IST0101", "Error", "VirtualService", "shop", "checkout", "spec.http[0].route[1]"),
            *(21, "no subset v3 of host payments.money.svc.cluster.local", "v1 or v2", 240),
        ),
        (
            *("LAT0002", "Warning", "Deployment", "data", "cache", "spec.template.spec.hostIPC"),
            *(18, "it has no effect here yet", "", 5400),
        ),
    )
    return [
        {
            "code": code,
            "level": level,
            "kind": kind,
            "namespace": namespace,
            "name": name,
            "field": field,
            "file": f"istio/{name}.yaml",
            "line": line,
            "column": 9,
            "message": message,
            "fix": fix,
            "since": now - ago,
        }
        for code, level, kind, namespace, name, field, line, message, fix, ago in rows
    ]


def _proxy(work: Work, pod: str, now: float) -> dict[str, Any]:
    refused = work.name == REFUSED and pod.endswith("00000")
    words = "route: the regex '(' of the path does not compile: missing argument to repetition"
    return {
        "namespace": work.namespace,
        "pod": pod,
        "id": f"sidecar~198.18.0.9~{pod}.{work.namespace}~{work.namespace}.svc.cluster.local",
        "role": "router" if "gateway" in work.name else "sidecar",
        "identity": f"spiffe://cluster.local/ns/{work.namespace}/sa/{work.name}",
        "state": "refused" if refused else "programmed",
        "types": {"CDS": 17, "EDS": 13, "LDS": 7, "RDS": 3, "SDS": 2},
        "versions": {},
        "ackedAt": dict.fromkeys(("CDS", "EDS", "LDS", "RDS", "SDS"), now - 95),
        "kept": 0,
        "sent": {},
        "bytes": 71354,
        "since": now - 5400,
        "certificateSeconds": 71000.0,
        "refused": [{"type": "RDS", "names": "8080", "message": words, "at": now - 130}]
        if refused
        else [],
    }
