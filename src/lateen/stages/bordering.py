"""Say what the border Envoy lets in and out, from what the proxies run.

In: this round's plans, the pods, the port map.    Out: BorderPlan.
Before: stages/planning.py      After: envoy/border.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lateen.base import layout
from lateen.ir.backends import Outside
from lateen.ir.border import BorderPlan, Door, Exit
from lateen.ir.plan import ProxyPlan, Role
from lateen.stages.planning import Planned
from lateen.stages.resolving import slot_of


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
        plans = [
            (slot_of(workloads[plan.proxy.namespace, plan.proxy.pod].uid), plan)
            for plan in planned.plans.values()
        ]
        return border_plan(
            plans, slots, ports=ports, run_dir=self.run_dir, own_addresses=self.own_addresses
        )


def border_plan(
    plans: Iterable[tuple[str, ProxyPlan]],
    slots: Iterable[str],
    *,
    ports: Mapping[int, int],
    run_dir: Path,
    own_addresses: tuple[str, ...],
) -> BorderPlan:
    """`plans` pairs a pod's slot with its plan; `slots` are all pods, those without a proxy too."""
    sockets: dict[int, list[str]] = {}
    allowed: dict[str, set[tuple[str, int]]] = {}
    for slot, plan in plans:
        if plan.proxy.role is Role.GATEWAY:
            for port in plan.gateway:
                sockets.setdefault(port.port, []).append(
                    str(layout.gateway_socket(run_dir, slot, port.port))
                )
        named = (
            b.discovery.destinations for b in plan.backends if isinstance(b.discovery, Outside)
        )
        allowed[slot] = {destination for some in named for destination in some}
    return BorderPlan(
        doors=tuple(
            Door(port=ports.get(port, port), sockets=tuple(sorted(paths)))
            for port, paths in sorted(sockets.items())
        ),
        exits=tuple(
            Exit(
                slot=slot,
                socket=str(layout.exit_socket(run_dir, slot)),
                by_number=str(layout.exit_by_address(run_dir, slot)),
                allowed=tuple(sorted(allowed.get(slot, ()))),
            )
            for slot in sorted(slots)
        ),
        own_addresses=own_addresses,
    )


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
