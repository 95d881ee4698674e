"""One way by which requests may go: the space of them, which of them a property is about, who lets them by.

In: Senders, Table, Property.                              Out: Try, Refuted.
Before: properties/ways.py, symbolic/                      After: properties/proving.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lateen.explain.differing.inward import Door, door_of
from lateen.explain.differing.meshes import Mesh
from lateen.explain.ir_match import matches, request_matches
from lateen.explain.policies import clause_matches
from lateen.explain.properties.forms import Asked, Property, pattern
from lateen.explain.properties.verdicts import OUTSIDE, Refuted
from lateen.explain.properties.ways import Arrival, Senders, Table, Ways
from lateen.explain.request import Forwarded, Request, Way
from lateen.explain.symbolic.callers import Caller
from lateen.explain.symbolic.diagrams import Node
from lateen.explain.symbolic.hops import Hop
from lateen.explain.symbolic.judging import Decision, all_hold, decided, route_taken
from lateen.explain.symbolic.space import CALLER, METHOD, PATH, TOKEN, Space
from lateen.explain.symbolic.wants import Wants
from lateen.explain.walk_ir import walk_ir
from lateen.ir.match import Exact, Present, StringMatch
from lateen.ir.plan import ProxyPlan
from lateen.ir.routes import Route, VirtualHost

_PASSES = (Decision.ALLOWED, Decision.ASKED)
SOMEWHERE = "203.0.113.9"


class Try(Struct, frozen=True, kw_only=True):
    """One way: who sends, by which table and host, and the space of what they may send there."""

    senders: Senders
    table: Table | None
    host: VirtualHost | None
    space: Space

    @property
    def routes(self) -> tuple[Route, ...]:
        """The rules that requests meet, in order."""
        return self.host.routes if self.host else ()


class Trials:
    """What all ways of one property in one mesh have in common; it keeps count of them."""

    def __init__(self, mesh: Mesh, wanted: Property) -> None:
        self.wanted = wanted
        self.ways = Ways(mesh)
        self.doubts: dict[str, None] = {}
        self.classes = 0

    def arriving(self, senders: Senders, arrival: Arrival, hop: Hop, door: Door) -> Hop:
        """What the target's proxy sees, of a request that a route changed."""
        known = arrival.mtls and not door.hop.unknown
        caller = senders.parties[0].caller if senders.gateway else None
        tokenless = not door.authorization.tokens
        return replace(
            hop, reads=door.hop.reads, unknown=not known, caller=caller, tokenless=tokenless
        )

    def tried(
        self,
        senders: Senders,
        table: Table | None,
        named: tuple[str, VirtualHost | None],
        ends: Sequence[tuple[Door, Hop]],
        server_name: str = "",
    ) -> Try:
        name, host = named
        wants = Wants(reads=senders.hop.reads)
        if senders.plan and senders.gateway:
            wants.authorization(senders.plan.authorization, senders.hop)
        for route in host.routes if host else ():
            wants.route(route.match, senders.hop)
        for door, hop in ends:
            wants.authorization(door.authorization, hop)
            self._want(wants, hop)
        gateway = senders.gateway
        space = wants.space(
            way=Way.GATEWAY if gateway else Way.OUTBOUND,
            port=table.port if table else next(iter(self.wanted.asked.ports), 80),
            tls=bool(table and table.tls),
            address=table.bind if table and table.bind else "",
            callers=_clients() if gateway else [party.caller for party in senders.parties],
            hosts=(name,),
            further=[hop.reads for _, hop in ends],
            server_name=server_name,
        )
        self.doubts.update(dict.fromkeys(space.doubts))
        return Try(senders=senders, table=table, host=host, space=space)

    def _want(self, wants: Wants, hop: Hop) -> None:
        """What the property itself asks about."""
        asked = self.wanted.asked
        for method in (*asked.methods, *asked.not_methods):
            wants.text(METHOD, Exact(method))
        for path in (*asked.paths, *asked.not_paths):
            wants.path(path, hop)
        for name, text in asked.headers:
            if not hop.fixes(name):
                wants.text(("header", name), text or Present())

    def sent(self, tried: Try) -> tuple[Node, Node]:
        """Which route is taken; and where the sender's side lets requests go by at all."""
        space, senders = tried.space, tried.senders
        self.classes += sum(len(values) for values in space.values)
        taken = route_taken(space, tried.routes, senders.hop)
        passed: Node = space.diagrams.leaf(True)
        if senders.plan and senders.gateway:
            said = decided(space, senders.plan.authorization, senders.hop)
            passed = space.diagrams.join(lambda decision: decision in _PASSES, said)
        return taken, passed

    def poured(self, tried: Try) -> Node:
        """Where a gateway's own policies let a raw connection by; a sidecar has none on the way out."""
        space, plan = tried.space, tried.senders.plan
        if plan is None or not tried.senders.gateway:
            return space.diagrams.leaf(True)
        said = decided(space, plan.authorization, tried.senders.hop, http=False)
        return space.diagrams.join(lambda decision: decision in _PASSES, said)

    def let_by(self, space: Space, senders: Senders, arrival: Arrival) -> Node:
        """Whom NetworkPolicies let reach the target."""
        target = (arrival.party, arrival.port)
        if senders.gateway:
            return space.diagrams.leaf(self.ways.let_by(senders.parties[0], *target))
        addresses = {p.pod.address for p in senders.parties if self.ways.let_by(p, *target)}
        return space.where(CALLER, lambda request: request.source in addresses)

    def host_asked(self, host: str) -> bool:
        hosts = self.wanted.asked.hosts
        return not hosts or any(matches(pattern(each), host) for each in hosts)

    def asks(self, space: Space, hop: Hop) -> Node:
        """Where requests are of the kind that the property is about, as they arrive."""
        asked: Asked = self.wanted.asked
        nodes: list[Node] = []
        if asked.methods:
            nodes.append(space.where(METHOD, lambda request: request.method in asked.methods))
        if asked.not_methods:
            nodes.append(space.where(METHOD, lambda r: r.method not in asked.not_methods))
        if asked.not_paths:
            nodes.append(space.where(PATH, lambda r: not _path_is(asked.not_paths, hop.of(r))))
        if asked.mtls is not None:
            nodes.append(space.where(CALLER, lambda r: bool(hop.of(r).peer) is asked.mtls))
        if asked.paths:
            nodes.append(space.where(PATH, lambda r: _path_is(asked.paths, hop.of(r))))
        for name, text in asked.headers:
            nodes.append(space.where(("header", name), _header(name, text, hop)))
        if asked.token is not None:
            valid = space.where(TOKEN, lambda request: request.claims is not None)
            none = space.having(TOKEN, None) if space.index(TOKEN) is not None else None
            if self.wanted.always and none is not None and not asked.token:
                nodes.append(none)  # one that nobody accepts never arrives
            else:
                nodes.append(valid if asked.token else space.diagrams.negated(valid))
        return all_hold(space, nodes)

    def refuted(
        self, tried: Try, where: Node, arrival: Arrival | None, hop: Hop, *, kept: bool = False
    ) -> Iterator[Refuted]:
        space = tried.space
        chosen = space.diagrams.simplest(where, space.costs())
        if chosen is None:
            return
        request = space.chosen(chosen)
        source = _sender(tried, request)
        arrived = None
        why = _routes_of(tried, request)
        if arrival:
            seen = replace(hop, reads=door_of(arrival.party.plan, arrival.port).hop.reads)
            arrived = replace(
                seen.of(request),
                way=Way.INBOUND,
                port=arrival.port,
                address=arrival.party.pod.address,
                tls=False,
            )
            why += _let_in_by(arrival.party.plan, arrived)
        target = (
            arrival.party.name
            if arrival
            else (tried.space.chosen(chosen).authority if kept else OUTSIDE)
        )
        confirmed = _confirmed(tried, request, arrival, arrived)
        yield Refuted(
            source=source,
            target=target,
            request=request,
            arrived=arrived,
            why=why,
            confirmed=confirmed,
        )


