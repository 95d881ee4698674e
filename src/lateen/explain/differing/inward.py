"""Whom a workload lets in: mTLS, tokens and policies of two plans, port by port.

In: two ProxyPlans of one workload, callers.      Out: Change.
Before: symbolic/judging.py                       After: differing/whole.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lateen.explain.differing.changes import Change
from lateen.explain.differing.effects import Area
from lateen.explain.differing.meshes import bare
from lateen.explain.request import Denied, Lost, Request, Unverified, Way
from lateen.explain.symbolic.callers import Caller, callers
from lateen.explain.symbolic.diagrams import Branch, Node
from lateen.explain.symbolic.hops import Hop
from lateen.explain.symbolic.judging import Decision, decided
from lateen.explain.symbolic.saying import said, who
from lateen.explain.symbolic.space import CALLER, Space
from lateen.explain.symbolic.wants import ANY_HOST, Wants
from lateen.explain.walk_ir import walk_ir
from lateen.ir.plan import Inbound, Mtls, ProxyPlan, Speech
from lateen.ir.policy import EVERYTHING_ALLOWED, Authorization, Paths, PortCondition

_PASSES = (Decision.ALLOWED, Decision.ASKED)


class Door(Struct, frozen=True, kw_only=True):
    """One port of a workload, as its proxy guards it; without a proxy everybody may come in."""

    authorization: Authorization = EVERYTHING_ALLOWED
    mtls: Mtls = Mtls.DISABLE
    http: bool = True
    guarded: bool = True

    @property
    def hop(self) -> Hop:
        """How requests are seen there."""
        known = self.guarded and self.mtls is not Mtls.DISABLE
        return Hop(reads=self.authorization.paths if self.http else Paths.MERGED, unknown=not known)

    def decision(self, space: Space, hop: Hop | None = None) -> Node:
        """What becomes of every request to it, a Decision; `hop` if not all come straight from the caller."""
        seen = hop or self.hop
        found = decided(space, self.authorization, seen, http=self.http)
        if self.mtls is Mtls.STRICT and self.guarded:
            unknown = space.where(CALLER, lambda request: not seen.of(request).peer)
            found = space.diagrams.choose(unknown, space.diagrams.leaf(Decision.CLOSED), found)
        return found


OPEN = Door(guarded=False)


def door_of(plan: ProxyPlan | None, port: int) -> Door:
    """The door at a port."""
    if plan is None or plan.inbound is None:
        return OPEN
    inbound: Inbound = plan.inbound
    found = next((each for each in inbound.ports if each.port == port), None)
    return Door(
        authorization=inbound.authorization,
        mtls=found.mtls if found else inbound.otherwise,
        http=found is None or found.speech is not Speech.TCP,
    )


class Inward(Struct, frozen=True, kw_only=True):
    """Compares how one workload lets in requests, in two plans; None for no proxy."""

    target: str
    address: str
    old: ProxyPlan | None
    new: ProxyPlan | None
    known: Sequence[Caller]
    relays: frozenset[str]
    doubts: dict[str, None]

    def changes(self) -> Iterator[Change]:
        """Every difference at the ports it had and has."""
        if self.old and self.new and bare(self.old.inbound) == bare(self.new.inbound):
            return
        told: set[tuple[object, ...]] = set()
        for port in (*sorted({*_ports(self.old), *_ports(self.new)}), _OTHERS):
            old, new = door_of(self.old, port), door_of(self.new, port)
            if bare_door(old) == bare_door(new):
                continue
            for change in self._port(port, old, new):
                said_so = (
                    change.area,
                    change.sources,
                    change.requests,
                    change.before,
                    change.after,
                )
                if port != _OTHERS or said_so not in told:
                    yield change
                told.add(said_so)

    def _port(self, port: int, old: Door, new: Door) -> Iterator[Change]:
        space = self._space(port, old, new)
        self.doubts.update(dict.fromkeys(space.doubts))
        at = f"{self.target}:{port}" if port != _OTHERS else f"{self.target} at other ports"
        raw = not (old.http or new.http)
        for change in met(space, (old, new), (self.old, self.new)):
            yield replace(as_stream(change) if raw else change, targets=(at,))

    def _space(self, port: int, old: Door, new: Door) -> Space:
        levels = tuple(Paths)
        wants = Wants(reads=min(old.hop.reads, new.hop.reads, key=levels.index))
        wants.authorization(old.authorization, old.hop)
        wants.authorization(new.authorization, new.hop)
        plan = self.new or self.old
        domain = plan.trust_domain if plan else "cluster.local"
        both = (old.authorization, new.authorization)
        found, unread = callers(self.known, both, domain, self.relays)
        wants.doubts.update(dict.fromkeys(unread))
        return wants.space(
            way=Way.INBOUND,
            port=port,
            address=self.address,
            callers=found,
            hosts=ANY_HOST if wants.asks_for_hosts else (self.target,),
            further=(old.hop.reads, new.hop.reads),
        )


def met(
    space: Space,
    doors: tuple[Door, Door],
    plans: tuple[ProxyPlan | None, ProxyPlan | None],
) -> Iterator[Change]:
    """Every difference between what two doors say, without a target."""
    make = space.diagrams
    pairs = make.join(lambda a, b: (a, b), *(door.decision(space) for door in doors))
    for was, becomes in make.results(pairs):
        if was is becomes or (was not in _PASSES and becomes not in _PASSES):
            continue
        here = make.join(lambda pair, w=was, b=becomes: pair == (w, b), pairs)
        for mask, condition in _by_caller(space, make.both(here, space.possible)):
            only = make.both(make.where(space.keys.index(CALLER), mask), condition)
            chosen = make.simplest(only, space.costs())
            if chosen is None:
                continue
            example = space.chosen(chosen)
            before, after = (
                _said(plan, example, decision)
                for plan, decision in zip(plans, (was, becomes), strict=True)
            )
            yield Change(
                area=Area.MTLS if Decision.CLOSED in (was, becomes) else Area.ACCESS,
                sources=who(space, mask),
                targets=(),
                requests=said(space, condition),
                before=before[0],
                after=after[0],
                example=example,
                because=tuple(dict.fromkeys((*before[1], *after[1]))),
                opens=becomes in _PASSES,
            )


def as_stream(change: Change) -> Change:
    """A change of what becomes of connections that are not HTTP, in words for these."""
    requests = tuple(
        re.sub("^(every request|requests)", "connections", each) for each in change.requests
    )
    example = replace(change.example, raw=True) if change.example else None
    return replace(change, requests=requests, example=example)


def _said(
    plan: ProxyPlan | None, example: Request, decision: Decision
) -> tuple[str, tuple[str, ...]]:
    """The decision in words, with the rule that the walker names; and where that stands."""
    if plan is None:
        return decision.value, ()
    of_plan = plan.inbound.authorization if plan.inbound else plan.authorization
    seen = example if of_plan.tokens else replace(example, claims=None)
    return in_words(walk_ir(plan, seen), decision, of_plan)


def in_words(
    outcome: object, decision: Decision, authorization: Authorization
) -> tuple[str, tuple[str, ...]]:
    """A decision with the rule that made it, and where that stands."""
    match outcome:
        case Denied(rule="none"):
            return "denied: no rule allows it", tuple(
                str(policy.origin) for policy in authorization.allow if not policy.dry_run
            )[:1]
        case Denied(rule=rule):
            policy = next(
                (p for p in authorization.policies if rule.startswith(p.name + "-")), None
            )
            name = policy.origin.key.name if policy and policy.origin.key else rule
            number = int(rule.rpartition("[")[2].rstrip("]"))
            clause = policy.clauses[number] if policy and number < len(policy.clauses) else None
            where = (str(clause.origin),) if clause else ()
            return f"denied by {name}", where
        case Unverified() | Lost():
            return decision.value, ()
    return decision.value, ()


def _by_caller(space: Space, condition: Node) -> Iterable[tuple[int, Node]]:
    """The callers a condition concerns, together where the rest of it is the same for them."""
    number = space.keys.index(CALLER)
    if not isinstance(condition, Branch) or condition.variable != number:
        if condition is not space.diagrams.leaf(False):
            yield space.diagrams.full(number), condition
        return
    for mask, way in condition.ways:
        if way is not space.diagrams.leaf(False):
            yield mask, way


def bare_door(door: Door) -> object:
    """The door without where its rules stand."""
    return bare(door)


_OTHERS = 65535  # stands for every port that nothing declares and no rule names


def _ports(plan: ProxyPlan | None) -> Iterator[int]:
    """The ports that are declared, and those that a rule names."""
    if plan is None or plan.inbound is None:
        return
    yield from (port.port for port in plan.inbound.ports)
    yield from ports_named(plan.inbound.authorization)


def ports_named(authorization: Authorization) -> Iterator[int]:
    """The ports that policies tell apart."""
    for policy in authorization.policies:
        for clause in policy.clauses:
            for condition in clause.conditions:
                if isinstance(condition, PortCondition):
                    yield from (*condition.any_of, *condition.none_of)
