"""What a journey needs to know of the mesh: its pods, its names, its packet filters, its plans.

In: World, a way to get plans.    Out: Mesh.
Before: world/, translate/        After: journey.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address

from msgspec import Struct

from lateen.ir.packets import OPEN, PodFilter
from lateen.ir.plan import ProxyPlan
from lateen.translate.packets import filters_of
from lateen.world.build import by_address
from lateen.world.model import CLUSTER_DOMAIN, Service, Workload, World
from lateen.world.names import NameRecord, names

_MOST_ALIASES = 5


class Mesh(Struct, frozen=True, kw_only=True):
    """One world, with what is asked of it again and again looked up once."""

    world: World
    plan_of: Callable[[Workload], ProxyPlan | None]
    names: Mapping[str, NameRecord]
    pods: Mapping[str, Workload]  # by address
    services: frozenset[str]  # their addresses
    filters: Mapping[tuple[str, str], PodFilter]

    def filter_of(self, workload: Workload) -> PodFilter:
        """What NetworkPolicies let reach a pod and leave it."""
        return self.filters.get((workload.namespace, workload.name), OPEN)

    def address_of(self, host: str, namespace: str) -> tuple[str, str] | None:
        """The address a client in a namespace dials for a host, and the host's full name.

        The address is "" for a name that only servers outside know; None where there is no such name.
        """
        if _is_address(host):
            return host, host
        name = host.lower().rstrip(".")
        for full in (
            f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}",
            f"{name}.svc.{CLUSTER_DOMAIN}",
            f"{name}.{CLUSTER_DOMAIN}",
            name,
        ):
            if record := self._record(full):
                return next(iter(record.addresses), ""), record.name
        inside = name.endswith(f".{CLUSTER_DOMAIN}") or "." not in name
        return None if inside else ("", name)

    def _record(self, name: str) -> NameRecord | None:
        """The record of a name, or of what it is another name for."""
        record = self.names.get(name)
        for _ in range(_MOST_ALIASES):
            if record is None or not record.cname:
                return record
            record = self.names.get(record.cname) or NameRecord(name=record.cname)
        return record

    def service(self, host: str, namespace: str) -> Service | None:
        """The service of a full name, as seen from a namespace."""
        return self.world.service(host, namespace)


def mesh_of(world: World, plan_of: Callable[[Workload], ProxyPlan | None]) -> Mesh:
    """Look everything up."""
    return Mesh(
        world=world,
        plan_of=plan_of,
        names={record.name: record for record in names(world)},
        pods=by_address(world.workloads),
        services=frozenset(
            address
            for claims in world.services.values()
            for service in claims
            if not service.is_entry
            for address in service.addresses
        ),
        filters=filters_of(world),
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
