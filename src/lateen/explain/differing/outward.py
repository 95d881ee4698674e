"""What becomes of requests that leave a proxy: route tables of two plans, host by host.

In: two ProxyPlans.                       Out: Change, for whoever has such a proxy.
Before: differing/effects.py, symbolic/   After: differing/whole.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from ipaddress import ip_address

from msgspec import Struct, field
from msgspec.structs import replace

from lateen.base.origin import BUILT_IN
from lateen.explain.differing.changes import Change
from lateen.explain.differing.effects import NOTHING, Area, Facet, Known, elsewhere, facets
from lateen.explain.differing.meshes import bare, short
from lateen.explain.request import Way
from lateen.explain.symbolic.diagrams import evaluate
from lateen.explain.symbolic.hops import Hop
from lateen.explain.symbolic.judging import route_taken
from lateen.explain.symbolic.saying import said
from lateen.explain.symbolic.wants import ANY_HOST, Wants
from lateen.explain.urls import best_domain
from lateen.ir.match import ANY_REQUEST
from lateen.ir.plan import HttpOut, ProxyPlan, SniffOut
from lateen.ir.policy import Paths
from lateen.ir.routes import Elsewhere, Forward, Redirect, Route, RouteTable, VirtualHost

OTHERS = "every other host"
Members = Mapping[str, str]
NO_MEMBERS: tuple[Members, Members] = ({}, {})


class Side(Struct, frozen=True, dict=True):
    """One plan's part of the comparison; tables by the port they stand for. `members` as in Known."""

    plan: ProxyPlan
    members: Members = field(default_factory=dict)

    @cached_property
    def known(self) -> Known:
        """Its backends."""
        return Known(self.plan, self.members)

    @cached_property
    def tables(self) -> Mapping[str, RouteTable]:
        """By name."""
        return {table.name: table for table in self.plan.tables}

    @property
    def hop(self) -> Hop:
        """How its routes see paths."""
        reads = self.plan.authorization.paths if self.plan.gateway else self.plan.reads
        tokens = self.plan.authorization.tokens
        return Hop(reads=reads or Paths.MERGED, tokenless=not tokens)

    def unclaimed(self) -> VirtualHost:
        """What it does with a host that no table has."""
        if self.plan.gateway:
            return VirtualHost(name="none", domains=("*",), routes=(), origin=BUILT_IN)
        passes = Elsewhere.PASSTHROUGH if self.plan.allow_any else Elsewhere.BLACK_HOLE
        route = Route(name="", match=ANY_REQUEST, action=passes, origin=BUILT_IN)
        return VirtualHost(name=OTHERS, domains=("*",), routes=(route,), origin=BUILT_IN)


class Meeting(Struct, frozen=True, kw_only=True):
    """What a request of some class meets in both plans, where that differs."""

    name: str
    before: Facet | None
    after: Facet | None


