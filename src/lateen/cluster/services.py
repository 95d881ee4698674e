"""Give each Service its address and its ports of the node.

In: all Services.    Out: actions.    Source: core/v1 ServiceSpec.clusterIP, ServicePort.nodePort.
Before: api/service.py        After: cluster/endpoints.py, world/
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from lateen.api.objects import Obj
from lateen.api.service import Service
from lateen.base.errors import Bug
from lateen.cluster.actions import Action, PutObject
from lateen.cluster.addresses import SERVICES, free_addresses

_FIRST, _COUNT = 30000, 2768


def service_of(obj: Obj) -> Service:
    """The typed Service."""
    if not isinstance(obj.typed, Service):
        raise Bug(f"{obj.key} is no Service")
    return obj.typed


def allocate(services: Sequence[Obj]) -> tuple[Action, ...]:
    """Fill in clusterIP, clusterIPs and nodePort; what is written stays, `None` stays `None`.

    A Service that is no longer of a type with ports of the node gives them back.
    """
    free = free_addresses(SERVICES, (service_of(s).spec.cluster_ip for s in services))
    taken = {p.node_port for s in services for p in service_of(s).spec.ports}
    actions: list[Action] = []
    for obj in services:
        spec = dict(obj.raw["spec"])
        if _lacks_address(service_of(obj)) and (
            address := service_of(obj).spec.cluster_ip or next(free, "")
        ):
            spec |= {"clusterIP": address, "clusterIPs": [address]}
        if _lacks_ports(service_of(obj)):
            spec["ports"] = _node_ports(obj, taken)
        if spec != obj.raw["spec"]:
            actions.append(PutObject(raw={**obj.raw, "spec": spec}, manager=""))
    return tuple(actions)


def _lacks_ports(service: Service) -> bool:
    takes = service.spec.takes_node_ports
    if takes:
        return not all(port.node_port for port in service.spec.ports)
    return service.spec.type == "ClusterIP" and any(p.node_port for p in service.spec.ports)


def _node_ports(obj: Obj, taken: set[int]) -> list[dict[str, Any]]:
    """The ports, each with one of the node that is nobody else's; none for type ClusterIP.

    Where to begin follows from the Service's uid, so that meshes of one machine seldom meet.
    """
    made: list[dict[str, Any]] = []
    for port in obj.raw["spec"]["ports"]:
        plain = {name: value for name, value in port.items() if name != "nodePort"}
        number = port.get("nodePort", 0)
        if not service_of(obj).spec.takes_node_ports:
            made.append(plain)
            continue
        if not number:
            seed = f"{obj.meta.uid} {port.get('protocol')} {port['port']}".encode()
            start = int.from_bytes(hashlib.blake2b(seed, digest_size=4).digest())
            every = (_FIRST + (start + step) % _COUNT for step in range(_COUNT))
            number = next((n for n in every if n not in taken), 0)
            taken.add(number)
        made.append({**plain, "nodePort": number} if number else plain)
    return made


def _lacks_address(service: Service) -> bool:
    spec = service.spec
    if spec.type == "ExternalName":
        return False
    return not spec.cluster_ip or spec.cluster_ips != (spec.cluster_ip,)
