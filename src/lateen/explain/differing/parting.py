"""Part the pods of a workload that traffic treats differently: of a StatefulSet, of several zones, of other labels.

In: one Mesh, or the two to be compared.     Out: the same, each pod with the name of its group.
Before: differing/meshes.py                  After: cli/differing.py, properties/

Pods alike in all that rules can ask of them are one group without a further look. Of others it is looked at what comes of it:
who may come in, where their own requests go, and which backends lead to them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from lateen.explain.differing.meshes import Mesh, PartyKey, PodKey, bare
from lateen.ir.plan import SniffOut, TcpOut
from lateen.translate.packets import filters_of
from lateen.world.model import Workload

Pair = tuple[Workload | None, Workload | None]
_ORDINAL = re.compile(r"-(\d+)")


def parted(mesh: Mesh) -> Mesh:
    """One mesh, its pods in groups."""
    return parted_alike(mesh, mesh)[1]


def parted_alike(old: Mesh, new: Mesh) -> tuple[Mesh, Mesh]:
    """Two meshes, their pods in groups that are the same in both."""
    before, after = _pods(old), _pods(new)
    several = {key for side in (before, after) for key, pods in side.items() if _differ(pods)}
    if not several:
        return old, new
    effects = [
        _Effects(mesh, [pod for key in several for pod in pods.get(key, ())])
        for mesh, pods in ((old, before), (new, after))
    ]
    names: tuple[dict[PodKey, str], dict[PodKey, str]] = ({}, {})
    for key in sorted(several):
        groups = _groups(_pairs(before.get(key, ()), after.get(key, ()), key[1]), *effects)
        for label, pairs in _labelled(groups, key[1]):
            for pair in pairs:
                for pod, found in zip(pair, names, strict=True):
                    if pod:
                        found[pod.namespace, pod.name] = label
    return replace(old, groups=names[0]), replace(new, groups=names[1])


def _pods(mesh: Mesh) -> Mapping[PartyKey, Sequence[Workload]]:
    """The pods of each workload, by name, those of a StatefulSet by number."""
    found: dict[PartyKey, list[Workload]] = defaultdict(list)
    for pod in mesh.world.workloads.values():
        if not pod.ended:
            found[pod.namespace, pod.workload or pod.name].append(pod)
    for key, pods in found.items():
        pods.sort(key=lambda pod, name=key[1]: (_number(pod, name), pod.name))  # type: ignore[misc]
    return found


def _number(pod: Workload, workload: str) -> int:
    """Its number in a StatefulSet, -1 for others."""
    found = _ORDINAL.fullmatch(pod.name.removeprefix(workload))
    return int(found[1]) if found else -1


def _differ(pods: Sequence[Workload]) -> bool:
    """Whether a rule could tell one of them from another."""
    return any(_facts(pod) != _facts(pods[0]) for pod in pods[1:])


def _facts(pod: Workload) -> tuple[object, ...]:
    how = (pod.injection, pod.proxy_metadata, pod.proxy_settings)
    return (pod.labels, pod.identity, pod.locality, pod.node, pod.ports, pod.named_ports, how)


def _pairs(old: Sequence[Workload], new: Sequence[Workload], workload: str) -> list[Pair]:
    """The same pods in both meshes: by number, else by their turn."""
    before, after = _by_place(old, workload), _by_place(new, workload)
    return [(before.get(place), after.get(place)) for place in sorted({*before, *after})]


def _by_place(pods: Sequence[Workload], workload: str) -> Mapping[int, Workload]:
    return {max(_number(pod, workload), turn): pod for turn, pod in enumerate(pods)}


class _Effects:
    """What comes of the differences of some pods of one mesh."""

    def __init__(self, mesh: Mesh, pods: Iterable[Workload]) -> None:
        self._mesh = mesh
        self._own = {pod.address for pod in pods}
        self._filters = filters_of(mesh.world)
        self._leading: dict[str, set[object]] = defaultdict(set)
        sets = {id(each): each for plan in mesh.plans.values() for each in plan.endpoints}
        for each in sets.values():
            for e in each.endpoints:
                if e.address in self._own:
                    self._leading[e.address].add((each.id, e.port, e.mtls, e.priority, e.share))

    def of(self, pod: Workload | None) -> tuple[object, ...]:
        """Equal for pods that traffic does not tell apart."""
        if pod is None:
            return ()
        key = pod.namespace, pod.name
        plan = self._mesh.plans.get(key)
        own: tuple[object, ...] = ()
        if plan:
            # A headless Service's pod has no way to itself: that alone makes no difference.
            ways = [
                part
                for part in plan.outbound
                if not (isinstance(part, TcpOut | SniffOut) and part.address in self._own)
            ]
            own = (
                (plan.allow_any, plan.egress_proxy, plan.reads),
                ways,
                plan.tables,
                plan.backends,
                plan.endpoints,
                bare((plan.inbound, plan.authorization, plan.gateway, plan.patches)),
            )
        led = self._leading.get(pod.address, set())
        return (pod.injection, pod.identity, pod.ports, led, self._filters.get(key), own)


def _groups(pairs: Sequence[Pair], old: _Effects, new: _Effects) -> list[list[Pair]]:
    """Pairs that are alike before and after; a pod that is in one mesh only joins those alike there."""
    groups: list[tuple[tuple[object, ...], tuple[object, ...], list[Pair]]] = []
    for pair in sorted(pairs, key=lambda pair: None in pair):
        was, is_now = old.of(pair[0]), new.of(pair[1])
        for before, after, members in groups:
            if was in ((), before) and is_now in ((), after):
                members.append(pair)
                break
        else:
            groups.append((was, is_now, [pair]))
    return [members for _, _, members in groups]


def _labelled(groups: list[list[Pair]], workload: str) -> Iterable[tuple[str, list[Pair]]]:
    """Each group under a name of its own; the workload's if there is but one."""
    if len(groups) == 1:
        return [(workload, groups[0])]
    found = [[new or old for old, new in group] for group in groups]
    places = [{str(pod.locality) for pod in pods if pod} for pods in found]
    if all(len(each) == 1 for each in places) and len(set.union(*places)) == len(groups):
        labels = [f"{workload}@{next(iter(each))}" for each in places]
    else:
        labels = [_label([pod for pod in pods if pod], workload) for pods in found]
    return zip(labels, groups, strict=True)


def _label(pods: Sequence[Workload], workload: str) -> str:
    """`web-0`, `web-[0-2,5]`; for names without numbers `web-7d4b9+2`: that one and two more."""
    if len(pods) == 1:
        return pods[0].name
    numbers = sorted(_number(pod, workload) for pod in pods)
    if numbers[0] < 0:
        return f"{pods[0].name}+{len(pods) - 1}"
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    said = (str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return f"{workload}-[{','.join(said)}]"
