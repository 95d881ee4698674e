"""The endpoints of a plan anew, when pods came or went behind some services and nothing else changed.

In: Index of the world as it is now, a plan made before.    Out: endpoint sets, or None: plan anew.
Before: translate/plan.py        After: stages/moving.py

A service's identities and its headless listeners follow its pods, too; where such a thing has become
another, only a whole plan will do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from msgspec import Struct

from lateen.ir.backends import Backend, BackendId, EndpointSet
from lateen.ir.plan import ProxyPlan
from lateen.translate.backends import service_backends
from lateen.translate.views import Index, sight_of
from lateen.world.model import Shape


class MovedEndpoints(Struct, frozen=True, kw_only=True):
    """A plan's endpoint sets, the same tuple if none differs, and those that do."""

    all: tuple[EndpointSet, ...]
    fresh: tuple[EndpointSet, ...] = ()


def moved_endpoints(index: Index, plan: ProxyPlan, hosts: Iterable[str]) -> MovedEndpoints | None:
    """The plan's endpoint sets with those of these hosts made anew.

    None where more than endpoints changed for the proxy.
    """
    workload = index.world.workloads[plan.proxy.namespace, plan.proxy.pod]
    sight = sight_of(index, workload)
    fresh: dict[int, EndpointSet] = {}
    for host in hosts:
        service = sight.service(host)
        if service is None:
            continue
        if service.shape is not Shape.CLUSTER_IP:
            return None
        made = index.once(
            service_backends, sight.client(plan.proxy.role), service, sight.rules(service)
        )
        for backend in made.backends:
            known = _backend(plan.backends, backend.id)
            if known is not None and known != backend:
                return None
        for new in made.endpoints:
            at = bisect_left(plan.endpoints, new.id, key=_id_of)
            known_set = plan.endpoints[at] if at < len(plan.endpoints) else None
            if known_set and known_set.id == new.id and known_set != new:
                fresh[at] = new
    if not fresh:
        return MovedEndpoints(all=plan.endpoints)
    sets = list(plan.endpoints)
    for at, new in fresh.items():
        sets[at] = new
    return MovedEndpoints(all=tuple(sets), fresh=tuple(fresh.values()))


def _backend(backends: tuple[Backend, ...], id: BackendId) -> Backend | None:
    """The backend of that id; they are in order of it."""
    at = bisect_left(backends, id, key=lambda backend: backend.id)
    return backends[at] if at < len(backends) and backends[at].id == id else None


def _id_of(endpoints: EndpointSet) -> BackendId:
    return endpoints.id
