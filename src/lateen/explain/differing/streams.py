"""What becomes of connections that are not HTTP on their way out of a proxy.

In: two ProxyPlans.                       Out: Change, for whoever has such a proxy.
Before: differing/effects.py              After: differing/whole.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.explain.differing.changes import Change
from lateen.explain.differing.effects import Area, Facet, Known, connection, elsewhere, shares
from lateen.explain.differing.meshes import short
from lateen.explain.differing.outward import NO_MEMBERS, Members
from lateen.ir.plan import ProxyPlan, SniffOut, SniOut, TcpOut
from lateen.ir.routes import Split

_OTHERS = "addresses of no service"
Facets = dict[str, tuple[Facet, ...]]


def streams(
    old: ProxyPlan, new: ProxyPlan, members: tuple[Members, Members] = NO_MEMBERS
) -> Iterator[Change]:
    """Every difference in where raw connections go, without who opens them."""
    before, after = _raw(Known(old, members[0])), _raw(Known(new, members[1]))
    yield from met(before, after, elsewhere(False), (before[_OTHERS], after[_OTHERS]))


def met(
    before: Facets,
    after: Facets,
    closed: Facet,
    others: tuple[tuple[Facet, ...], tuple[Facet, ...]],
) -> Iterator[Change]:
    """What connections meet now and before, by what they are for; `others` is what the rest of them meets."""
    for target in {**before, **after}:
        was, is_now = before.get(target, others[0]), after.get(target, others[1])
        for facet in was:
            other = next((each for each in is_now if each.name == facet.name), None)
            if other is None or other.does == facet.does:
                continue
            front = "" if facet.name == "answer" else f"{facet.name}: "
            yield Change(
                area=min(facet.area, other.area, key=tuple(Area).index),
                sources=(),
                targets=(target,),
                requests=("connections",),
                before=front + facet.apart(other),
                after=other.apart(facet),
                opens=facet.does == closed.does
                if closed.does in (facet.does, other.does)
                else None,
            )


def _raw(known: Known) -> Facets:
    """What becomes of raw connections, by what they are for."""
    made: Facets = {_OTHERS: (_unclaimed(known.plan, known),)}
    for part in known.plan.outbound:
        match part:
            case TcpOut() | SniffOut() if part.to:
                within = f" in {part.within}" if part.within else ""
                made[f"{_name(part.to, part.port)}{within} (TCP)"] = poured(part.to, known)
            case SniOut():
                for host, to in part.by_host:
                    made[f"{short(host)}:{part.port} (TLS)"] = poured(to, known)
    return made


def poured(to: tuple[Split, ...], known: Known) -> tuple[Facet, ...]:
    """Where raw connections go, and how the backends are connected to."""
    backends = dict.fromkeys(split.backend for split in to if split.weight)
    further = (facet for backend in backends for facet in connection(backend, known))
    return (shares("answer", to, known), *further)


def _name(to: tuple[Split, ...], port: int) -> str:
    key = to[0].origin.key
    named = key and key.kind in ("VirtualService", "ServiceEntry", "Service")
    host = to[0].backend.host if len(to) == 1 or not named or not key else key.name
    return f"{short(host)}:{port}"


def _unclaimed(plan: ProxyPlan, known: Known) -> Facet:
    if plan.allow_any and plan.egress_proxy:
        backend = plan.egress_proxy
        said = f"through {short(backend.host)}:{backend.port}"
        return Facet(name="answer", area=Area.EGRESS, said=said, does=(said, known.behind(backend)))
    return elsewhere(plan.allow_any)
