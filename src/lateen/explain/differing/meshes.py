"""Two meshes to be compared: who is in each, and the proxies of both that belong together.

In: World, ProxyPlan by pod.     Out: Mesh, Party, Pair.
Before: world/model.py, ir/plan.py        After: differing/outward.py, differing/inward.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property
from typing import Any

from lateen.base.origin import Origin
from lateen.explain.symbolic.callers import Caller
from lateen.ir.backends import Backend
from lateen.ir.plan import ProxyPlan, Role
from lateen.world.model import Injection, Workload, World

PartyKey = tuple[str, str]  # namespace, workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """All pods of one workload, of which the first stands for all; `plan` None without a proxy."""

    name: str  # NAME.NAMESPACE
    pod: Workload
    plan: ProxyPlan | None
    count: int

    @property
    def is_gateway(self) -> bool:
        """Whether it is a gateway and no app."""
        return self.plan is not None and self.plan.proxy.role is Role.GATEWAY

    @property
    def caller(self) -> Caller:
        """The party as one who sends requests."""
        return Caller(
            name=self.name,
            namespace=self.pod.namespace,
            identity=self.pod.identity if self.plan else "",
            address=self.pod.address,
        )


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A world and the plans of its proxies, by namespace and pod."""

    world: World
    plans: Mapping[tuple[str, str], ProxyPlan]

    @cached_property
    def parties(self) -> Mapping[PartyKey, Party]:
        """Every workload that has a pod that has not ended."""
        found: dict[PartyKey, list[Workload]] = {}
        for key in sorted(self.world.workloads):
            pod = self.world.workloads[key]
            if not pod.ended:
                found.setdefault((pod.namespace, pod.workload or pod.name), []).append(pod)
        return {key: self._party(key, pods) for key, pods in found.items()}

    @cached_property
    def callers(self) -> tuple[Caller, ...]:
        """Everybody in the mesh who may call."""
        return tuple(party.caller for party in self.parties.values())

    @cached_property
    def relays(self) -> frozenset[str]:
        """Those who hand on others' requests and say whose: the gateways."""
        return frozenset(p.name for p in self.parties.values() if p.is_gateway)

    def _party(self, key: PartyKey, pods: list[Workload]) -> Party:
        pod = next((p for p in pods if p.injection is not Injection.NONE), pods[0])
        return Party(
            name=f"{key[1]}.{key[0]}",
            pod=pod,
            plan=self.plans.get((pod.namespace, pod.name)),
            count=len(pods),
        )


def bare(value: Any) -> Any:
    """A value of the IR without where it came from, so that values that do the same are equal."""
    if isinstance(value, tuple):
        return tuple(map(bare, value))
    if isinstance(value, Origin):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *(bare(getattr(value, name)) for name in _said(type(value))))
    return value


@cache
def _said(kind: type[Any]) -> tuple[str, ...]:
    unsaid = {"origin", "policies"} if kind is Backend else {"origin"}
    return tuple(f.name for f in fields(kind) if f.name not in unsaid)


def short(host: str) -> str:
    """A host of the mesh without the end that all have."""
    return host.removesuffix(".svc.cluster.local")
