"""Compare two meshes: every way out, every door, every gateway, and who there is.

In: two Meshes.                                         Out: Difference.
Before: differing/outward.py, differing/inward.py       After: cli/differing.py

Proxies whose plans have the very same parts are looked at once, for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from lateen.explain.differing.changes import Change, Difference, grouped
from lateen.explain.differing.effects import Area
from lateen.explain.differing.gateways import Gateways
from lateen.explain.differing.inward import Inward
from lateen.explain.differing.manners import changed_interception, changed_manners
from lateen.explain.differing.meshes import Mesh, Party, bare
from lateen.explain.differing.outward import Members, Outward
from lateen.explain.differing.packets import packets
from lateen.explain.differing.parting import parted_alike
from lateen.explain.differing.streams import streams
from lateen.explain.symbolic.callers import Caller
from lateen.ir.plan import ProxyPlan

Pair = tuple[Party, Party]


def difference(old: Mesh, new: Mesh) -> Difference:
    """What traffic does differently in the new mesh."""
    old, new = parted_alike(old, new)
    members = (old.members, new.members)
    doubts: dict[str, None] = {}
    pairs = [(old.parties[key], new.parties[key]) for key in old.parties if key in new.parties]
    changes = [
        *_workloads(old, new),
        *_outward(pairs, members, doubts),
        *_inward(pairs, old, new, doubts),
        *_gateways(pairs, old, new, doubts),
        *packets(old, new),
    ]
    for was, is_now in pairs:
        if was.plan and is_now.plan:
            changes += changed_interception(
                is_now.name, was.pod.interception, is_now.pod.interception
            )
            changes += changed_manners(is_now.name, was.plan.manners, is_now.plan.manners)
    for was, is_now in pairs:
        if was.plan and is_now.plan and bare(was.plan.patches) != bare(is_now.plan.patches):
            doubts[f"EnvoyFilters of {is_now.name} changed: what they do is not followed"] = None
    everyone = tuple(p.name for _, p in pairs if p.plan and not p.is_gateway)
    return Difference(changes=grouped(changes), doubts=tuple(doubts), everyone=everyone)


def _workloads(old: Mesh, new: Mesh) -> Iterator[Change]:
    for key in sorted({*old.parties, *new.parties}):
        was, is_now = old.parties.get(key), new.parties.get(key)
        name = f"{key[1]}.{key[0]}"
        before, after = _state(was), _state(is_now)
        if before != after:
            lost = was is not None and is_now is not None
            yield Change(
                area=Area.MTLS if lost and bool(was.plan) != bool(is_now.plan) else Area.WORKLOADS,  # type: ignore[union-attr]
                sources=(name,),
                targets=(),
                requests=(),
                before=before,
                after=after,
            )


def _state(party: Party | None) -> str:
    if party is None:
        return "not there"
    pods = f"{party.count} pod{'s' if party.count > 1 else ''}"
    proxy = "with a proxy" if party.plan else "without a proxy"
    return f"{pods} {proxy}, as {party.pod.identity.partition('/ns/')[2].replace('/sa/', '/')}"


def _outward(
    pairs: Iterable[Pair], members: tuple[Members, Members], doubts: dict[str, None]
) -> Iterator[Change]:
    alike: dict[tuple[int, ...], tuple[ProxyPlan, ProxyPlan, list[str]]] = {}
    for was, is_now in pairs:
        if not was.plan or not is_now.plan or was.is_gateway or is_now.is_gateway:
            continue
        key = (*_parts(was.plan), *_parts(is_now.plan))
        alike.setdefault(key, (was.plan, is_now.plan, []))[2].append(is_now.name)
    for old, new, names in alike.values():
        compared = Outward(old, new, members)
        for change in (*compared.changes(), *streams(old, new, members)):
            yield replace(change, sources=tuple(names))
        doubts.update(compared.doubts)


def _parts(plan: ProxyPlan) -> tuple[int, ...]:
    """What decides about requests on their way out, by identity."""
    parts = (plan.tables, plan.backends, plan.endpoints)
    return (*map(id, parts), hash(plan.outbound), hash((plan.allow_any, plan.egress_proxy)))


def _inward(
    pairs: Iterable[Pair], old: Mesh, new: Mesh, doubts: dict[str, None]
) -> Iterator[Change]:
    known = known_callers(old, new)
    for was, is_now in pairs:
        if was.is_gateway or is_now.is_gateway or not (was.plan or is_now.plan):
            continue
        inward = Inward(
            target=is_now.name,
            address=is_now.pod.address,
            old=was.plan,
            new=is_now.plan,
            known=known,
            relays=old.relays | new.relays,
            doubts=doubts,
        )
        yield from inward.changes()


def _gateways(
    pairs: Iterable[Pair], old: Mesh, new: Mesh, doubts: dict[str, None]
) -> Iterator[Change]:
    known = known_callers(old, new)
    for was, is_now in pairs:
        if was.plan and is_now.plan and was.is_gateway and is_now.is_gateway:
            compared = Gateways(
                name=is_now.name,
                old=was.plan,
                new=is_now.plan,
                known=known,
                members=(old.members, new.members),
            )
            yield from compared.changes()
            doubts.update(compared.doubts)


def known_callers(old: Mesh, new: Mesh) -> tuple[Caller, ...]:
    """Everybody who is in one of the meshes, as they are in the new one if they are there."""
    return tuple({c.name: c for c in (*old.callers, *new.callers)}.values())
