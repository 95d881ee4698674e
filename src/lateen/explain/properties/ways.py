"""By which ways requests get from one workload to another, or out of the mesh.

In: Mesh.                                   Out: Way: who sends, the routes it goes by, where it arrives.
Before: differing/meshes.py, ir/plan.py     After: properties/proving.py

Senders whose proxies have the very same parts are looked at together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from lateen.explain.differing.effects import Known
from lateen.explain.differing.meshes import Mesh, Party
from lateen.explain.differing.outward import authority_for, redirecting
from lateen.explain.symbolic.hops import Hop
from lateen.ir.backends import BackendId, MeshMtls
from lateen.ir.match import Exact, Prefix, Regex
from lateen.ir.packets import admits
from lateen.ir.plan import (
    GatewayPass,
    GatewayPort,
    GatewayTls,
    HttpOut,
    ProxyPlan,
    SniffOut,
    SniOut,
    TcpOut,
)
from lateen.ir.policy import Paths
from lateen.ir.routes import Forward, Route, RouteTable, Split, VirtualHost
from lateen.translate.packets import filters_of


class Arrival(Struct, frozen=True, kw_only=True):
    """A port of a workload that a backend leads to; `mtls`: with the sender's certificate."""

    party: Party
    port: int
    mtls: bool


class Table(Struct, frozen=True, kw_only=True):
    """A port by which senders' requests are routed; `tls`: the gateway ends TLS there."""

    port: int
    table: RouteTable
    tls: bool = False
    bind: str = ""
    alone: str = ""  # the one host it is for, if it is for one


class Stream(Struct, frozen=True, kw_only=True):
    """A port by which connections go on as they are: for an address or a server name, to backends by share.

    `tls`: the client speaks TLS, by whose server name it is told. `opaque`: what goes on cannot be plain HTTP.
    """

    port: int
    name: str
    to: tuple[Split, ...]
    tls: bool = False
    opaque: bool = False


class Senders(Struct, frozen=True, kw_only=True, dict=True):
    """Workloads that send in the same way, and the plan of their proxies (None: they have none)."""

    parties: tuple[Party, ...]
    plan: ProxyPlan | None

    @property
    def gateway(self) -> bool:
        """Whether what they send is what others sent them."""
        return self.plan is not None and bool(self.plan.gateway)

    @cached_property
    def known(self) -> Known | None:
        """Their backends."""
        return Known(self.plan) if self.plan else None

    @property
    def hop(self) -> Hop:
        """How their proxies see requests."""
        if self.plan is None:
            return Hop()
        reads = self.plan.authorization.paths if self.gateway else self.plan.reads
        return Hop(reads=reads or Paths.MERGED, tokenless=not self.plan.authorization.tokens)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Every port where HTTP is routed."""
        if self.plan is None:
            return ()
        by_name = {table.name: table for table in self.plan.tables}
        made = [
            Table(
                port=part.port,
                table=by_name[part.table],
                bind=part.address if isinstance(part, SniffOut) else "",
                alone=part.table.rpartition(":")[0] if ":" in part.table else "",
            )
            for part in self.plan.outbound
            if isinstance(part, HttpOut | SniffOut) and part.table in by_name
        ]
        for port in self.plan.gateway:
            made += _of_gateway(port, by_name)
        return tuple(made)

    def streams(self) -> Iterator[Stream]:
        """Raw connections."""
        for part in self.plan.outbound if self.plan else ():
            match part:
                case TcpOut():
                    yield Stream(port=part.port, name=part.address, to=part.to)
                case SniffOut():
                    yield Stream(port=part.port, name=part.address, to=part.to, opaque=True)
                case SniOut():
                    for host, to in part.by_host:
                        yield Stream(port=part.port, name=host, to=to, tls=True, opaque=True)
        for port in self.plan.gateway if self.plan else ():
            if port.tcp:
                yield Stream(port=port.port, name=self.parties[0].name, to=port.tcp.to)
            servers: list[GatewayPass | GatewayTls] = [*port.passed, *port.tls]
            for server in servers:
                opaque = isinstance(server, GatewayPass)
                for host in server.hosts if server.to else ():
                    yield Stream(port=port.port, name=host, to=server.to, tls=True, opaque=opaque)


def _of_gateway(port: GatewayPort, by_name: Mapping[str, RouteTable]) -> Iterator[Table]:
    if port.http and port.http.table in by_name:
        yield Table(port=port.port, table=by_name[port.http.table])
    for server in port.tls:
        if server.table in by_name:
            yield Table(port=port.port, table=by_name[server.table], tls=True)


class Ways:
    """The ways of one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._filters = filters_of(mesh.world)
        self._by_address = {
            pod.address: mesh.parties[mesh.key_of(pod)]
            for pod in mesh.world.workloads.values()
            if not pod.ended and pod.address
        }

    def senders(self, parties: Iterable[Party]) -> list[Senders]:
        """These parties, those together whose proxies route alike; each gateway alone."""
        alike: dict[tuple[int, ...], list[Party]] = {}
        for party in parties:
            plan = party.plan
            key: tuple[int, ...] = (0,)
            if plan and plan.gateway:
                key = (1, id(plan))
            elif plan:
                shared = (plan.tables, plan.backends, plan.endpoints)
                key = (2, *map(id, shared), hash(plan.outbound), hash(plan.allow_any))
            alike.setdefault(key, []).append(party)
        return [Senders(parties=tuple(some), plan=some[0].plan) for some in alike.values()]

    def arrivals(self, senders: Senders, backend: BackendId) -> Iterator[Arrival]:
        """Where what is sent to a backend arrives in the mesh."""
        if senders.known is None:
            return
        found = senders.known.backends.get(backend)
        endpoints = senders.known.endpoints.get(backend)
        security = found.security if found else None
        seen: set[tuple[str, int, bool]] = set()
        for each in endpoints.endpoints if endpoints else ():
            party = self._by_address.get(each.address)
            secure = isinstance(security, MeshMtls) and (each.mtls or not security.auto)
            if party and (party.name, each.port, secure) not in seen:
                seen.add((party.name, each.port, secure))
                yield Arrival(party=party, port=each.port, mtls=secure)

    def let_by(self, sender: Party, target: Party, port: int) -> bool:
        """Whether NetworkPolicies let the one reach the other."""
        out = self._filters.get((sender.pod.namespace, sender.pod.name))
        into = self._filters.get((target.pod.namespace, target.pod.name))
        return admits(out.egress if out else None, target.pod.address, "TCP", port) and admits(
            into.ingress if into else None, sender.pod.address, "TCP", port
        )

    def let_out(self, sender: Party) -> bool:
        """Whether NetworkPolicies let a pod reach anything outside at all."""
        out = self._filters.get((sender.pod.namespace, sender.pod.name))
        return out is None or out.egress is None or any(allow.blocks for allow in out.egress)