def _header(name: str, wanted: StringMatch | None, hop: Hop) -> Callable[[Request], bool]:
    """Whether a header is as wanted where the request arrives."""

    def holds(request: Request) -> bool:
        value = dict(hop.of(request).headers).get(name)
        if wanted is None or value is None:
            return wanted is None and value is None
        return matches(wanted, value)

    return holds


def _clients() -> list[Caller]:
    return [Caller(name="outside", address=SOMEWHERE)]


def let_in(space: Space, door: Door, hop: Hop) -> Node:
    return space.diagrams.join(lambda decision: decision in _PASSES, door.decision(space, hop))


def _path_is(wanted: Iterable[StringMatch], request: Request) -> bool:
    return any(matches(each, request.path.partition("?")[0]) for each in wanted)


def _sender(tried: Try, request: Request) -> str:
    if tried.senders.gateway:
        return f"outside through {tried.senders.parties[0].name}"
    by_address = {party.pod.address: party.name for party in tried.senders.parties}
    return by_address.get(request.source, tried.senders.parties[0].name)


def _routes_of(tried: Try, request: Request) -> tuple[str, ...]:
    seen = tried.senders.hop.of(request)
    taken = (route for route in tried.routes if request_matches(route.match, seen))
    return tuple(str(route.origin) for route in list(taken)[:1])


def _let_in_by(plan: ProxyPlan | None, arrived: Request) -> tuple[str, ...]:
    """The rule that allows it; that there is none to refuse it."""
    if plan is None or plan.inbound is None:
        return ("there is no proxy to refuse it",)
    for policy in plan.inbound.authorization.allow:
        for clause in policy.clauses if not policy.dry_run else ():
            if clause_matches(clause, policy.verdict, arrived):
                return (str(clause.origin),)
    return ("no policy refuses it",)


def _confirmed(
    tried: Try, request: Request, arrival: Arrival | None, arrived: Request | None
) -> bool:
    """Whether the walkers come to the same."""
    plan = tried.senders.plan
    if plan is None or arrival is None or arrived is None:
        sent = True
    else:
        sent = isinstance(walk_ir(plan, request), Forwarded)
    if arrival is None or arrived is None or arrival.party.plan is None:
        return sent
    return sent and isinstance(walk_ir(arrival.party.plan, arrived), Forwarded)
