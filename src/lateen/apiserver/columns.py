"""The columns kubectl shows for each kind.

In: an object's raw tree.    Out: COLUMNS by kind, each cell a pure function.
Before: apiserver/podcells.py        After: apiserver/tables.py

Source: kubernetes pkg/printers/internalversion; the printer columns of Istio's CRDs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lateen.api.kinds import NETWORKING, SECURITY, Kind
from lateen.apiserver.ages import age_of
from lateen.apiserver.podcells import summarize_pod

Tree = Mapping[str, Any]
NONE = "<none>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; `priority` above 0 means: only with `-o wide`."""

    name: str
    cell: Callable[[Tree, datetime], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """Name, the kind's own columns, age, and then what `-o wide` adds."""
    own = COLUMNS.get((kind.group, kind.kind), ())
    narrow = tuple(c for c in own if not c.priority)
    wide = tuple(c for c in own if c.priority)
    return (NAME, *narrow, AGE, *wide)


def at(tree: Any, *path: str) -> Any:
    """The value of a nested field, or None."""
    for part in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree


def _text(name: str, *path: str, default: str = NONE, wide: bool = False) -> Column:
    return Column(
        name=name,
        cell=lambda raw, _: str(at(raw, *path) or default),
        priority=int(wide),
        description=".".join(path),
    )


def _number(name: str, *path: str) -> Column:
    return Column(
        name=name,
        cell=lambda raw, _: at(raw, *path) or 0,
        type="integer",
        format="int32",
        description=".".join(path),
    )


def _as_json(name: str, *path: str) -> Column:
    """A list as an Istio CRD prints it: `["a","b"]`, empty when absent."""

    def cell(raw: Tree, _: datetime) -> str:
        value = at(raw, *path)
        return json.dumps(value, separators=(",", ":")) if value else ""

    return Column(name=name, cell=cell, description=".".join(path))


def _shown(name: str, show: Callable[[Tree], Any], *, type: str = "string") -> Column:
    return Column(name=name, cell=lambda raw, _: show(raw), type=type)


def _wide(name: str, show: Callable[[Tree], str]) -> Column:
    return Column(name=name, cell=lambda raw, _: show(raw), priority=1)


def labels_text(labels: object) -> str:
    """`app=web,tier=front`, or `<none>`."""
    if not isinstance(labels, Mapping) or not labels:
        return NONE
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items()))


def _selector(raw: Tree) -> str:
    selector = at(raw, "spec", "selector") or {}
    return labels_text(selector.get("matchLabels", selector))


def _joined(values: Iterable[object]) -> str:
    return ",".join(str(v) for v in values) or NONE


def _containers(raw: Tree) -> tuple[Tree, ...]:
    return tuple(at(raw, "spec", "template", "spec", "containers") or ())


def _keys(raw: Tree) -> int:
    return len({**(raw.get("data") or {}), **(raw.get("binaryData") or {})})


def _service_ports(raw: Tree) -> str:
    ports = at(raw, "spec", "ports") or ()
    return _joined(
        f"{p.get('port')}{':' + str(p['nodePort']) if p.get('nodePort') else ''}"
        f"/{p.get('protocol', 'TCP')}"
        for p in ports
    )


def _external_address(raw: Tree) -> str:
    spec = raw.get("spec") or {}
    match spec.get("type", "ClusterIP"):
        case "ExternalName":
            return str(spec.get("externalName", NONE))
        case "LoadBalancer":
            ingress = at(raw, "status", "loadBalancer", "ingress") or ()
            given = [i.get("ip") or i.get("hostname") for i in ingress]
            return _joined(given) if given else "<pending>"
        case _:
            return _joined(spec.get("externalIPs") or ())


def _cluster_address(raw: Tree) -> str:
    return str(at(raw, "spec", "clusterIP") or NONE)


def _slice_ports(raw: Tree) -> str:
    ports = [str(p.get("port")) for p in raw.get("ports") or () if p.get("port")]
    return _joined(ports) if ports else "<unset>"


