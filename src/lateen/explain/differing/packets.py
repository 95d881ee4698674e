"""Whom NetworkPolicies let reach whom, in two meshes.

In: two Meshes.                                     Out: Change.
Before: translate/packets.py, ir/packets.py         After: differing/whole.py

Ports and addresses are parted at the bounds of all rules; one of each part stands for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network

from lateen.explain.differing.changes import Change
from lateen.explain.differing.effects import Area
from lateen.explain.differing.meshes import Mesh, Party
from lateen.explain.symbolic.callers import address_classes
from lateen.ir.packets import OPEN, Allow, PodFilter, PortRange, admits
from lateen.translate.packets import filters_of

Filters = Mapping[tuple[str, str], PodFilter]
Port = tuple[str, int]  # protocol, number
_PASSES, _DROPPED = "let by", "dropped by NetworkPolicies"


def packets(old: Mesh, new: Mesh) -> Iterator[Change]:
    """Every connection that NetworkPolicies let by in one mesh only, between workloads of both, and outward."""
    before, after = filters_of(old.world), filters_of(new.world)
    if not before and not after:
        return
    there = [(old.parties[key], new.parties[key]) for key in old.parties if key in new.parties]
    for was, is_now in there:
        own = (_filter(before, was), _filter(after, is_now))
        if own[0].egress != own[1].egress:
            yield from _outward(was, own)
        for target_was, target in there:
            other = (_filter(before, target_was), _filter(after, target))
            changed = own[0].egress != own[1].egress or other[0].ingress != other[1].ingress
            if changed and target is not is_now:
                yield from _between((was, is_now), (target_was, target), own, other)


def _filter(filters: Filters, party: Party) -> PodFilter:
    return filters.get((party.pod.namespace, party.pod.name), OPEN)


def _between(
    sources: tuple[Party, Party],
    targets: tuple[Party, Party],
    own: tuple[PodFilter, PodFilter],
    other: tuple[PodFilter, PodFilter],
) -> Iterator[Change]:
    ports = _ports((own[0].egress, own[1].egress, other[0].ingress, other[1].ingress), targets[1])
    found: dict[tuple[bool, bool], list[Port]] = {}
    for protocol, port in ports:
        before, after = (
            admits(out.egress, target.pod.address, protocol, port)
            and admits(into.ingress, source.pod.address, protocol, port)
            for out, into, source, target in zip(own, other, sources, targets, strict=True)
        )
        if before != after:
            found.setdefault((before, after), []).append((protocol, port))
    for (before, after), which in found.items():
        yield _change(sources[1], targets[1].name, (before, after), which, ports)


def _outward(source: Party, filters: tuple[PodFilter, PodFilter]) -> Iterator[Change]:
    """Addresses that are no pod's."""
    allows = [allow for each in filters for allow in each.egress or ()]
    blocks = [block for allow in allows for block in allow.blocks]
    networks = [IPv4Network(n) for block in blocks for n in (block.network, *block.excluded)]
    ports = _ports([each.egress for each in filters], None)
    for address in address_classes(networks):
        found: dict[tuple[bool, bool], list[Port]] = {}
        for protocol, port in ports:
            ends = [admits(each.egress, address, protocol, port) for each in filters]
            if ends[0] != ends[1]:
                found.setdefault((ends[0], ends[1]), []).append((protocol, port))
        for passes, which in found.items():
            yield _change(source, f"addresses such as {address}", passes, which, ports)


def _change(
    source: Party,
    target: str,
    passes: tuple[bool, bool],
    which: list[Port],
    of: tuple[Port, ...],
) -> Change:
    ports = ", ".join(f"{protocol} {port}" for protocol, port in which)
    said = "connections" if len(which) == len(of) else f"connections to ports such as {ports}"
    words = {True: _PASSES, False: _DROPPED}
    return Change(
        area=Area.ACCESS if not target.startswith("addresses") else Area.EGRESS,
        sources=(source.name,),
        targets=(target,),
        requests=(said,),
        before=words[passes[0]],
        after=words[passes[1]],
        opens=passes[1],
    )


def _ports(sides: Iterable[tuple[Allow, ...] | None], target: Party | None) -> tuple[Port, ...]:
    """A port of each part that the rules tell apart, and all that the target declares."""
    ranges: list[PortRange] = [r for side in sides for allow in side or () for r in allow.ports]
    found: dict[Port, None] = {}
    for _, number in target.pod.ports if target else ():
        found["TCP", number] = None
    for each in ranges:
        found[each.protocol, each.first] = None
        if each.last < 65535:
            found[each.protocol, each.last + 1] = None
    for protocol in ("TCP", "UDP"):
        found.setdefault((protocol, 1), None)
    return tuple(found)
