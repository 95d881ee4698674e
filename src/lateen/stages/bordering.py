"""Say what the border Envoy lets in and out, from what the proxies run.

In: this round's plans, the pods, the port map.    Out: BorderPlan.
Before: stages/openings.py, translate/leaving.py      After: envoy/border.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from lateen.base import layout
from lateen.ir.backends import Backend, Outside
from lateen.ir.border import BorderPlan, ByNumber, Door, Exit
from lateen.ir.packets import OPEN, Allow, PodFilter, admits
from lateen.ir.plan import ProxyPlan
from lateen.stages.openings import openings
from lateen.stages.planning import Planned
from lateen.stages.resolving import slot_of
from lateen.translate.leaving import only_registry, registry_of
from lateen.world.model import Workload

CLIENT = "127.0.0.1"  # whoever comes in by a door


@dataclass(kw_only=True)
class Bordering:
    """The border of each round, and the folders its sockets are made in."""

    run_dir: Path
    own_addresses: tuple[str, ...]
    _slots: frozenset[str] = frozenset()

    def step(self, planned: Planned, ports: Mapping[int, int]) -> BorderPlan:
        """`ports` maps a Gateway's port to the host's, where they differ."""
        workloads = planned.world.workloads
        slots = frozenset(slot_of(w.uid) for w in workloads.values() if w.address)
        for slot in slots - self._slots:
            layout.pod_folder(self.run_dir, slot).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._slots = slots
        plans = {
            slot_of(workloads[plan.proxy.namespace, plan.proxy.pod].uid): plan
            for plan in planned.plans.values()
        }
        outside = {id(p.backends): p.backends for p in plans.values()}  # most proxies share them
        allowed = {key: _destinations(backends) for key, backends in outside.items()}
        filters = {slot_of(workloads[pod].uid): one for pod, one in planned.filters.items()}
        registries = _registries(planned, plans)
        return BorderPlan(
            doors=tuple(self._doors(planned, ports)),
            exits=tuple(
                self._exit(
                    slot,
                    allowed[id(plans[slot].backends)] if slot in plans else (),
                    filters.get(slot, OPEN),
                    registries.get(slot),
                )
                for slot in sorted(slots)
            ),
            own_addresses=self.own_addresses,
            dns_refresh=_dns_refresh(planned),
        )

    def _doors(self, planned: Planned, ports: Mapping[int, int]) -> Iterator[Door]:
        for opening in openings(planned):
            sockets: Iterable[Path] = (
                layout.gateway_socket(self.run_dir, slot_of(pod.uid), listen)
                for pod, listen in opening.pods
                if admits(_incoming(planned, pod), CLIENT, "TCP", listen)
            )
            if not opening.pods:
                address = opening.service.addresses[0]
                sockets = [layout.service_socket(self.run_dir, address, opening.target.number)]
            yield Door(
                port=opening.on_host(ports),
                sockets=tuple(sorted(map(str, sockets))),
                gateway=bool(opening.pods),
            )

    def _exit(
        self,
        slot: str,
        allowed: tuple[tuple[str, int], ...],
        passing: PodFilter,
        registry: tuple[ByNumber, ...] | None,
    ) -> Exit:
        return Exit(
            slot=slot,
            socket=str(layout.exit_socket(self.run_dir, slot)),
            by_number=str(layout.exit_by_address(self.run_dir, slot)),
            allowed=allowed,
            reach=_outside(passing),
            registry=registry,
        )


def _dns_refresh(planned: Planned) -> float | None:
    rate = planned.world.mesh.dns_refresh_rate
    return None if rate is None else rate.seconds


def _registries(
    planned: Planned, plans: Mapping[str, ProxyPlan]
) -> Mapping[str, tuple[ByNumber, ...] | None]:
    """By slot, what a pod with a proxy may dial by number; None for anything."""
    mode = only_registry(planned.world.mesh)
    made: dict[tuple[object, ...], tuple[ByNumber, ...] | None] = {}  # most proxies share these

    def registry(plan: ProxyPlan) -> tuple[ByNumber, ...] | None:
        parts = (plan.outbound, plan.tables, plan.backends, plan.endpoints)
        key = (plan.proxy.role, plan.allow_any, plan.egress_proxy, *map(id, parts))
        if key not in made:
            made[key] = registry_of(plan, only_registry=mode)
        return made[key]

    return {slot: registry(plan) for slot, plan in plans.items()}


def _destinations(backends: tuple[Backend, ...]) -> tuple[tuple[str, int], ...]:
    """What these name outside of the mesh, sorted."""
    named = (b.discovery.destinations for b in backends if isinstance(b.discovery, Outside))
    return tuple(sorted({(each.host, each.port) for some in named for each in some}))


def _incoming(planned: Planned, pod: Workload) -> tuple[Allow, ...] | None:
    """What NetworkPolicies let come to a pod; a door leads only to pods that let its clients in."""
    return planned.filters.get((pod.namespace, pod.name), OPEN).ingress


def _outside(passing: PodFilter) -> tuple[Allow, ...] | None:
    """What of a pod's egress is not about other pods: these are not reached by the border."""
    if passing.egress is None:
        return None
    return tuple(replace(allow, pods=()) for allow in passing.egress if allow.blocks)


def addresses_of_this_host() -> tuple[str, ...]:
    """Every IPv4 address of the host's own network namespace, loopback ones included."""
    addresses: set[str] = set()
    last = ""
    for line in Path("/proc/net/fib_trie").read_text().splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            addresses.add(last)
    return tuple(sorted(addresses))
