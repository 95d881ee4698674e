"""The columns kubectl shows for each kind.

In: an object's raw tree.    Out: COLUMNS by kind, each cell a pure function.
Before: apiserver/podcells.py        After: apiserver/workcolumns.py, apiserver/tables.py

Source: kubernetes pkg/printers/internalversion; the printer columns of Istio's CRDs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from lateen.api.kinds import NETWORKING, SECURITY
from lateen.apiserver.ages import age_of
from lateen.apiserver.podcells import summarize_pod

Tree = Mapping[str, Any]
NONE = "<none>"


class Column(Struct, frozen=True, kw_only=True):
    """One column; `priority` above 0 means: only with `-o wide`."""

    name: str
    cell: Callable[[Tree, datetime], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def at(tree: Any, *path: str) -> Any:
    """The value of a nested field, or None."""
    for part in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree


def text_column(name: str, *path: str, default: str = NONE, wide: bool = False) -> Column:
    """A column that shows a field as it is."""
    return Column(
        name=name,
        cell=lambda raw, _: str(at(raw, *path) or default),
        priority=int(wide),
        description=".".join(path),
    )


def number_column(name: str, *path: str) -> Column:
    """A column that shows a number, 0 when absent."""
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


def shown_column(name: str, show: Callable[[Tree], Any], *, type: str = "string") -> Column:
    """A column made of the whole object."""
    return Column(name=name, cell=lambda raw, _: show(raw), type=type)


def wide_column(name: str, show: Callable[[Tree], str]) -> Column:
    """The same, only with `-o wide`."""
    return Column(name=name, cell=lambda raw, _: show(raw), priority=1)


def labels_text(labels: object) -> str:
    """`app=web,tier=front`, or `<none>`."""
    if not isinstance(labels, Mapping) or not labels:
        return NONE
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items()))


def selector_cell(raw: Tree) -> str:
    """A workload's or Service's selector."""
    spec = at(raw, "spec", "jobTemplate", "spec") or at(raw, "spec")
    selector = at(spec, "selector") or {}
    return labels_text(selector.get("matchLabels", selector))


def joined(values: Iterable[object]) -> str:
    """`a,b`, or `<none>`."""
    return ",".join(str(v) for v in values) or NONE


def _containers(raw: Tree) -> tuple[Tree, ...]:
    spec = at(raw, "spec", "jobTemplate", "spec") or at(raw, "spec")
    return tuple(at(spec, "template", "spec", "containers") or ())


def _keys(raw: Tree) -> int:
    return len({**(raw.get("data") or {}), **(raw.get("binaryData") or {})})


def _service_ports(raw: Tree) -> str:
    ports = at(raw, "spec", "ports") or ()
    return joined(
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
            return joined(given) if given else "<pending>"
        case _:
            return joined(spec.get("externalIPs") or ())


def _cluster_address(raw: Tree) -> str:
    return str(at(raw, "spec", "clusterIP") or NONE)


def _slice_ports(raw: Tree) -> str:
    ports = [str(p.get("port")) for p in raw.get("ports") or () if p.get("port")]
    return joined(ports) if ports else "<unset>"


def _slice_endpoints(raw: Tree) -> str:
    addresses = [a for e in raw.get("endpoints") or () for a in e.get("addresses") or ()]
    if not addresses:
        return "<unset>"
    more = f" + {len(addresses) - 3} more..." if len(addresses) > 3 else ""
    return ",".join(addresses[:3]) + more


def _endpoints(raw: Tree) -> str:
    """`10.0.0.1:80,10.0.0.2:80`: each ready address with each port."""
    pairs = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in raw.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return joined(pairs[:3]) + (f" + {len(pairs) - 3} more..." if len(pairs) > 3 else "")


def replicas_cell(raw: Tree) -> str:
    """Replicas that are ready, of those wanted."""
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
IMAGES = (
    wide_column("Containers", lambda raw: joined(c.get("name") for c in _containers(raw))),
    wide_column("Images", lambda raw: joined(c.get("image") for c in _containers(raw))),
    wide_column("Selector", selector_cell),
)

COLUMNS: Mapping[tuple[str, str], tuple[Column, ...]] = {
    ("", "Namespace"): (text_column("Status", "status", "phase", default="Active"),),
    ("", "ServiceAccount"): (
        shown_column("Secrets", lambda raw: len(raw.get("secrets") or ()), type="integer"),
    ),
    ("", "ConfigMap"): (shown_column("Data", _keys, type="integer"),),
    ("", "Secret"): (
        text_column("Type", "type", default="Opaque"),
        shown_column("Data", _keys, type="integer"),
    ),
    ("", "Service"): (
        text_column("Type", "spec", "type", default="ClusterIP"),
        shown_column("Cluster-IP", _cluster_address),
        shown_column("External-IP", _external_address),
        shown_column("Port(s)", _service_ports),
        wide_column("Selector", selector_cell),
    ),
    ("", "Pod"): (
        shown_column("Ready", lambda raw: summarize_pod(raw).ready_cell()),
        shown_column("Status", lambda raw: summarize_pod(raw).status),
        Column(name="Restarts", cell=_pod_restarts),
        text_column("IP", "status", "podIP", wide=True),
        text_column("Node", "spec", "nodeName", wide=True),
        text_column("Nominated Node", "status", "nominatedNodeName", wide=True),
        wide_column("Readiness Gates", lambda _: NONE),
    ),
    ("", "Endpoints"): (shown_column("Endpoints", _endpoints),),
    ("discovery.k8s.io", "EndpointSlice"): (
        text_column("AddressType", "addressType", default="IPv4"),
        shown_column("Ports", _slice_ports),
        shown_column("Endpoints", _slice_endpoints),
    ),
    ("apps", "Deployment"): (
        shown_column("Ready", replicas_cell),
        number_column("Up-to-date", "status", "updatedReplicas"),
        number_column("Available", "status", "availableReplicas"),
        *IMAGES,
    ),
    ("apps", "ReplicaSet"): (
        shown_column("Desired", _desired, type="integer"),
        number_column("Current", "status", "replicas"),
        number_column("Ready", "status", "readyReplicas"),
        *IMAGES,
    ),
    (NETWORKING, "Gateway"): (),
    (NETWORKING, "VirtualService"): (
        _as_json("Gateways", "spec", "gateways"),
        _as_json("Hosts", "spec", "hosts"),
    ),
    (NETWORKING, "DestinationRule"): (text_column("Host", "spec", "host", default=""),),
    (NETWORKING, "ServiceEntry"): (
        _as_json("Hosts", "spec", "hosts"),
        text_column("Location", "spec", "location", default=""),
        text_column("Resolution", "spec", "resolution", default=""),
    ),
    (SECURITY, "PeerAuthentication"): (text_column("Mode", "spec", "mtls", "mode", default=""),),
    (SECURITY, "AuthorizationPolicy"): (text_column("Action", "spec", "action", default=""),),
}