def onward(route: Route, split: Split, hop: Hop) -> Hop:
    """How the next place sees what a route sends it; `hop` is how the route itself saw it."""
    action = route.action
    made = Hop(reads=hop.reads)
    if not isinstance(action, Forward):
        return made
    headers: dict[str, str | None] = {}
    for changes in (split.request_headers, route.request_headers):
        headers |= {name.lower(): value for name, value in (*changes.set, *changes.add)}
        headers |= {name.lower(): None for name in changes.remove}
    authority = next((v for n, v in headers.items() if n in ("host", ":authority") and v), "")
    made = replace(
        made,
        headers={n: v for n, v in headers.items() if n not in ("host", ":authority")},
        authority=(action.rewrite.authority if action.rewrite else "") or authority,
    )
    rewrite = action.rewrite
    if rewrite and rewrite.pattern:
        return replace(made, pattern=rewrite.pattern, substitution=rewrite.substitution)
    if rewrite and rewrite.path:
        match route.match.path:
            case Exact() | Regex():
                return replace(made, fixed=rewrite.path)
            case Prefix(prefix):
                return replace(made, cut=prefix, put=rewrite.path)
            case None:
                return replace(made, cut="/", put=rewrite.path)
    return made


def hosts_of(table: Table) -> Iterator[tuple[str, VirtualHost]]:
    """Each virtual host with the name it is asked for by."""
    for host in table.table.hosts:
        names = sorted(host.domains, key=lambda d: (d.endswith(".svc.cluster.local"), d))
        redirects = host.require_tls and not table.tls
        yield (
            authority_for(table.alone or _asked_by(names)),
            redirecting(host) if redirects else host,
        )


def _asked_by(domains: list[str]) -> str:
    """The name people use: with its namespace, if there is one."""
    words = [d for d in domains if d[-1:].isalpha()]
    named = [d for d in words if d.count(".") == 1 and not d.startswith("*")]
    return (named or words or domains)[0]
