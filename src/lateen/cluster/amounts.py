"""What pods ask for, what nodes have, and whether it is enough.

In: pods, nodes.    Out: Amounts; reasons, as the scheduler gives them.
Before: api/quantity.py        After: cluster/grounds.py, cluster/scoring.py
Source: kubernetes pkg/scheduler/framework/plugins/noderesources, component-helpers/resource.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from lateen.api.node import Node
from lateen.api.pod import Container, PodSpec
from lateen.api.quantity import Quantity, milli, whole
from lateen.cluster.fitting import Against


class Amounts(Struct, frozen=True, kw_only=True):
    """Thousandths of a core, bytes, pods, and of what else nodes may have, by its name."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0
    other: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Amounts) -> Amounts:
        names = self.other.keys() | other.other.keys()
        return Amounts(
            cpu=self.cpu + other.cpu,
            memory=self.memory + other.memory,
            pods=self.pods + other.pods,
            other={n: self.other.get(n, 0) + other.other.get(n, 0) for n in names},
        )


def requests_of(spec: PodSpec) -> Amounts:
    """What a pod asks for: all containers together, or one init container if that is more.

    Init containers that stay (restartPolicy Always) count with the others.
    """
    staying = [c for c in spec.init_containers if c.restart_policy == "Always"]
    passing = [c for c in spec.init_containers if c.restart_policy != "Always"]
    every = (*spec.containers, *spec.init_containers)
    names = {n for c in every for n in (*c.resources.requests, *c.resources.limits)}

    def most(name: str) -> int:
        together = sum(asked_of(c, name) for c in (*spec.containers, *staying))
        return max(together, *(asked_of(c, name) for c in passing), 0)

    return Amounts(
        cpu=most("cpu"),
        memory=most("memory"),
        pods=1,
        other={name: most(name) for name in sorted(names) if _is_extended(name)},
    )


def _is_extended(name: str) -> bool:
    """What a node must say it has; storage is not counted here."""
    return "/" in name or name.startswith("hugepages-")


def asked_of(container: Container, name: str) -> int:
    """The request, or else the limit: thousandths of a core, or bytes."""
    resources = container.resources
    amount = resources.requests.get(name, resources.limits.get(name, 0))
    return milli(amount) if name == "cpu" else whole(amount)


def allocatable(node: Node) -> Amounts:
    """What the node has to give."""
    amounts: Mapping[str, Quantity] = node.status.allocatable
    return Amounts(
        cpu=milli(amounts.get("cpu", 0)),
        memory=whole(amounts.get("memory", 0)),
        pods=whole(amounts.get("pods", 0)),
        other={name: whole(amounts[name]) for name in amounts if _is_extended(name)},
    )


def no_room(wanted: Amounts, held: Amounts, has: Amounts) -> tuple[Against, ...]:
    """What there is not enough of; a resource not asked for is never lacking.

    There is no hope where even an empty node has not enough.
    """
    rows = [
        ("cpu", wanted.cpu, held.cpu, has.cpu),
        ("memory", wanted.memory, held.memory, has.memory),
        *((n, w, held.other.get(n, 0), has.other.get(n, 0)) for n, w in wanted.other.items()),
    ]
    many = held.pods + wanted.pods > has.pods
    return (
        *((Against("Too many pods"),) if many else ()),
        *(
            Against(f"Insufficient {name}", hopeless=asked > there)
            for name, asked, taken, there in rows
            if asked and asked + taken > there
        ),
    )
