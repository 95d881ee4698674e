"""Choose among the nodes that fit, as Kubernetes' scheduler weighs them.

In: a pod, the ground, the nodes that fit.    Out: the best node.
Before: cluster/grounds.py        After: cluster/scheduling.py
Source: kubernetes pkg/scheduler/apis/config/v1/default_plugins.go, framework/plugins.

Each view gives a node 0 to 100; the views' weights are Kubernetes'. Equal nodes are taken by the number
of their pods, then by name, where Kubernetes would draw lots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lateen.api.objects import Obj
from lateen.cluster.amounts import Amounts, allocatable
from lateen.cluster.company import likings
from lateen.cluster.fitting import disliking, liking
from lateen.cluster.grounds import Ground, settler_of
from lateen.cluster.pods import pod_of
from lateen.cluster.spreading import spread_of

Scores = Mapping[str, float]
_MOST = 100.0


def best_node(pod: Obj, ground: Ground, names: Sequence[str]) -> str:
    """The node with the highest score of these, of which there must be one."""
    if len(names) == 1:
        return names[0]
    nodes = {name: ground.nodes[name] for name in names}
    spec = pod_of(pod).spec
    spread = spread_of(pod, ground.nodes, ground.neighbours, ground.kin)
    sums = likings(pod, ground.company_for(pod), ground.namespaces)
    liked = {
        name: float(sum(sums[place] for place in node.metadata.labels.items()))
        for name, node in nodes.items()
    }
    views: tuple[tuple[int, Scores], ...] = (
        (3, _less_is_better({n: float(disliking(spec, nodes[n])) for n in nodes})),
        (2, _more_is_better({n: float(liking(spec, nodes[n])) for n in nodes})),
        (2, _spread_out({n: spread.cost(nodes[n]) for n in nodes})),
        (2, _between(liked)),
        (1, {n: _room(pod, ground, n) for n in nodes}),
    )
    total = {n: sum(weight * scores[n] for weight, scores in views) for n in nodes}
    return min(nodes, key=lambda n: (-total[n], ground.holds(n).pods, n))


def _more_is_better(raw: Scores) -> Scores:
    most = max(raw.values())
    return {n: _MOST * value / most if most else 0.0 for n, value in raw.items()}


def _less_is_better(raw: Scores) -> Scores:
    most = max(raw.values())
    return {n: _MOST - _MOST * value / most if most else _MOST for n, value in raw.items()}


def _spread_out(raw: Scores) -> Scores:
    most, least = max(raw.values()), min(raw.values())
    return {n: _MOST * (most + least - v) / most if most else _MOST for n, v in raw.items()}


def _between(raw: Scores) -> Scores:
    most, least = max(raw.values()), min(raw.values())
    apart = most - least
    return {n: _MOST * (value - least) / apart if apart else 0.0 for n, value in raw.items()}


def _room(pod: Obj, ground: Ground, name: str) -> float:
    """How much of the node would stay free, of cpu and memory alike."""
    has = allocatable(ground.nodes[name])
    after = ground.weighed.get(name, Amounts()) + settler_of(pod, name, 0).usual
    return (_free(after.cpu, has.cpu) + _free(after.memory, has.memory)) / 2


def _free(taken: int, there: int) -> float:
    return _MOST * max(0, there - taken) / there if there else 0.0
