"""Tell in each Service's and Ingress's status where clients of the host find it.

In: Services, Ingresses, openings, ports that could not be opened.    Out: statuses.
Before: stages/openings.py                                            After: app/control.py
Source: core/v1 LoadBalancerStatus, networking.k8s.io/v1 IngressLoadBalancerStatus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.api.kinds import KUBERNETES_NETWORKING
from lateen.api.meshconfig import NAMESPACE, mesh_config_in
from lateen.api.objects import Obj
from lateen.api.service import Service
from lateen.stages.openings import Opening
from lateen.store.interface import Store
from lateen.world.ingresses import gateway_labels, served

ADDRESS = "127.0.0.1"
PORT_IN_USE = "PortInUse"


def expose(
    store: Store,
    openings: Iterable[Opening],
    *,
    ports: Mapping[int, int],
    closed: Iterable[int],
) -> None:
    """Put the statuses that are not yet so; `closed` are ports of the host that somebody else has."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    front: dict[int, dict[str, Any]] = {}
    shut = frozenset(closed)
    mesh = mesh_config_in(store.list(group="", kind="ConfigMap", namespace=NAMESPACE))
    gateway = gateway_labels(mesh).items()
    for opening in openings:
        if opening.own:
            number = opening.on_host(ports)
            told: dict[str, Any] = {"port": number, "protocol": "TCP"}
            if number in shut:
                told["error"] = PORT_IN_USE
            found.setdefault((opening.service.namespace, opening.service.name), []).append(told)
            if any(gateway <= pod.labels.items() for pod, _ in opening.pods):
                front[opening.port] = told
    for obj in store.list(group="", kind="Service"):
        _put(store, obj, _status(obj, found.get((obj.key.namespace, obj.key.name), ())))
    ingresses = store.list(group=KUBERNETES_NETWORKING, kind="Ingress")
    classes = store.list(group=KUBERNETES_NETWORKING, kind="IngressClass")
    served_here = {obj.key for obj in served(ingresses, classes, mesh)}
    for obj in ingresses:
        wanted = (80, 443) if obj.raw["spec"].get("tls") else (80,)
        told_of = [front[port] for port in wanted if port in front]
        here = obj.key in served_here and any("error" not in told for told in told_of)
        _put(store, obj, {"ingress": [{"ip": ADDRESS, "ports": told_of}]} if here else {})


def _put(store: Store, obj: Obj, wanted: dict[str, Any]) -> None:
    status = obj.raw.get("status") or {}
    if status.get("loadBalancer", {}) != wanted:
        store.put_status(obj.key, {**status, "loadBalancer": wanted})


def _status(obj: Obj, ports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One of type LoadBalancer without any port here is pending, as it would be in a cluster."""
    told = list(ports)
    assert isinstance(obj.typed, Service)  # noqa: S101 - only Services are listed
    if obj.typed.spec.type != "LoadBalancer" or all("error" in port for port in told):
        return {}
    return {"ingress": [{"ip": ADDRESS, "ipMode": "VIP", "ports": told}]}
