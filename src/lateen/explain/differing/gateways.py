"""What becomes of requests that come to a gateway: servers, policies and routes of two plans.

In: two ProxyPlans of one gateway, callers.     Out: Change.
Before: differing/outward.py, differing/inward.py       After: differing/whole.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from lateen.explain.differing.changes import Change
from lateen.explain.differing.effects import NOTHING, Area, Facet, Known, shares
from lateen.explain.differing.inward import Door, met
from lateen.explain.differing.meshes import bare
from lateen.explain.differing.outward import NO_MEMBERS, Members, Outward
from lateen.explain.request import Way
from lateen.explain.symbolic.callers import Caller, callers
from lateen.explain.symbolic.space import Space
from lateen.explain.symbolic.wants import ANY_HOST, Wants
from lateen.ir.plan import GatewayPass, GatewayPort, GatewayTls, Mtls, ProxyPlan
from lateen.ir.policy import Paths

OUTSIDE = "outside"
_CLOSED = Facet(name="answer", area=Area.EXPOSURE, said="closed", does="closed")


@dataclass(frozen=True, kw_only=True)
class Gateways:
    """Compares one gateway in two plans."""

    name: str
    old: ProxyPlan
    new: ProxyPlan
    known: Sequence[Caller]
    members: tuple[Members, Members] = NO_MEMBERS
    doubts: dict[str, None] = field(default_factory=dict)

    def changes(self) -> Iterator[Change]:
        """Every difference, in what it serves, whom it lets in, and where it leads."""
        for change in (*self._servers(), *self._doors(), *self._tables()):
            yield replace(change, sources=change.sources or self._sources())

    def _sources(self) -> tuple[str, ...]:
        outward = any(port.outward for port in (*self.old.gateway, *self.new.gateway))
        return (f"{OUTSIDE} through {self.name}" if outward else f"callers of {self.name}",)

    def _servers(self) -> Iterator[Change]:
        before, after = (
            _servers(Known(plan, members))
            for plan, members in zip((self.old, self.new), self.members, strict=True)
        )
        for target in {**before, **after}:
            was, is_now = before.get(target, _CLOSED), after.get(target, _CLOSED)
            if was.does != is_now.does:
                yield Change(
                    area=min(was.area, is_now.area, key=tuple(Area).index),
                    sources=(),
                    targets=(target,),
                    requests=("connections",),
                    before=was.apart(is_now),
                    after=is_now.apart(was),
                    opens=was is _CLOSED if _CLOSED in (was, is_now) else None,
                )

    def _tables(self) -> Iterator[Change]:
        compared = Outward(self.old, self.new, self.members)
        tables = {**_tables(self.old), **_tables(self.new)}
        for name, (port, tls) in tables.items():
            for change in compared.table(name, port, way=Way.GATEWAY, tls=tls):
                ends = [said == NOTHING.said for said in (change.before, change.after)]
                if not any(ends):
                    yield change
                else:
                    yield replace(change, area=Area.EXPOSURE, opens=ends[0])
        self.doubts.update(compared.doubts)

    def _doors(self) -> Iterator[Change]:
        if bare(self.old.authorization) == bare(self.new.authorization):
            return
        plans = (self.old, self.new)
        doors = tuple(Door(authorization=p.authorization, mtls=Mtls.PERMISSIVE) for p in plans)
        for port in sorted({port.port for plan in plans for port in plan.gateway}):
            space = self._space(doors, port)
            self.doubts.update(dict.fromkeys(space.doubts))
            for change in met(space, (doors[0], doors[1]), plans):
                outside = any(source.startswith(OUTSIDE) for source in change.sources)
                area = Area.EXPOSURE if outside else Area.ACCESS
                yield replace(change, area=area, targets=(f"every host on port {port}",))

    def _space(self, doors: Sequence[Door], port: int) -> Space:
        reads = [door.hop.reads for door in doors]
        wants = Wants(reads=min(reads, key=tuple(Paths).index))
        for door in doors:
            wants.authorization(door.authorization, door.hop)
        policies = [door.authorization for door in doors]
        found, unread = callers((), policies, self.new.trust_domain)
        wants.doubts.update(dict.fromkeys(unread))
        several = sum(not each.identity for each in found) > 1
        outside = [
            replace(
                each,
                name=f"{OUTSIDE} through {self.name}{' at ' + each.address if several else ''}",
                known=True,
            )
            for each in found
            if not each.identity
        ]
        inside = [*self.known, *(each for each in found if each.identity)]
        return wants.space(
            way=Way.GATEWAY,
            port=port,
            callers=[*outside, *(inside if _asks_clients(self.new) else ())],
            hosts=ANY_HOST,
            further=reads,
        )


def _asks_clients(plan: ProxyPlan) -> bool:
    """Whether any server looks at its clients' certificates."""
    return any(server.client for port in plan.gateway for server in port.tls)


def _tables(plan: ProxyPlan) -> dict[str, tuple[int, bool]]:
    """The route tables with their port, and whether TLS is ended there."""
    made: dict[str, tuple[int, bool]] = {}
    for port in plan.gateway:
        if port.http:
            made[port.http.table] = (port.port, False)
        for server in port.tls:
            if server.table:
                made[server.table] = (port.port, True)
    return made


def _servers(known: Known) -> dict[str, Facet]:
    """What is served besides plain HTTP routes, by port and name."""
    made: dict[str, Facet] = {}
    for port in known.plan.gateway:
        if port.tcp:
            made[f"port {port.port} (TCP)"] = shares("answer", port.tcp.to, known)
        if port.http:
            said_of = "HTTP"
            made[f"port {port.port}"] = Facet(
                name="answer", area=Area.EXPOSURE, said=said_of, does=said_of
            )
        servers: list[GatewayTls | GatewayPass] = [*port.tls, *port.passed]
        for server in servers:
            for host in server.hosts:
                made[f"{host}:{port.port} (TLS)"] = _server(server, port, known)
    return made


def _server(server: GatewayTls | GatewayPass, port: GatewayPort, known: Known) -> Facet:
    if isinstance(server, GatewayPass):
        return shares("answer", server.to, known)
    asked = server.client
    clients = "" if not asked else ", clients show a certificate"
    versions = "".join(f", {v}" for v in (server.min_version, server.max_version) if v)
    does = bare(replace(server, secrets=(), table=""))
    said_of = f"TLS ended with {', '.join(server.secrets) or 'its own certificate'}"
    return Facet(
        name="answer",
        area=Area.MTLS,
        said=f"{said_of}{clients}{versions}",
        does=(does, server.secrets),
        longer=f"{said_of}{clients}{versions}, port {port.port}",
    )
