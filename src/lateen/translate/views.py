"""What proxies see of the mesh: services by host, rules for them, from one namespace.

In: World, Index.    Out: Index (rules settled once for a world), Sight (a namespace's own).
Before: translate/destinations.py, translate/mtls.py     After: translate/outbound.py, translate/gateways.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from msgspec import Struct

from lateen.api.virtualservice import VirtualService
from lateen.base.problem import Problem
from lateen.ir.plan import Role
from lateen.ir.routes import VirtualHost
from lateen.translate.backends import Client
from lateen.translate.claims import MeshRules, mesh_rules, visible
from lateen.translate.destinations import (
    DestinationIndex,
    Destinations,
    destination_index,
    mesh_effective,
)
from lateen.translate.hosts import resolve
from lateen.translate.localities import NODE, SOMEWHERE, Viewer, placed_labels
from lateen.translate.meshwide import NOTHING_SAID, MeshWide, mesh_wide
from lateen.translate.mtls import MtlsIndex, mtls_index
from lateen.translate.needs import need_problems
from lateen.translate.once import Once
from lateen.translate.routes import Known, Translated
from lateen.translate.scope import ALL_OF_IT, Scope
from lateen.translate.settings import hash_of
from lateen.world.model import Owned, Service, Shape, Workload, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A world with its rules settled: made once, used for every proxy."""

    world: World
    destinations: DestinationIndex
    mtls: MtlsIndex
    mesh: MeshRules
    delegates: Mapping[tuple[str, str], Owned[VirtualService]]
    once: Once = field(default_factory=Once, compare=False)
    # What is the same in the tables of most proxies: by rule and port; by name, domains and routes.
    routes: dict[tuple[int, int], Translated] = field(default_factory=dict, compare=False)
    hosts: dict[tuple[str, tuple[str, ...], int], VirtualHost] = field(
        default_factory=dict, compare=False
    )
    wide: MeshWide = NOTHING_SAID
    place_keys: tuple[str, ...] = ()  # labels by which endpoints are preferred
    clients: dict[tuple[Viewer, Role], Client] = field(default_factory=dict, compare=False)
    unneeded: tuple[Problem, ...] = ()  # of what workloads are said to need

    def at(self, world: World) -> Index:
        """The same rules for a world in which other pods stand behind services."""
        return replace(self, world=world, once=Once(), clients={})

    def delegate(self, owner: str, name: str, namespace: str) -> Owned[VirtualService] | None:
        """The VirtualService without hosts of that name, if rules of `namespace` may name it."""
        found = self.delegates.get((owner, name))
        return found if found and visible(found, namespace) else None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the rules themselves, whoever they are for."""
        return self.destinations.problems + self.mtls.problems + self.mesh.problems + self.unneeded


def index_of(world: World) -> Index:
    """Settle the rules that hold for all proxies."""
    return Index(
        world=world,
        destinations=destination_index(world.destination_rules),
        mtls=mtls_index(world.peer_authentications),
        mesh=mesh_rules(world.virtual_services),
        delegates={
            (r.namespace, r.name): r for r in world.virtual_services if not r.typed.spec.hosts
        },
        wide=mesh_wide(world.mesh),
        place_keys=_place_keys(world),
        unneeded=tuple(need_problems(world)),
    )


def _place_keys(world: World) -> tuple[str, ...]:
    """The labels that some preference looks at; proxies alike in these see endpoints alike."""
    settings = [world.mesh.locality_lb_setting]
    for rule in world.destination_rules:
        spec = rule.typed.spec
        for policy in (spec.traffic_policy, *(s.traffic_policy for s in spec.subsets)):
            if policy:
                balances = [policy.load_balancer]
                balances += [each.load_balancer for each in policy.port_level_settings]
                settings += [each.locality_lb_setting for each in balances if each]
    labels = (text for each in settings if each for text in each.failover_priority)
    services = (s for some in world.services.values() for s in some)
    node = (NODE,) if any(s.distribution or s.local for s in services) else ()
    return tuple(sorted({*node, *(text.partition("=")[0] for text in labels)}))


def sight_of(index: Index, workload: Workload) -> Sight:
    """The mesh as one pod's proxy sees it."""
    return Sight(
        index=index,
        namespace=workload.namespace,
        labels=workload.labels,
        viewer=viewer_of(index, workload),
    )


def viewer_of(index: Index, workload: Workload) -> Viewer:
    """From where a pod's proxy looks."""
    if not index.place_keys:
        return Viewer(locality=workload.locality)
    labels = placed_labels(workload.labels, workload.locality, workload.node)
    seen = tuple((key, labels[key]) for key in index.place_keys if key in labels)
    return Viewer(locality=workload.locality, labels=seen)


class Sight(Struct, frozen=True, kw_only=True):
    """The mesh as the proxies of one namespace see it whose pods carry these labels.

    `scope` bounds what they may call by name; what a rule leads to need not be in it.
    """

    index: Index
    namespace: str
    labels: Mapping[str, str]
    scope: Scope = ALL_OF_IT
    viewer: Viewer = SOMEWHERE

    def client(self, role: Role) -> Client:
        """Who calls here: the same object for all who look from one place."""
        index, key = self.index, (self.viewer, role)
        if key not in index.clients:
            index.clients[key] = Client(
                world=index.world,
                mtls=index.mtls,
                wide=index.wide,
                default=mesh_effective(index.world.mesh.default_traffic_policy),
                viewer=self.viewer,
                role=role,
            )
        return index.clients[key]

    def service(self, host: str) -> Service | None:
        """The service that answers to a full host name."""
        return resolve(self.index.world, host, self.namespace)

    def rules(self, service: Service) -> Destinations:
        """The DestinationRules that hold for a service here."""
        return self.index.destinations.find(service, self.namespace, self.labels)

    def known(self, namespace: str) -> Known:
        """What the routes of a rule of that namespace may lead to: its own services first."""
        return Known(
            service=lambda host: resolve(self.index.world, host, namespace),
            subsets=lambda service: frozenset(self.rules(service).subsets),
            hashed=lambda service, port, subset: hash_of(self.rules(service), port, subset),
            retries=self.index.world.mesh.default_http_retry_policy,
            delegate=lambda owner, name: self.index.delegate(owner, name, namespace),
        )

    def claims(self, host: str) -> list[Owned[VirtualService]]:
        """The VirtualServices that speak for a host here, in order of precedence."""
        return self.index.mesh.claims(host, self.namespace, self.scope)

    def claims_at(self, host: str) -> list[Owned[VirtualService]]:
        """Those that name exactly this host, or this wildcard."""
        return self.index.mesh.at(host, self.namespace, self.scope)

    def services(self) -> tuple[Service, ...]:
        """One service for each host, in order of precedence; ExternalNames are no services."""
        chosen = (self.index.world.service(h, self.namespace) for h in self.index.world.services)
        found = (
            s
            for s in chosen
            if s and s.shape is not Shape.EXTERNAL_NAME and self.scope.host(s.host, s.namespace)
        )
        return tuple(sorted(found, key=lambda s: s.age))
