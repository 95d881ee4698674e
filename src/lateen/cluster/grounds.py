"""The nodes with the pods on them, and what on them is against one more pod.

In: nodes, pods, the labels of namespaces.    Out: Ground; for a pod, Against by node.
Before: cluster/amounts.py, cluster/company.py, cluster/spreading.py
After: cluster/scoring.py, cluster/preempting.py, cluster/scheduling.py
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.cluster.amounts import Amounts, allocatable, no_room, requests_of
from lateen.cluster.company import Namespaces, Neighbour, company_of, is_sociable
from lateen.cluster.fitting import Against, keeps_away
from lateen.cluster.pods import pod_of
from lateen.cluster.spreading import Kin, kin_of, spread_of

_USUAL = Amounts(cpu=100, memory=200 * 1024**2)  # of a pod that asks for nothing


class Settler(Struct, frozen=True, kw_only=True):
    """A pod on a node, with what it holds and how important it is."""

    obj: Obj
    node: str
    amounts: Amounts
    importance: int

    @property
    def usual(self) -> Amounts:
        """What it holds, as it is weighed: who asks for nothing holds something, too."""
        cpu, memory = self.amounts.cpu or _USUAL.cpu, self.amounts.memory or _USUAL.memory
        return Amounts(cpu=cpu, memory=memory, pods=1)


class Ground(Struct, frozen=True, kw_only=True):
    """Nodes by name, and who is on each; all is as it will be when those on their way are there.

    What is asked again and again is counted along: what is held of each node, what is weighed of it, pods
    by owner and node, and the pods that have wishes about company.
    """

    nodes: Mapping[str, Node]
    namespaces: Namespaces
    settlers: Mapping[str, tuple[Settler, ...]] = field(default_factory=dict)
    held: Mapping[str, Amounts] = field(default_factory=dict)
    weighed: Mapping[str, Amounts] = field(default_factory=dict)
    kin: Kin = field(default_factory=dict)
    sociable: tuple[Neighbour, ...] = ()

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

    def company_for(self, pod: Obj) -> Iterable[Neighbour]:
        """The pods whose company can matter: all to who has wishes, else only those that have some."""
        return self.neighbours if is_sociable(pod) else self.sociable

    def joined(self, settlers: Iterable[Settler]) -> Ground:
        """The same with these pods, too."""
        there, held, weighed = dict(self.settlers), dict(self.held), dict(self.weighed)
        kin, sociable = dict(self.kin), list(self.sociable)
        for new in settlers:
            name, none = new.node, Amounts()
            there[name] = (*there.get(name, ()), new)
            held[name] = held.get(name, none) + new.amounts
            weighed[name] = weighed.get(name, none) + new.usual
            if owner := kin_of(new.obj):
                kin[owner, name] = kin.get((owner, name), 0) + 1
            if name in self.nodes and is_sociable(new.obj):
                sociable.append((new.obj, self.nodes[name]))
        return replace(
            self,
            settlers=there,
            held=held,
            weighed=weighed,
            kin=kin,
            sociable=tuple(sociable),
        )

    def without(self, name: str, uids: Collection[str]) -> Ground:
        """The same without these pods of one node."""
        bare = Ground(nodes=self.nodes, namespaces=self.namespaces)
        return bare.joined(
            settler
            for node, some in self.settlers.items()
            for settler in some
            if node != name or settler.obj.meta.uid not in uids
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
    company = company_of(pod, ground.company_for(pod), ground.namespaces)

    def found(name: str, node: Node) -> tuple[Against, ...]:
        if (away := keeps_away(spec, node)) is not None:
            return (away,)
        if lacking := no_room(wanted, ground.holds(name), allocatable(node)):
            return lacking
        reason = spread.against(node) or company.against(node)
        return (reason,) if reason is not None else ()

    return {name: found(name, node) for name, node in ground.nodes.items()}
