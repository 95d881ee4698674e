"""Take changes of VirtualServices the short way where they do no more than route: the rest stays planned.

In: the latest plan, the store's objects less those set aside.    Out: the plan with other routes, or None: plan anew.
Before: stages/planning.py, translate/rerouting.py                After: app/rounds.py

Its price follows from the size of the tables the rules are in, and from the proxies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import is_

from msgspec.structs import replace

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.base.problem import Problem
from lateen.envoy.emit import emit_route_table
from lateen.envoy.resources import Named, Resource, Resources, ResourceType
from lateen.ir.plan import ProxyPlan, Role
from lateen.ir.routes import RouteTable
from lateen.stages.planning import Planned, Planning, kept_where_equal
from lateen.translate.claims import mesh_rules
from lateen.translate.outbound import view_of
from lateen.translate.plan import gateway_plan
from lateen.translate.rerouting import Rewritten, rerouted_tables, rewritten
from lateen.translate.views import Index, index_of
from lateen.world.build import world_of

MOST = 256  # times in a row; then all is planned anew, and what was kept for this is let go


@dataclass(kw_only=True)
class Rerouting:
    """The short way of rules, beside planning."""

    planning: Planning
    _taken: int = 0
    _whole: Planned | None = None  # what the last step made, if nothing was planned since

    def step(self, objects: tuple[Obj, ...], set_aside: frozenset[ObjectKey]) -> Planned | None:
        """Hand over other routes; None if only a whole plan will do."""
        latest, whole = self.planning.latest, self.planning.whole
        self._taken = self._taken + 1 if whole is self._whole else 0
        if latest is None or self._taken >= MOST:
            return None
        fresh = world_of(o for o in objects if o.key not in set_aside)
        # What else is new in the store has not been heard of yet, and is planned for when it is.
        world = replace(latest.world, virtual_services=fresh.virtual_services)
        changed = rewritten(latest.world, world)
        if changed is None or not _may_be_short(latest):
            return None
        rerouted = _Rerouted(self.planning, latest, index_of(world), changed)
        planned = rerouted.planned()
        if planned is not None:
            self.planning.take(planned)
            self.planning.whole = self._whole = planned
        return planned


def _may_be_short(planned: Planned) -> bool:
    """Whether tables alone follow from rules: no patches, and the border lets pass what routes do."""
    return not any(
        plan.patches or (plan.proxy.role is Role.SIDECAR and not plan.allow_any)
        for plan in planned.plans.values()
    )


class _Rerouted:
    """One step."""

    def __init__(
        self, planning: Planning, latest: Planned, index: Index, changed: Rewritten
    ) -> None:
        self._planning = planning
        self._latest = latest
        self._index = index
        self._changed = changed
        self._tables: dict[int, tuple[RouteTable, ...]] = {}
        self._sets: dict[tuple[int, int], Mapping[str, Resource]] = {}
        self._problems: dict[Problem, None] = {}

    def planned(self) -> Planned | None:
        """The latest plan with other routes."""
        plans: dict[str, ProxyPlan] = {}
        resources: dict[str, Resources] = {}
        for node, plan in self._latest.plans.items():
            before = self._latest.resources[node]
            if plan.proxy.role is Role.GATEWAY:
                plans[node], resources[node] = self._gateway(plan, before)
                continue
            tables = self._tables_for(plan)
            if tables is None:
                return None
            if all(map(is_, tables, plan.tables)):
                plans[node], resources[node] = plan, before
                continue
            plans[node] = replace(plan, tables=tables)
            resources[node] = {
                **before,
                ResourceType.ROUTES: self._routes(before[ResourceType.ROUTES], plan, tables),
            }
        return replace(
            self._latest,
            world=self._index.world,
            plans=plans,
            resources=resources,
            problems=self._all_problems(),
        )

    def _tables_for(self, plan: ProxyPlan) -> tuple[RouteTable, ...] | None:
        known = id(plan.tables)  # proxies that see the same share them
        if known not in self._tables:
            workload = self._index.world.workloads[plan.proxy.namespace, plan.proxy.pod]
            view = view_of(self._index, workload)
            made = rerouted_tables(self._index, view, plan.tables, self._changed.hosts)
            if made is None:
                return None
            self._tables[known] = made[0]
            self._problems.update(dict.fromkeys(made[1]))
        return self._tables[known]

    def _routes(
        self,
        shared: Mapping[str, Resource],
        plan: ProxyPlan,
        new: tuple[RouteTable, ...],
    ) -> Mapping[str, Resource]:
        key = (id(shared), id(new))
        if key not in self._sets:
            memo = self._planning.memo
            fresh = [
                emit_route_table(memo, now, False, plan.manners)
                for was, now in zip(plan.tables, new, strict=True)
                if was is not now
            ]
            known = shared if isinstance(shared, Named) else Named(shared)
            self._sets[key] = known.with_these(fresh)
        return self._sets[key]

    def _gateway(self, plan: ProxyPlan, before: Resources) -> tuple[ProxyPlan, Resources]:
        """A gateway is one proxy, and planned whole."""
        if not self._changed.at_gateways:
            return plan, before
        made = gateway_plan(self._index, plan.proxy)
        self._problems.update(dict.fromkeys(made.problems))
        resources = self._planning.emitted(made.plan, self._index.world)
        return made.plan, kept_where_equal({"": before}, {"": resources})[""]

    def _all_problems(self) -> tuple[Problem, ...]:
        """Those of before but for the rules that changed, and of hosts that several rules claim."""
        claimed = frozenset(mesh_rules(self._latest.world.virtual_services).problems)
        others = (
            problem
            for problem in self._latest.problems
            if problem.origin.key not in self._changed.keys and problem not in claimed
        )
        return tuple(dict.fromkeys([*others, *self._index.problems, *self._problems]))