class Outward:
    """Compares what two plans do with requests on their way out. `members` are the pods of either mesh, as in Known."""

    def __init__(
        self, old: ProxyPlan, new: ProxyPlan, members: tuple[Members, Members] = NO_MEMBERS
    ) -> None:
        self.old, self.new = Side(old, members[0]), Side(new, members[1])
        self.doubts: dict[str, None] = {}

    def changes(self) -> Iterator[Change]:
        """Every difference on an HTTP port, without who sends."""
        ports = {**_ports(self.old.plan), **_ports(self.new.plan)}
        for (port, table), name in ports.items():
            yield from self.table(table, port, name)

    def table(
        self,
        table: str,
        port: int,
        host: str = "",
        way: Way = Way.OUTBOUND,
        *,
        tls: bool = False,
    ) -> Iterator[Change]:
        """Every difference in one table; `host` if it is that host's alone."""
        old, new = _Hosts(self.old, table), _Hosts(self.new, table)
        if not old.found and not new.found:
            return
        pairs: dict[tuple[int, int], tuple[VirtualHost, VirtualHost, list[str]]] = {}
        for domain in {**old.domains, **new.domains}:
            if not host and _is_address(domain):
                continue
            before, after = old.host(domain, way, tls), new.host(domain, way, tls)
            pairs.setdefault((id(before), id(after)), (before, after, []))[2].append(domain)
        for before, after, domains in pairs.values():
            if not self._same(before, after):
                yield from self._host(before, after, host or _best(domains), (port, way, tls))

    def _same(self, before: VirtualHost, after: VirtualHost) -> bool:
        """Whether nothing can differ: equal rules, to backends that are equal."""
        if before.routes is not after.routes and bare(before.routes) != bare(after.routes):
            return False
        if self.old.hop != self.new.hop:
            return False
        actions = [r.action for r in before.routes if isinstance(r.action, Forward)]
        backends = {split.backend for action in actions for split in action.splits}
        backends |= {mirror.backend for action in actions for mirror in action.mirrors}
        return self._changed.isdisjoint(backends)

    @cached_property
    def _changed(self) -> frozenset[object]:
        """The backends that are not in both plans as they were."""
        old, new = self.old.known, self.new.known
        if (
            self.old.plan.backends is self.new.plan.backends
            and self.old.plan.endpoints is self.new.plan.endpoints
            and old.members == new.members
        ):
            return frozenset()
        return frozenset(
            each
            for each in {**old.backends, **new.backends}
            if bare(old.backends.get(each)) != bare(new.backends.get(each))
            or old.behind(each) != new.behind(each)
        )

    def _host(
        self, before: VirtualHost, after: VirtualHost, domain: str, at: tuple[int, Way, bool]
    ) -> Iterator[Change]:
        port, way, tls = at
        wants = Wants(reads=min(self.old.hop.reads, self.new.hop.reads, key=tuple(Paths).index))
        for side, host in ((self.old, before), (self.new, after)):
            wants.takes(side.plan.authorization)
            for route in host.routes:
                wants.route(route.match, side.hop)
        space = wants.space(
            way=way,
            port=port,
            tls=tls,
            hosts=ANY_HOST
            if domain == "*" and _by_host(before, after)
            else (authority_for(short(domain)),),
            further=(self.old.hop.reads, self.new.hop.reads),
        )
        self.doubts.update(dict.fromkeys(space.doubts))
        taken = space.diagrams.join(
            lambda a, b: (a, b),
            route_taken(space, before.routes, self.old.hop),
            route_taken(space, after.routes, self.new.hop),
        )
        target = OTHERS if domain == "*" else short(domain)
        target += "" if port in (80, 443) else f":{port}"
        meetings: dict[Meeting, set[tuple[int, int]]] = {}
        for pair in space.diagrams.results(taken):
            was, is_now = _route(before, pair[0]), _route(after, pair[1])
            before_parts = facets(was, self.old.known, domain)
            for meeting in _compared(before_parts, facets(is_now, self.new.known, domain)):
                meetings.setdefault(meeting, set()).add(pair)
        for meeting, where in meetings.items():
            condition = space.diagrams.join(lambda pair, w=where: pair in w, taken)
            condition = space.diagrams.both(condition, space.possible)
            chosen = space.diagrams.simplest(condition, space.costs())
            if chosen is None:
                continue
            pair = evaluate(taken, chosen)
            routes = (_route(before, pair[0]), _route(after, pair[1]))
            because = _origins(meeting, *routes)
            yield replace(
                _change(meeting),
                targets=(target,),
                requests=said(space, condition),
                example=space.chosen(chosen),
                because=because,
            )


def _compared(old: Iterable[Facet], new: Iterable[Facet]) -> Iterator[Meeting]:
    """The parts that differ; of answers of two kinds only that."""
    before = {facet.name: facet for facet in old}
    after = {facet.name: facet for facet in new}
    was, is_now = before.get("answer", NOTHING), after.get("answer", NOTHING)
    if _kind(was) != _kind(is_now):
        before, after = {"answer": was}, {"answer": is_now}
    for name in {**before, **after}:
        a, b = before.get(name), after.get(name)
        if a is None and b is not None and name.startswith(_OF_BACKENDS):
            continue
        if b is None and a is not None and name.startswith(_OF_BACKENDS):
            continue
        if (a and a.does) != (b and b.does):
            yield Meeting(name=name, before=a, after=b)


