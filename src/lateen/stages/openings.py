"""Find the Services that are there for clients of the host, and by which of its ports.

In: this round's plans.         Out: Opening for each port.
Before: stages/planning.py      After: stages/bordering.py, stages/exposing.py, app/doors.py

A Service of type LoadBalancer has its own ports on 127.0.0.1, and like one of type NodePort its ports of
the node. They lead straight to a gateway, which hears of the client, or by the node to the Service's pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from lateen.ir.plan import Role
from lateen.stages.planning import Planned
from lateen.world.model import Injection, Port, Service, Workload, World


class Opening(Struct, frozen=True, kw_only=True):
    """A port for clients of the host.

    `pods` are gateways behind it, each with its own port; with none the Service itself takes the
    connections. `port` is a port of the node, or (`own`) the Service's, which may be another one there.
    """

    port: int
    own: bool
    service: Service
    target: Port
    pods: tuple[tuple[Workload, int], ...] = ()

    def on_host(self, ports: Mapping[int, int]) -> int:
        """Its number on 127.0.0.1; `ports` maps Services' ports where they differ."""
        return ports.get(self.port, self.port) if self.own else self.port


def openings(planned: Planned) -> tuple[Opening, ...]:
    """Every opening, by port. One that several Services ask for is a gateway's, then the oldest's."""
    world = planned.world
    listening = {
        (plan.proxy.namespace, plan.proxy.pod): {port.port for port in plan.gateway if port.outward}
        for plan in planned.plans.values()
        if plan.proxy.role is Role.GATEWAY
    }
    services = (s for some in world.services_in.values() for s in some if s.for_host)
    asked = [
        opening
        for service in sorted(services, key=lambda s: s.age)
        for opening in _asked(world, service, listening)
    ]
    found: dict[tuple[int, bool], Opening] = {}
    for opening in sorted(asked, key=lambda o: not o.pods):
        found.setdefault((opening.port, opening.own), opening)
    return tuple(found[key] for key in sorted(found))


def _asked(
    world: World, service: Service, listening: Mapping[tuple[str, str], set[int]]
) -> Iterator[Opening]:
    instances = world.instances_of(service)
    gateways = any(i.workload and i.workload.injection is Injection.GATEWAY for i in instances)
    for port in service.ports:
        behind = ((i.workload, i.port(port.name)) for i in instances)
        pods = tuple(
            (pod, listen)
            for pod, listen in behind
            if pod and listen and listen in listening.get((pod.namespace, pod.name), ())
        )
        # What no Gateway asks for, a gateway does not listen at; before its pods are there, who knows.
        if not pods and (gateways or not instances or not service.addresses):
            continue
        if service.outside:
            yield Opening(port=port.number, own=True, service=service, target=port, pods=pods)
        if port.node:
            yield Opening(port=port.node, own=False, service=service, target=port, pods=pods)
