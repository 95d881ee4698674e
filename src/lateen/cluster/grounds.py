"""The nodes with the pods on them, and what on them is against one more pod.

In: nodes, pods, the labels of namespaces.    Out: Ground; for a pod, Against by node.
Before: cluster/amounts.py, cluster/company.py, cluster/spreading.py
After: cluster/scoring.py, cluster/preempting.py, cluster/scheduling.py
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.cluster.amounts import Amounts, allocatable, no_room, requests_of
from lateen.cluster.company import Namespaces, Neighbour, company_of
from lateen.cluster.fitting import Against, keeps_away
from lateen.cluster.pods import pod_of
from lateen.cluster.spreading import spread_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """A pod on a node, with what it holds and how important it is."""

    obj: Obj
    node: str
    amounts: Amounts
    importance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Nodes by name, and who is on each; all is as it will be when those on their way are there."""

    nodes: Mapping[str, Node]
    namespaces: Namespaces
    settlers: Mapping[str, tuple[Settler, ...]] = field(default_factory=dict)
    held: Mapping[str, Amounts] = field(default_factory=dict)

    def on(self, name: str) -> tuple[Settler, ...]:
        """Who is on the node."""
        return self.settlers.get(name, ())

    def holds(self, name: str) -> Amounts:
        """What is taken of the node."""
        return self.held.get(name, Amounts())

    @property
    def neighbours(self) -> Iterator[Neighbour]:
        """Every pod with its node."""
        for name, node in self.nodes.items():
            for settler in self.on(name):
                yield settler.obj, node

    def joined(self, settlers: Iterable[Settler]) -> Ground:
        """The same with these pods, too."""
        there, held = dict(self.settlers), dict(self.held)
        for new in settlers:
            there[new.node] = (*there.get(new.node, ()), new)
            held[new.node] = held.get(new.node, Amounts()) + new.amounts
        return replace(self, settlers=there, held=held)

    def without(self, name: str, uids: Collection[str]) -> Ground:
        """The same without these pods of one node."""
        staying = tuple(s for s in self.on(name) if s.obj.meta.uid not in uids)
        sums = sum((s.amounts for s in staying), Amounts())
        return replace(
            self,
            settlers={**self.settlers, name: staying},
            held={**self.held, name: sums},
        )


def settler_of(pod: Obj, node: str, importance: int) -> Settler:
    """The pod on that node."""
    return Settler(obj=pod, node=node, amounts=requests_of(pod_of(pod).spec), importance=importance)


def against(pod: Obj, ground: Ground) -> Mapping[str, tuple[Against, ...]]:
    """By node, what is against the pod there; nothing for those that fit.

    As in Kubernetes what is found first is all that is said: the node itself, then room, then spread,
    then company.
    """
    spec = pod_of(pod).spec
    wanted = requests_of(spec)
    spread = spread_of(pod, ground.nodes, ground.neighbours)
    company = company_of(pod, ground.neighbours, ground.namespaces)

    def found(name: str, node: Node) -> tuple[Against, ...]:
        if (away := keeps_away(spec, node)) is not None:
            return (away,)
        if lacking := no_room(wanted, ground.holds(name), allocatable(node)):
            return lacking
        reason = spread.against(node) or company.against(node)
        return (reason,) if reason is not None else ()

    return {name: found(name, node) for name, node in ground.nodes.items()}
