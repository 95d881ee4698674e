"""Turn the store's objects into what every proxy should run, and hand it to the xDS server.

In: store objects less the quarantined ones.    Out: resources per proxy, names, the border's doors.
Before: store/, translate/, envoy/      After: xds/, stages/running.py

The step is pure work over values; what did not change keeps its bytes, and the xDS server sends only
resources whose version is new.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.base import layout
from lateen.base.origin import ObjectKey
from lateen.base.problem import Problem
from lateen.envoy.emit import PORT, emit
from lateen.envoy.memo import Memo
from lateen.envoy.resources import Extended, Resource, Resources
from lateen.ir.packets import OPEN, PodFilter
from lateen.ir.plan import Proxy, ProxyPlan
from lateen.node.protocol import Directory, Name, ServiceAddress
from lateen.stages.resolving import slot_of
from lateen.translate.packets import filters_of
from lateen.translate.plan import plans as plans_of
from lateen.world.build import world_of
from lateen.world.model import World
from lateen.world.names import AddressRecord, names, service_addresses
from lateen.world.needs import Needs

log = logging.getLogger(__name__)
_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",
)


class Planned(Struct, frozen=True, kw_only=True):
    """One round: the world, each proxy with its plan and resources, and what is wrong."""

    world: World
    plans: Mapping[str, ProxyPlan]
    resources: Mapping[str, Resources]
    problems: tuple[Problem, ...]
    filters: Mapping[tuple[str, str], PodFilter]  # of the pods that a NetworkPolicy is about

    @property
    def proxies(self) -> Mapping[str, Proxy]:
        """Every proxy, by node id."""
        return {node: plan.proxy for node, plan in self.plans.items()}

    def proxy_of(self, namespace: str, pod: str) -> Proxy | None:
        """The proxy of a pod, if it has one."""
        for plan in self.plans.values():
            if (plan.proxy.namespace, plan.proxy.pod) == (namespace, pod):
                return plan.proxy
        return None


def roots_of_this_system() -> str:
    """The PEM file of the CAs this machine trusts, wherever its distribution keeps it."""
    return next((path for path in _ROOTS if Path(path).exists()), _ROOTS[0])


@dataclass(kw_only=True)
class Planning:
    """What is kept from round to round: bytes already made, objects set aside."""

    run_dir: Path
    put: Callable[[str, Resources], None]
    drop: Callable[[str], None]
    system_roots: str = field(default_factory=roots_of_this_system)
    latest: Planned | None = None
    whole: Planned | None = None  # the last one planned from the ground up, see stages/moving.py
    memo: Memo = field(default_factory=Memo)

    def step(
        self,
        objects: tuple[Obj, ...],
        set_aside: frozenset[ObjectKey],
        needs: Needs | None = None,
    ) -> Planned:
        """Plan for every proxy, less the objects set aside, and hand over what each should have."""
        world = world_of((o for o in objects if o.key not in set_aside), needs=needs)
        planned = self._plan(world)
        before = self.latest.resources if self.latest else {}
        for node in before.keys() - planned.resources.keys():
            self.drop(node)
        for node, resources in planned.resources.items():
            if before.get(node) != resources:
                self.put(node, resources)
        self.latest = self.whole = planned
        return planned

    def take(self, planned: Planned) -> None:
        """Hand over what was made of the latest plan; the proxies are the same."""
        for node, resources in planned.resources.items():
            if self.latest is None or self.latest.resources[node] is not resources:
                self.put(node, resources)
        self.latest = planned

    def passing(self, pod: Obj) -> PodFilter | None:
        """What may reach a pod and leave it; None for one that was not there yet."""
        where = pod.key.namespace, pod.key.name
        if self.latest is None or where not in self.latest.world.workloads:
            return None
        return self.latest.filters.get(where, OPEN)

    def _plan(self, world: World) -> Planned:
        plans: dict[str, ProxyPlan] = {}
        made_now: dict[str, Resources] = {}
        problems: dict[Problem, None] = {}
        for made in plans_of(world):
            proxy = made.plan.proxy
            problems.update(dict.fromkeys(made.problems))
            plans[proxy.id] = made.plan
            made_now[proxy.id] = self.emitted(made.plan, world)
        self.memo.turn()
        resources = kept_where_equal(self.latest.resources if self.latest else {}, made_now)
        return Planned(
            world=world,
            plans=plans,
            resources=resources,
            problems=tuple(problems),
            filters=filters_of(world),
        )

    def emitted(self, plan: ProxyPlan, world: World) -> Resources:
        """What the proxy of a plan is sent."""
        proxy = plan.proxy
        slot = slot_of(world.workloads[proxy.namespace, proxy.pod].uid)
        return emit(
            plan,
            memo=self.memo,
            gateway_socket=str(layout.gateway_socket(self.run_dir, slot, PORT)),
            system_roots=self.system_roots,
        )


def kept_where_equal(
    before: Mapping[str, Resources], now: Mapping[str, Resources]
) -> Mapping[str, Resources]:
    """What there is now, with sets that are equal to those of before as the very objects of before."""
    known: dict[tuple[int, int], Mapping[str, Resource]] = {}

    def kept(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> Mapping[str, Resource]:
        key = (id(old), id(new))
        if key not in known:
            known[key] = old if _equal(old, new) else new
        return known[key]

    def _equal(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> bool:
        if isinstance(old, Extended) and isinstance(new, Extended):
            shared = kept(old.shared, new.shared)
            return shared is old.shared and old.own == new.own
        return old == new

    made: dict[str, Resources] = {}
    for node, some in now.items():
        old = before.get(node, {})
        made[node] = {
            type_: kept(old[type_], new) if type_ in old else new for type_, new in some.items()
        }
    return made


def directory_of(world: World) -> Directory:
    """DNS names and service addresses, as the node agent takes them."""
    return Directory(
        names=tuple(Name(name=n.name, addresses=n.addresses, cname=n.cname) for n in names(world)),
        services=tuple(service_address(record) for record in service_addresses(world)),
    )


def service_address(record: AddressRecord) -> ServiceAddress:
    """One of the directory's services."""
    return ServiceAddress(
        address=record.address,
        port=record.port,
        endpoints=record.endpoints,
        outside=record.outside,
        affinity=record.affinity,
        nodes=record.nodes,
    )
