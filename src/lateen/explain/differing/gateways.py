"""What becomes of requests that come to a gateway: servers, policies and routes of two plans.

In: two ProxyPlans of one gateway, callers.     Out: Change.
Before: differing/outward.py, differing/inward.py       After: differing/whole.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from lateen.explain.differing import streams
from lateen.explain.differing.changes import Change
from lateen.explain.differing.effects import NOTHING, Area, Facet, Known
from lateen.explain.differing.inward import Door, as_stream, met
from lateen.explain.differing.meshes import bare
from lateen.explain.differing.outward import NO_MEMBERS, Members, Outward, authority_for
from lateen.explain.request import Way
from lateen.explain.symbolic.callers import Caller, callers
from lateen.explain.symbolic.space import Space
from lateen.explain.symbolic.wants import ANY_HOST, Wants
from lateen.ir.plan import GatewayPass, GatewayPort, GatewayTls, Mtls, ProxyPlan
from lateen.ir.policy import Paths

OUTSIDE = "outside"
_CLOSED = Facet(name="answer", area=Area.EXPOSURE, said="closed", does="closed")


class _Kind(Struct, frozen=True, kw_only=True):
    """What comes to one port and is judged alike: HTTP for any host, or raw connections, with TLS for one server name."""

    port: int
    raw: bool = False
    tls: bool = False
    host: str = ""

    @property
    def target(self) -> str:
        if not self.raw:
            return f"every host on port {self.port}"
        return f"{self.host}:{self.port} (TLS)" if self.tls else f"port {self.port} (TCP)"


class Gateways(Struct, frozen=True, kw_only=True):
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
        yield from streams.met(before, after, _CLOSED, ((_CLOSED,), (_CLOSED,)))

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
        found = {kind: None for plan in plans for port in plan.gateway for kind in _kinds(port)}
        for kind in sorted(found, key=lambda kind: (kind.port, kind.target)):
            doors = tuple(
                Door(authorization=p.authorization, mtls=Mtls.PERMISSIVE, http=not kind.raw)
                for p in plans
            )
            space = self._space(doors, kind)
            self.doubts.update(dict.fromkeys(space.doubts))
            for change in met(space, (doors[0], doors[1]), plans):
                outside = any(source.startswith(OUTSIDE) for source in change.sources)
                area = Area.EXPOSURE if outside else Area.ACCESS
                told = as_stream(change) if kind.raw else change
                yield replace(told, area=area, targets=(kind.target,))

    def _space(self, doors: Sequence[Door], kind: _Kind) -> Space:
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
            port=kind.port,
            tls=kind.tls,
            server_name=kind.host,
            callers=[*outside, *(inside if _asks_clients(self.new) else ())],
            hosts=(authority_for(kind.host or self.name),) if kind.raw else ANY_HOST,
            further=reads,
        )


def _kinds(port: GatewayPort) -> Iterator[_Kind]:
    if port.http or any(server.table for server in port.tls):
        yield _Kind(port=port.port)
    if port.tcp:
        yield _Kind(port=port.port, raw=True)
    for server in _raw_servers(port):
        yield from (_Kind(port=port.port, raw=True, tls=True, host=h) for h in server.hosts)


def _raw_servers(port: GatewayPort) -> list[GatewayTls | GatewayPass]:
    """Those that tell connections by server name and look no further."""
    return [*port.passed, *(server for server in port.tls if server.to)]


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


def _servers(known: Known) -> streams.Facets:
    """What is served besides plain HTTP routes, by port and name."""
    made: streams.Facets = {}
    for port in known.plan.gateway:
        if port.tcp:
            made[f"port {port.port} (TCP)"] = streams.poured(port.tcp.to, known)
        if port.http:
            said_of = "HTTP"
            facet = Facet(name="answer", area=Area.EXPOSURE, said=said_of, does=said_of)
            made[f"port {port.port}"] = (facet,)
        servers: list[GatewayTls | GatewayPass] = [*port.tls, *port.passed]
        for server in servers:
            for host in server.hosts:
                made[f"{host}:{port.port} (TLS)"] = _server(server, port, known)
    return made


def _server(server: GatewayTls | GatewayPass, port: GatewayPort, known: Known) -> tuple[Facet, ...]:
    if isinstance(server, GatewayPass):
        return streams.poured(server.to, known)
    asked = server.client
    clients = "" if not asked else ", clients show a certificate"
    versions = "".join(f", {v}" for v in (server.min_version, server.max_version) if v)
    does = bare(replace(server, secrets=(), table="", to=()))
    said_of = f"TLS ended with {', '.join(server.secrets) or 'its own certificate'}"
    ended = Facet(
        name="answer",
        area=Area.MTLS,
        said=f"{said_of}{clients}{versions}",
        does=(does, server.secrets),
        longer=f"{said_of}{clients}{versions}, port {port.port}",
    )
    within = streams.poured(server.to, known) if server.to else ()
    return (ended, *(replace(f, name="within") if f.name == "answer" else f for f in within))
