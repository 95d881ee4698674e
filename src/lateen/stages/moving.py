"""Take the coming and going of pods behind a Service the short way: nothing is planned anew for it.

In: events of the store, the latest plan.    Out: the plan with other endpoints, or None: plan anew.
Before: stages/planning.py                   After: app/control.py

Its price follows from the services that moved and from the proxies, not from how many services there are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from lateen.api.objects import Obj
from lateen.cluster.pods import pod_of
from lateen.envoy.emit import emit_endpoint_set
from lateen.envoy.resources import Named, Resource, Resources, ResourceType
from lateen.ir.backends import EndpointSet
from lateen.ir.plan import ProxyPlan
from lateen.node.protocol import Directory, ServiceAddress
from lateen.stages.planning import Planned, Planning, service_address
from lateen.store.interface import Event, EventType
from lateen.translate.moving import MovedEndpoints, moved_endpoints
from lateen.translate.views import Index, index_of
from lateen.world.build import by_address
from lateen.world.model import Instance, Shape, World
from lateen.world.names import addresses_of
from lateen.world.services import instances_by_service, owner_of
from lateen.world.workloads import workload_of

Services = frozenset[tuple[str, str]]  # by namespace and name
SlicesIn = Callable[[str], Iterable[Obj]]  # the EndpointSlices of a namespace


@dataclass(kw_only=True)
class Moves:
    """What changed since the last round, for as long as it is endpoints and routes alone."""

    beyond: bool = True  # something else changed, too, or nothing was planned yet
    rules: bool = False  # VirtualServices changed
    _services: set[tuple[str, str]] = field(default_factory=set)
    _pods: bool = False

    def note(self, event: Event) -> None:
        """Take in a change that can matter to what proxies run."""
        key = event.obj.key
        if key.kind == "EndpointSlice":
            for obj in (event.obj, event.before):
                if obj is not None and (owner := owner_of(obj)):
                    self._services.add((key.namespace, owner))
        elif key.kind == "Pod" and _is_as_it_was(event):
            self._pods = True
        elif key.kind == "VirtualService":
            self.rules = True
        else:
            self.beyond = True

    def take(self, world: World | None) -> Services | None:
        """The services whose endpoints may be others; None if only a whole plan will do.

        Whether rules changed, too, is to be asked before.
        """
        beyond = self.beyond or world is None or (self._pods and bool(world.entry_instances))
        services = frozenset(self._services)
        self.beyond = self.rules = self._pods = False
        self._services.clear()
        return None if beyond else services


def _is_as_it_was(event: Event) -> bool:
    """Whether a pod's change leaves it the same for all rules; if it is ready, its slices say."""
    if event.type is not EventType.MODIFIED or event.before is None:
        return False
    now, before = (pod_of(obj).spec.node_name for obj in (event.obj, event.before))
    return now == before and workload_of(event.obj, {}, "", {}) == workload_of(
        event.before, {}, "", {}
    )


def moved_world(world: World, services: Services, slices: SlicesIn) -> World | None:
    """The world with these services' instances anew; None if one is not simply reached by address.

    Headless ones have names for their pods, those for clients outside the border's doors, and to
    endpoints that are no pods the border has to let.
    """
    instances: dict[tuple[str, str], tuple[Instance, ...]] = {}
    for namespace, name in services:
        for service in world.services_in.get(namespace, ()):
            if service.name == name and (service.shape is not Shape.CLUSTER_IP or service.for_host):
                return None
        own = [each for each in slices(namespace) if owner_of(each) == name]
        found = instances_by_service(
            own, lambda space, pod: world.workloads.get((space, pod)), by_address(world.workloads)
        )
        key = (namespace, name)
        instances[key] = found.get(key, ())
        if any(each.workload is None for each in (*instances[key], *world.instances.get(key, ()))):
            return None
    return replace(world, instances={**world.instances, **instances})


def moved(planned: Planned, index: Index, services: Services, slices: SlicesIn) -> Planned | None:
    """The latest plan with the endpoints of these services anew; None if more would change.

    `index` is that of the latest plan's world; what is the same keeps its identity.
    """
    world = moved_world(planned.world, services, slices)
    if world is None:
        return None
    hosts = tuple(
        sorted(
            s.host for n, name in services for s in world.services_in.get(n, ()) if s.name == name
        )
    )
    index = index.at(world)
    sets: dict[int, MovedEndpoints] = {}
    plans: dict[str, ProxyPlan] = {}
    resources: dict[str, Resources] = {}
    emitting = _Emitting()
    for node, plan in planned.plans.items():
        known = id(plan.endpoints)  # proxies that see the same share it
        if known not in sets:
            made = moved_endpoints(index, plan, hosts)
            if made is None:
                return None
            sets[known] = made
        now, before = sets[known], planned.resources[node]
        plans[node] = replace(plan, endpoints=now.all) if now.fresh else plan
        resources[node] = emitting.step(before, now) if now.fresh else before
    return replace(planned, world=world, plans=plans, resources=resources)


class _Emitting:
    """Makes each endpoint set's bytes once, and each set of resources once for all who share it."""

    def __init__(self) -> None:
        self._made: dict[EndpointSet, Resource] = {}
        self._sets: dict[tuple[int, int], Mapping[str, Resource]] = {}

    def step(self, before: Resources, now: MovedEndpoints) -> Resources:
        shared = before[ResourceType.ENDPOINTS]
        key = (id(shared), id(now))
        if key not in self._sets:
            known = shared if isinstance(shared, Named) else Named(shared)
            self._sets[key] = known.with_these(map(self._resource, now.fresh))
        return {**before, ResourceType.ENDPOINTS: self._sets[key]}

    def _resource(self, endpoints: EndpointSet) -> Resource:
        if endpoints not in self._made:
            self._made[endpoints] = emit_endpoint_set(endpoints)
        return self._made[endpoints]


@dataclass(kw_only=True)
class Moving:
    """The short way, beside planning."""

    planning: Planning
    _rules: tuple[Planned, Index] | None = None  # the rules of the last whole plan, settled

    def step(self, services: Services, slices: SlicesIn) -> Planned | None:
        """Hand over other endpoints of these services; None if only a whole plan will do."""
        latest, whole = self.planning.latest, self.planning.whole
        if latest is None or whole is None:
            return None
        if self._rules is None or self._rules[0] is not whole:
            self._rules = (whole, index_of(whole.world))
        planned = moved(latest, self._rules[1], services, slices)
        if planned is not None:
            self.planning.take(planned)
        return planned


def moved_directory(
    directory: Directory, world: World, services: Services
) -> tuple[Directory, tuple[ServiceAddress, ...]]:
    """The directory with the addresses behind these services anew, and those that are others now."""
    found = list(directory.services)
    moved: list[ServiceAddress] = []
    for namespace, name in sorted(services):
        for service in world.services_in.get(namespace, ()):
            if service.name != name:
                continue
            for record in addresses_of(world, service):
                at = bisect_left(found, (record.address, record.port), key=_place)
                if at < len(found) and _place(found[at]) == (record.address, record.port):
                    made = service_address(record)
                    if made != found[at]:
                        found[at] = made
                        moved.append(made)
    if not moved:
        return directory, ()
    return msgspec.structs.replace(directory, services=tuple(found)), tuple(moved)


def _place(record: ServiceAddress) -> tuple[str, int]:
    return record.address, record.port
