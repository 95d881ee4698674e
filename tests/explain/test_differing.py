"""What is said to change does, and what is not said to change does not: against the walker."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lateen.explain.differing.changes import Change
from lateen.explain.differing.inward import Inward
from lateen.explain.differing.outward import Outward
from lateen.explain.request import Answered, Denied, Forwarded, Outcome, Redirected, Request, Way
from lateen.explain.walk_ir import walk_ir
from lateen.ir.backends import Backend, Endpoint, EndpointSet, InMesh, Plaintext, Wire
from lateen.ir.plan import HttpOut, Inbound, InboundPort, Mtls, ProxyPlan, Speech
from lateen.ir.policy import Authorization
from lateen.ir.routes import RouteTable
from tests.envoy import plans
from tests.explain.test_symbolic import KNOWN
from tests.explain.test_walkers import authorizations, requests, tables

IDS = (plans.V1, plans.V2, plans.PLAIN)
BACKENDS = tuple(
    Backend(
        id=each, discovery=InMesh(), wire=Wire.HTTP1, security=Plaintext(), origin=plans.SERVICE
    )
    for each in IDS
)
ENDPOINTS = tuple(
    EndpointSet(
        id=each,
        endpoints=(
            Endpoint(address=f"10.0.0.{n}", port=80, mtls=True, namespace="shop", workload=str(n)),
        ),
    )
    for n, each in enumerate(IDS)
)


def plan_with(table: RouteTable) -> ProxyPlan:
    return ProxyPlan(
        proxy=plans.SIDECAR,
        outbound=(HttpOut(port=80, table="80", origin=plans.SERVICE),),
        tables=(table,),
        backends=BACKENDS,
        endpoints=ENDPOINTS,
    )


def met(plan: ProxyPlan, request: Request) -> object:
    """What becomes of the request, without the names of rules."""
    outcome: Outcome = walk_ir(plan, request)
    match outcome:
        case Forwarded():
            shares: dict[str, int] = {}
            for cluster, weight in outcome.shares:
                shares[cluster] = shares.get(cluster, 0) + weight
            total = sum(shares.values())
            parts = {(name, weight / total) for name, weight in shares.items()}
            return "forwarded", frozenset(parts), outcome.path, outcome.authority
        case Redirected():
            return "redirected", outcome.status, outcome.location
        case Answered():
            return "answered", outcome.status, outcome.body
        case Denied():
            return "denied"
        case _:
            return str(outcome)


def all_changes(old: ProxyPlan, new: ProxyPlan) -> list[Change]:
    return list(Outward(old, new).changes())


def one_table(table: RouteTable) -> RouteTable:
    """Without redirects to https, which no route makes."""
    hosts = tuple(replace(host, require_tls=False) for host in table.hosts)
    return replace(table, hosts=hosts)


@given(first=tables("80"), second=tables("80"), asked=st.lists(requests, min_size=5, max_size=5))
@settings(max_examples=25)
def test_a_request_that_meets_something_else_is_told_of(
    first: RouteTable, second: RouteTable, asked: list[Request]
) -> None:
    old, new = plan_with(one_table(first)), plan_with(one_table(second))
    differing = [request for request in asked if met(old, request) != met(new, request)]
    if differing:
        assert all_changes(old, new), differing[0]


@given(first=tables("80"), second=tables("80"))
@settings(max_examples=25)
def test_the_example_of_a_change_meets_something_else(
    first: RouteTable, second: RouteTable
) -> None:
    old, new = plan_with(one_table(first)), plan_with(one_table(second))
    for change in all_changes(old, new):
        assert change.example is not None
        if "%" in change.before and "%" in change.after and ":" not in change.before:
            assert met(old, change.example) != met(new, change.example), change


@given(table=tables("80"))
@settings(max_examples=10)
def test_nothing_changes_where_nothing_is_changed(table: RouteTable) -> None:
    assert not all_changes(plan_with(table), plan_with(table))


def guarded(authorization: Authorization, mtls: Mtls) -> ProxyPlan:
    rules = tuple(replace(rule, claim_headers=()) for rule in authorization.tokens)
    known = InboundPort(port=8080, speech=Speech.HTTP, mtls=mtls, origin=plans.SERVICE)
    inbound = Inbound(
        ports=(known,), otherwise=mtls, authorization=replace(authorization, tokens=rules)
    )
    return ProxyPlan(proxy=plans.SIDECAR, inbound=inbound)


@given(
    first=authorizations,
    second=authorizations,
    modes=st.tuples(st.sampled_from(Mtls), st.sampled_from(Mtls)),
    asked=st.lists(requests, min_size=5, max_size=5),
    who=st.sampled_from(KNOWN),
)
@settings(max_examples=25)
def test_who_is_let_in_no_longer_or_newly_is_told_of(
    first: Authorization,
    second: Authorization,
    modes: tuple[Mtls, Mtls],
    asked: list[Request],
    who: object,
) -> None:
    old, new = guarded(first, modes[0]), guarded(second, modes[1])
    found = list(
        Inward(
            target="web",
            address="198.18.0.7",
            old=old,
            new=new,
            known=KNOWN,
            relays=frozenset(),
            doubts={},
        ).changes()
    )
    for change in found:
        assert change.example is not None
        assert _passes(old, change.example) != _passes(new, change.example), change
    for request in asked:
        caller = KNOWN[0] if who == KNOWN[0] else KNOWN[1]
        made = replace(
            request,
            way=Way.INBOUND,
            port=8080,
            address="198.18.0.7",
            peer=caller.identity,
            source=caller.address,
            client="",
            authority="web",
            headers=tuple(h for h in request.headers if h[0] != "authorization"),
            sni="",
        )
        if _passes(old, made) != _passes(new, made):
            assert found, made


def _passes(plan: ProxyPlan, request: Request) -> bool:
    assert plan.inbound
    taken = [rule.issuer for rule in plan.inbound.authorization.tokens]
    if not taken:  # whoever takes no tokens knows no claims
        request = replace(request, claims=None)
    elif request.claims is not None and request.claims["iss"] not in taken:
        return False
    return isinstance(walk_ir(plan, request), Forwarded)