_OF_BACKENDS = ("to ", "protocol ", "balance ", "limits ", "outlier ", "tunnel ")


def _kind(facet: Facet) -> object:
    return facet.does[0] if isinstance(facet.does, tuple) else facet.does


def _change(meeting: Meeting) -> Change:
    before, after = meeting.before, meeting.after
    area = max_area(before, after)
    front = "" if meeting.name == "answer" else f"{meeting.name}: "
    return Change(
        area=area,
        sources=(),
        targets=(),
        requests=(),
        before=front + (before.apart(after) if before else "none"),
        after=after.apart(before) if after else "none",
        opens=_opens(meeting),
    )


def max_area(before: Facet | None, after: Facet | None) -> Area:
    """The more serious of two facets' areas."""
    areas = [facet.area for facet in (before, after) if facet]
    return min(areas, key=tuple(Area).index)


def _opens(meeting: Meeting) -> bool | None:
    closed = elsewhere(False).does
    before = meeting.before.does if meeting.before else None
    after = meeting.after.does if meeting.after else None
    if closed in (before, after):
        return before == closed
    return None


def _route(host: VirtualHost, number: int) -> Route | None:
    return host.routes[number] if number >= 0 else None


def _origins(meeting: Meeting, before: Route | None, after: Route | None) -> tuple[str, ...]:
    own = [o for f in (meeting.before, meeting.after) if f for o in f.origins]
    made = own or [
        str(route.origin) for route in (before, after) if route and route.origin != BUILT_IN
    ]
    return tuple(dict.fromkeys(made))


def _by_host(*hosts: VirtualHost) -> bool:
    return any(route.match.authority for host in hosts for route in host.routes)


def authority_for(domain: str) -> str:
    """A host of a domain of a route table."""
    if domain == "*":
        return "elsewhere.example"
    return domain.replace("*.", "any.").replace("*", "any")


def _best(domains: list[str]) -> str:
    """The fullest of the names of one host."""
    return max(domains, key=lambda d: (d.endswith(".svc.cluster.local"), d != "*", -len(d)))


def _is_address(domain: str) -> bool:
    try:
        ip_address(domain)
    except ValueError:
        return False
    return True


def _ports(plan: ProxyPlan) -> dict[tuple[int, str], str]:
    """The HTTP ports with their tables, and whose each is if it is one host's alone."""
    made: dict[tuple[int, str], str] = {}
    for part in plan.outbound:
        if isinstance(part, HttpOut | SniffOut):
            own = part.table.rpartition(":")[0] if ":" in part.table else ""
            made[part.port, part.table] = own
    return made


class _Hosts:
    """The virtual hosts of one table, found by domain."""

    def __init__(self, side: Side, table: str) -> None:
        self.found = side.tables.get(table)
        hosts = self.found.hosts if self.found else ()
        self.domains = {domain: host for host in hosts for domain in host.domains}
        self._wild = [domain for domain in self.domains if "*" in domain]
        self._unclaimed = side.unclaimed()
        self._redirecting: dict[int, VirtualHost] = {}

    def host(self, domain: str, way: Way, tls: bool) -> VirtualHost:
        """The virtual host that takes requests for a domain, as they meet it."""
        own = self.domains.get(domain)
        if own is None:
            best = best_domain(self._wild, authority_for(domain))
            own = self.domains[best] if best else self._unclaimed
        if own.require_tls and not (way is Way.GATEWAY and tls):
            return self._redirecting.setdefault(id(own), redirecting(own))
        return own


def redirecting(host: VirtualHost) -> VirtualHost:
    """A virtual host that sends everybody to https, with the one rule that says so."""
    away = Redirect(scheme="https")
    route = Route(name="", match=ANY_REQUEST, action=away, origin=host.origin)
    return replace(host, routes=(route,))
