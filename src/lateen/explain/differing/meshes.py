"""Two meshes to be compared: who is in each, and the proxies of both that belong together.

In: World, ProxyPlan by pod.     Out: Mesh, Party.
Before: world/model.py, ir/plan.py        After: differing/parting.py, differing/outward.py, differing/inward.py
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

from msgspec import Struct, field

from lateen.base.origin import Origin
from lateen.explain.symbolic.callers import Caller
from lateen.ir.backends import Backend
from lateen.ir.plan import ProxyPlan, Role
from lateen.world.model import Injection, Workload, World

PartyKey = tuple[str, str]  # namespace, workload or group of its pods
PodKey = tuple[str, str]  # namespace, pod


class Party(Struct, frozen=True, kw_only=True):
    """Pods of one workload that traffic treats alike, of which the first stands for all; `plan` None without a proxy."""

    name: str  # NAME.NAMESPACE
    workload: str  # NAME.NAMESPACE of the workload, which has more pods than these if that is another name
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


class Mesh(Struct, frozen=True, kw_only=True, dict=True):
    """A world and the plans of its proxies. `groups`: of pods that differ from others of their workload, a name."""

    world: World
    plans: Mapping[PodKey, ProxyPlan]
    groups: Mapping[PodKey, str] = field(default_factory=dict)

    @cached_property
    def parties(self) -> Mapping[PartyKey, Party]:
        """Every workload that has a pod that has not ended, one whose pods differ in groups."""
        found: dict[PartyKey, list[Workload]] = {}
        for key in sorted(self.world.workloads):
            pod = self.world.workloads[key]
            if not pod.ended:
                found.setdefault(self.key_of(pod), []).append(pod)
        return {key: self._party(key, pods) for key, pods in found.items()}

    @cached_property
    def callers(self) -> tuple[Caller, ...]:
        """Everybody in the mesh who may call."""
        return tuple(party.caller for party in self.parties.values())

    @cached_property
    def relays(self) -> frozenset[str]:
        """Those who hand on others' requests and say whose: the gateways."""
        return frozenset(p.name for p in self.parties.values() if p.is_gateway)

    def key_of(self, pod: Workload) -> PartyKey:
        """Of which party a pod is."""
        group = self.groups.get((pod.namespace, pod.name))
        return pod.namespace, group or pod.workload or pod.name

    @cached_property
    def members(self) -> Mapping[str, str]:
        """By address, what pods are called that differ from others of their workload."""
        found = ((self.world.workloads[key], name) for key, name in self.groups.items())
        return {pod.address: name for pod, name in found if name != pod.workload}

    def _party(self, key: PartyKey, pods: list[Workload]) -> Party:
        pod = next((p for p in pods if p.injection is not Injection.NONE), pods[0])
        return Party(
            name=f"{key[1]}.{key[0]}",
            workload=f"{pod.workload or pod.name}.{key[0]}",
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
    if isinstance(value, Struct):
        return (type(value).__name__, *(bare(getattr(value, name)) for name in _said(type(value))))
    return value


@cache
def _said(kind: type[Struct]) -> tuple[str, ...]:
    unsaid = {"origin", "policies"} if kind is Backend else {"origin"}
    return tuple(name for name in kind.__struct_fields__ if name not in unsaid)


def short(host: str) -> str:
    """A host of the mesh without the end that all have."""
    return host.removesuffix(".svc.cluster.local")
