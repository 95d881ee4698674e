"""Give each Service its address.

In: all Services.    Out: actions.    Source: core/v1 ServiceSpec.clusterIP.
Before: api/service.py        After: cluster/endpoints.py, world/
"""

from __future__ import annotations

from collections.abc import Sequence

from lateen.api.objects import Obj
from lateen.api.service import Service
from lateen.base.errors import Bug
from lateen.cluster.actions import Action, PutObject
from lateen.cluster.addresses import SERVICES, free_addresses


def service_of(obj: Obj) -> Service:
    """The typed Service."""
    if not isinstance(obj.typed, Service):
        raise Bug(f"{obj.key} is no Service")
    return obj.typed


def allocate(services: Sequence[Obj]) -> tuple[Action, ...]:
    """Fill in clusterIP and clusterIPs; an address once written stays, `None` stays `None`."""
    unsettled = [s for s in services if _lacks_address(service_of(s))]
    if not unsettled:
        return ()
    free = free_addresses(SERVICES, (service_of(s).spec.cluster_ip for s in services))
    actions: list[Action] = []
    for obj in unsettled:
        address = service_of(obj).spec.cluster_ip or next(free, "")
        if address:
            spec = {**obj.raw["spec"], "clusterIP": address, "clusterIPs": [address]}
            actions.append(PutObject(raw={**obj.raw, "spec": spec}, manager=""))
    return tuple(actions)


def _lacks_address(service: Service) -> bool:
    spec = service.spec
    if spec.type == "ExternalName":
        return False
    return not spec.cluster_ip or spec.cluster_ips != (spec.cluster_ip,)