def _slice_endpoints(raw: Tree) -> str:
    addresses = [a for e in raw.get("endpoints") or () for a in e.get("addresses") or ()]
    if not addresses:
        return "<unset>"
    more = f" + {len(addresses) - 3} more..." if len(addresses) > 3 else ""
    return ",".join(addresses[:3]) + more


def _deployment_ready(raw: Tree) -> str:
    wanted = at(raw, "spec", "replicas")
    return f"{at(raw, 'status', 'readyReplicas') or 0}/{1 if wanted is None else wanted}"


def _desired(raw: Tree) -> int:
    wanted = at(raw, "spec", "replicas")
    return 1 if wanted is None else int(wanted)


def _pod_restarts(raw: Tree, now: datetime) -> str:
    return summarize_pod(raw).restarts_cell(now)


NAME = Column(
    name="Name",
    cell=lambda raw, _: str(at(raw, "metadata", "name") or ""),
    format="name",
    description="Name is unique within a namespace.",
)
AGE = Column(
    name="Age",
    cell=lambda raw, now: age_of(at(raw, "metadata", "creationTimestamp"), now),
    description="Time since the object was created.",
)
_IMAGES = (
    _wide("Containers", lambda raw: _joined(c.get("name") for c in _containers(raw))),
    _wide("Images", lambda raw: _joined(c.get("image") for c in _containers(raw))),
    _wide("Selector", _selector),
)

COLUMNS: Mapping[tuple[str, str], tuple[Column, ...]] = {
    ("", "Namespace"): (_text("Status", "status", "phase", default="Active"),),
    ("", "ServiceAccount"): (
        _shown("Secrets", lambda raw: len(raw.get("secrets") or ()), type="integer"),
    ),
    ("", "ConfigMap"): (_shown("Data", _keys, type="integer"),),
    ("", "Secret"): (
        _text("Type", "type", default="Opaque"),
        _shown("Data", _keys, type="integer"),
    ),
    ("", "Service"): (
        _text("Type", "spec", "type", default="ClusterIP"),
        _shown("Cluster-IP", _cluster_address),
        _shown("External-IP", _external_address),
        _shown("Port(s)", _service_ports),
        _wide("Selector", _selector),
    ),
    ("", "Pod"): (
        _shown("Ready", lambda raw: summarize_pod(raw).ready_cell()),
        _shown("Status", lambda raw: summarize_pod(raw).status),
        Column(name="Restarts", cell=_pod_restarts),
        _text("IP", "status", "podIP", wide=True),
        _text("Node", "spec", "nodeName", wide=True),
        _text("Nominated Node", "status", "nominatedNodeName", wide=True),
        _wide("Readiness Gates", lambda _: NONE),
    ),
    ("discovery.k8s.io", "EndpointSlice"): (
        _text("AddressType", "addressType", default="IPv4"),
        _shown("Ports", _slice_ports),
        _shown("Endpoints", _slice_endpoints),
    ),
    ("apps", "Deployment"): (
        _shown("Ready", _deployment_ready),
        _number("Up-to-date", "status", "updatedReplicas"),
        _number("Available", "status", "availableReplicas"),
        *_IMAGES,
    ),
    ("apps", "ReplicaSet"): (
        _shown("Desired", _desired, type="integer"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        *_IMAGES,
    ),
    (NETWORKING, "Gateway"): (),
    (NETWORKING, "VirtualService"): (
        _as_json("Gateways", "spec", "gateways"),
        _as_json("Hosts", "spec", "hosts"),
    ),
    (NETWORKING, "DestinationRule"): (_text("Host", "spec", "host", default=""),),
    (NETWORKING, "ServiceEntry"): (
        _as_json("Hosts", "spec", "hosts"),
        _text("Location", "spec", "location", default=""),
        _text("Resolution", "spec", "resolution", default=""),
    ),
    (SECURITY, "PeerAuthentication"): (_text("Mode", "spec", "mtls", "mode", default=""),),
    (SECURITY, "AuthorizationPolicy"): (_text("Action", "spec", "action", default=""),),
}
