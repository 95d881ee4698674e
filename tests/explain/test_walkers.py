"""The two walkers agree on every request: on made-up plans, and on each case's plan."""

from __future__ import annotations

import time
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lateen.envoy.emit import emit
from lateen.explain.request import Answered, Denied, Forwarded, Lost, Redirected, Request, Way
from lateen.explain.walk_envoy import walk_envoy
from lateen.explain.walk_ir import walk_ir
from lateen.ir.authorizers import Asking, GrpcAuthorizer, HttpAuthorizer
from lateen.ir.match import (
    ANY_REQUEST,
    ClaimMatch,
    Exact,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RequestMatch,
    StringMatch,
    Suffix,
)
from lateen.ir.plan import (
    GatewayHttp,
    GatewayPort,
    GatewayTls,
    HttpOut,
    Inbound,
    InboundPort,
    Mtls,
    ProxyPlan,
    Speech,
)
from lateen.ir.policy import (
    AddressCondition,
    Authorization,
    ClaimCondition,
    Clause,
    Custom,
    DestinationCondition,
    End,
    HeaderCondition,
    Identity,
    IdentityCondition,
    OnCaller,
    OnRequest,
    Paths,
    Policy,
    PortCondition,
    Subject,
    SubjectCondition,
    TextCondition,
    Trait,
    Verdict,
)
from lateen.ir.routes import (
    Action,
    Elsewhere,
    Forward,
    HeaderChanges,
    Redirect,
    Respond,
    Rewrite,
    Route,
    RouteTable,
    Split,
    VirtualHost,
)
from lateen.ir.tokens import GivenKeys, TokenHeader, TokenRule
from lateen.translate.plan import plans as plans_of
from tests.envoy import plans
from tests.envoy.tokens import claims, key_set, signer
from tests.translate.cases import all_cases, case_in

PATHS = (
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/A/b",
    "/secret",
    "//a//b",
    "/a/../secret",
    "/%61",
    "/a%2Fb",
    "/a/.",
)
WORDS = ("", "a", "b", "ab", "shop", "web", "/a", "/a/b", "/secret", "GET")
NAMESPACES = ("shop", "other")
IDENTITIES = tuple(f"cluster.local/ns/{ns}/sa/{sa}" for ns in NAMESPACES for sa in ("web", "api"))
HOSTS = ("web", "web:80", "a.example.com", "b.a.example.com", "example.com", "WEB", "unknown")
DOMAINS = ("web", "web:80", "*.example.com", "*.a.example.com", "a.example.com", "web*", "*")
BACKENDS = (plans.V1, plans.V2, plans.PLAIN)
PORT = 8080
ADDRESSES = ("10.0.0.1", "10.1.0.1", "198.18.0.9", "fd00::1")
NETWORKS = tuple(
    ip_network(each) for each in ("10.0.0.0/8", "10.0.0.1/32", "198.18.0.0/24", "fd00::/8")
)

ISSUERS = ("https://a", "https://b")
SIGNERS = (signer("RS256", "a"), signer("ES256", "b"))
TOKENS = (
    SIGNERS[0].sign(claims(ISSUERS[0], "jane", aud=["web", "api"], realm={"groups": ["a", "b"]})),
    SIGNERS[0].sign(claims(ISSUERS[0], "joe", aud="web", azp="bot", scope="read a")),
    SIGNERS[1].sign(claims(ISSUERS[1], "jane", realm={"groups": "ab"}, n=3)),
    SIGNERS[1].sign(claims(ISSUERS[0], "jane")),
    SIGNERS[1].sign(claims(ISSUERS[1], "a/b", exp=1)),
    "xyz",
)
CLAIMS = (("aud",), ("azp",), ("scope",), ("realm", "groups"), ("realm",), ("n",))


def texts(*words: str) -> st.SearchStrategy[StringMatch]:
    word = st.sampled_from(words)
    return st.one_of(
        st.builds(Exact, word),
        st.builds(Prefix, word),
        st.builds(Suffix, word),
        st.builds(Regex, st.sampled_from((".*", "/a.*", "[a-z]+", ".+b", "cluster.local/ns/s.*"))),
        st.just(Present()),
    )


paths = st.one_of(
    st.none(),
    st.builds(Exact, st.sampled_from(PATHS)),
    st.builds(Prefix, st.sampled_from(("/", "/a", "/a/", "/A"))),
    st.builds(Regex, st.sampled_from(("/a.*", "/[ab]+", ".*"))),
)
request_matches = st.builds(
    RequestMatch,
    path=paths,
    ignore_case=st.booleans(),
    method=st.none() | texts("GET", "POST"),
    authority=st.none() | texts("web", "example.com"),
    headers=st.lists(
        st.builds(
            HeaderMatch,
            name=st.sampled_from(("x-a", "x-b")),
            match=texts("", "a", "b"),
            invert=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    queries=st.lists(
        st.builds(QueryMatch, name=st.just("q"), match=texts("", "a")), max_size=1
    ).map(tuple),
)
with_claims = st.builds(
    replace,
    request_matches,
    claims=st.lists(
        st.builds(
            ClaimMatch,
            claim=st.sampled_from(CLAIMS),
            match=texts("a", "web"),
            invert=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)
changes = st.builds(
    HeaderChanges,
    set=st.lists(st.sampled_from((("x-c", "1"), ("Host", "new"))), max_size=1).map(tuple),
)
splits = st.builds(
    Split,
    backend=st.sampled_from(BACKENDS),
    weight=st.just(100),
    origin=st.just(plans.RULES),
)
forwards = st.builds(
    Forward,
    splits=st.lists(splits, min_size=1, max_size=3).map(tuple),
    rewrite=st.none()
    | st.builds(
        Rewrite,
        path=st.sampled_from(("", "/", "/new", "/new/")),
        authority=st.sampled_from(("", "r")),
    ),
)
redirects = st.builds(
    Redirect,
    code=st.sampled_from((301, 302, 303, 307, 308)),
    path=st.sampled_from(("", "/to", "/to?x=1")),
    authority=st.sampled_from(("", "other", "other:8080")),
    port=st.sampled_from((None, 80, 443, 8443)),
    scheme=st.sampled_from(("", "http", "https")),
    strip_port=st.booleans(),
)
actions: st.SearchStrategy[Action] = st.one_of(
    forwards,
    redirects,
    st.builds(Respond, status=st.sampled_from((200, 404)), body=st.sampled_from(("", "b"))),
    st.sampled_from(Elsewhere),
)
routes = st.builds(
    Route,
    name=st.sampled_from(("one", "two")),
    match=st.just(ANY_REQUEST) | request_matches | with_claims,
    action=actions,
    request_headers=changes,
    origin=st.just(plans.RULES),
)


@st.composite
def tables(draw: st.DrawFn, name: str) -> RouteTable:
    domains = draw(st.lists(st.sampled_from(DOMAINS), unique=True, min_size=1, max_size=4))
    hosts = tuple(
        VirtualHost(
            name=domain,
            domains=(domain,),
            routes=tuple(draw(st.lists(routes, max_size=3))),
            require_tls=draw(st.booleans()),
            origin=plans.RULES,
        )
        for domain in domains
    )
    return RouteTable(name=name, hosts=hosts)


def some(strategy: st.SearchStrategy[StringMatch]) -> st.SearchStrategy[tuple[StringMatch, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


def identities(identity: Identity, *words: str) -> st.SearchStrategy[IdentityCondition]:
    every = some(texts(*words))
    return st.builds(IdentityCondition, identity=st.just(identity), any_of=every, none_of=every)


def asked(trait: Trait, *words: str) -> st.SearchStrategy[TextCondition]:
    every = some(texts(*words))
    return st.builds(TextCondition, trait=st.just(trait), any_of=every, none_of=every)


blocks = st.lists(st.sampled_from(NETWORKS), max_size=2).map(tuple)
numbers = st.lists(st.sampled_from((80, 443, PORT)), max_size=2).map(tuple)
values = some(texts("a", "b", ""))
claimed = some(texts("a", "ab", "web", "read", ""))
subjects = st.lists(
    st.builds(Subject, texts(*ISSUERS, "https:"), texts("jane", "j", "e")), max_size=2
).map(tuple)
on_caller: st.SearchStrategy[OnCaller] = st.one_of(
    st.builds(ClaimCondition, claim=st.sampled_from(CLAIMS), any_of=claimed, none_of=claimed),
    st.builds(SubjectCondition, any_of=subjects, none_of=subjects),
    identities(Identity.PRINCIPAL, *IDENTITIES, "/web", "cluster.local/ns/shop"),
    identities(Identity.NAMESPACE, *NAMESPACES, "sh", "op"),
    st.builds(AddressCondition, end=st.sampled_from(End), any_of=blocks, none_of=blocks),
    st.builds(
        HeaderCondition, header=st.sampled_from(("x-a", "x-b")), any_of=values, none_of=values
    ),
)
on_request: st.SearchStrategy[OnRequest] = st.one_of(
    asked(Trait.METHOD, "GET", "P", "post"),
    asked(Trait.PATH, *PATHS),
    asked(Trait.HOST, *HOSTS, ".example.com", "a.", "web:"),
    asked(Trait.SNI, "a.example.com", "WEB", ".com"),
    st.builds(DestinationCondition, any_of=blocks, none_of=blocks),
    st.builds(PortCondition, any_of=numbers, none_of=numbers),
)
clauses = st.builds(
    Clause,
    sources=st.lists(st.lists(on_caller, max_size=2).map(tuple), max_size=2).map(tuple),
    operations=st.lists(st.lists(on_request, max_size=2).map(tuple), max_size=2).map(tuple),
    when=st.lists(st.one_of(on_caller, on_request), max_size=2).map(tuple),
    origin=st.just(plans.POLICY),
)


def policies(verdict: Verdict) -> st.SearchStrategy[tuple[Policy, ...]]:
    one = st.builds(
        Policy,
        name=st.sampled_from(("ns[shop]-policy[a]", "ns[shop]-policy[b]")),
        verdict=st.just(verdict),
        clauses=st.lists(clauses, max_size=2).map(tuple),
        dry_run=st.sampled_from((False, False, True)),
        origin=st.just(plans.POLICY),
    )
    return st.lists(one, max_size=2, unique_by=lambda each: each.name).map(tuple)


def token_rule(number: int, keys: GivenKeys) -> st.SearchStrategy[TokenRule]:
    return st.builds(
        TokenRule,
        issuer=st.just(ISSUERS[number]),
        audiences=st.sampled_from(((), ("web",))),
        keys=st.just(keys),
        headers=st.just((TokenHeader(name="authorization", prefix="Bearer "),)),
        params=st.sampled_from(((), ("access_token",))),
        forward=st.booleans(),
        claim_headers=st.sampled_from(((), (("x-a", "sub"),))),
        origin=st.just(plans.POLICY),
    )


token_rules = st.tuples(*(token_rule(n, GivenKeys(key_set(s))) for n, s in enumerate(SIGNERS)))
authorizations = st.builds(
    Authorization,
    tokens=st.builds(lambda rules, most: rules[:most], token_rules, st.integers(0, 2)),
    audit=policies(Verdict.AUDIT),
    deny=policies(Verdict.DENY),
    allow=policies(Verdict.ALLOW),
    reads=st.none() | st.sampled_from(Paths),
)
ASKING = Asking(backend=plans.H2)
with_authorizer = st.builds(
    lambda authorization, authorizer, asked: replace(
        authorization,
        custom=Custom(
            authorizer=authorizer, policies=tuple(replace(p, dry_run=False) for p in asked)
        ),
    ),
    authorizations,
    st.sampled_from((HttpAuthorizer(asking=ASKING), GrpcAuthorizer(asking=ASKING))),
    policies(Verdict.CUSTOM),
)
shown_tokens = st.just(()) | st.sampled_from(TOKENS).map(
    lambda token: (("authorization", f"Bearer {token}"),)
)
requests = st.builds(
    Request,
    way=st.just(Way.OUTBOUND),
    port=st.just(80),
    method=st.sampled_from(("GET", "POST", "PUT")),
    path=st.builds(
        lambda path, query: path + query,
        st.sampled_from(PATHS),
        st.sampled_from(("", "?q=a", "?q", "?x=1&q=b")),
    ),
    authority=st.sampled_from(HOSTS),
    headers=st.builds(
        lambda some, shown: (*some, *shown),
        st.lists(
            st.tuples(st.sampled_from(("x-a", "x-b")), st.sampled_from(("a", "b", ""))),
            max_size=2,
            unique_by=lambda pair: pair[0],
        ),
        shown_tokens,
    ),
    at=st.just(time.time()),
    authorizer=st.booleans(),
    sni=st.sampled_from(("", "a.example.com", "web")),
    source=st.sampled_from(ADDRESSES),
    client=st.sampled_from(("", *ADDRESSES)),
)


@given(table=tables("80"), request=requests)
@settings(max_examples=80, deadline=None)
def test_they_agree_on_routes(table: RouteTable, request: Request) -> None:
    plan = ProxyPlan(
        proxy=plans.SIDECAR,
        outbound=(HttpOut(port=80, table="80", origin=plans.SERVICE),),
        tables=(table,),
    )
    assert walk_envoy(emit(plan), request) == walk_ir(plan, request)


@given(
    authorization=authorizations | with_authorizer,
    mtls=st.sampled_from(Mtls),
    otherwise=st.sampled_from(Mtls),
    speech=st.sampled_from(Speech),
    port=st.sampled_from((PORT, PORT + 1)),
    peer=st.sampled_from(("", *IDENTITIES)),
    request=requests,
)
@settings(max_examples=80, deadline=None)
def test_they_agree_on_who_may_come_in(
    authorization: Authorization,
    mtls: Mtls,
    otherwise: Mtls,
    speech: Speech,
    port: int,
    peer: str,
    request: Request,
) -> None:
    known = InboundPort(port=PORT, speech=speech, mtls=mtls, origin=plans.SERVICE)
    inbound = Inbound(ports=(known,), otherwise=otherwise, authorization=authorization)
    plan = ProxyPlan(proxy=plans.SIDECAR, inbound=inbound)
    made = replace(
        request,
        way=Way.INBOUND,
        port=port,
        peer=f"spiffe://{peer}" if peer else "",
        address="198.18.0.7",
    )
    assert walk_envoy(emit(plan), made) == walk_ir(plan, made)


@given(
    table=tables("http.80"),
    secure=tables("https.443"),
    authorization=authorizations | with_authorizer,
    host=st.sampled_from(("*", "*.example.com", "web")),
    tls=st.booleans(),
    request=requests,
)
@settings(max_examples=60, deadline=None)
def test_they_agree_at_gateways(
    table: RouteTable,
    secure: RouteTable,
    authorization: Authorization,
    host: str,
    tls: bool,
    request: Request,
) -> None:
    server = GatewayTls(hosts=(host,), secrets=("s",), table="https.443", origin=plans.SERVICE)
    plan = ProxyPlan(
        proxy=plans.GATEWAY,
        gateway=(
            GatewayPort(port=80, http=GatewayHttp(table="http.80", origin=plans.SERVICE)),
            GatewayPort(port=443, tls=(server,)),
        ),
        authorization=authorization,
        tables=(table, secure),
    )
    made = Request(
        way=Way.GATEWAY,
        port=443 if tls else 80,
        tls=tls,
        method=request.method,
        path=request.path,
        authority=request.authority,
        headers=request.headers,
        at=request.at,
        authorizer=request.authorizer,
    )
    assert walk_envoy(emit(plan), made) == walk_ir(plan, made)


def _requests_for(plan: ProxyPlan) -> list[Request]:
    """A request to every domain of every table, and to every inbound port."""
    hosts = {
        d.replace("*", "x") for table in plan.tables for host in table.hosts for d in host.domains
    }
    ports = {part.port for part in plan.outbound} | {port.port for port in plan.gateway}
    way = Way.GATEWAY if plan.gateway else Way.OUTBOUND
    made = [
        Request(way=way, port=port, authority=host, path=path, tls=tls)
        for port in ports
        for host in hosts | {"nowhere"}
        for path in ("/", "/api/v1", "/old")
        for tls in ({False, True} if plan.gateway else {False})
    ]
    inbound = {port.port for port in plan.inbound.ports} if plan.inbound else set()
    return made + [
        Request(way=Way.INBOUND, port=port, peer=peer, path=path)
        for port in inbound | {1}
        for peer in ("", plans.IDENTITY)
        for path in ("/", "/api/x")
    ]


@pytest.mark.parametrize("folder", all_cases(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_they_agree_on_every_plan_of_a_case(folder: Path) -> None:
    ways_out: set[object] = set()  # most pods of a case have the same
    for planned in plans_of(case_in(folder).world):
        plan = replace(planned.plan, patches=())  # of which only what Envoy is sent can tell
        known = (plan.outbound, plan.tables, plan.backends) in ways_out
        ways_out.add((plan.outbound, plan.tables, plan.backends))
        resources = emit(plan)
        for request in _requests_for(plan):
            if not (known and request.way is Way.OUTBOUND):
                assert walk_envoy(resources, request) == walk_ir(plan, request), request


def ask(path: str, **more: str) -> Request:
    headers = tuple((name.replace("_", "-"), value) for name, value in more.items())
    return Request(way=Way.OUTBOUND, port=80, authority="reviews", path=path, headers=headers)


def test_what_becomes_of_requests_reads_well() -> None:
    plan = plans.sidecar_plan()
    exact = walk_ir(plan, ask("/exact"))
    assert isinstance(exact, Forwarded)
    assert exact.shares == (("outbound|80||grpc.shop.svc.cluster.local", 100),)
    assert exact.origin == "VirtualService shop/reviews spec.http[0]"
    old = walk_ir(plan, ask("/old/x?y=1"))
    assert isinstance(old, Redirected)
    assert (old.status, old.location) == (308, "https://other:8443/new?y=1")
    assert walk_ir(plan, ask("/teapot")) == Answered(
        route="teapot", origin=exact.origin, status=418, body="short and stout"
    )
    elsewhere = Request(way=Way.OUTBOUND, port=80, authority="example.org")
    assert isinstance(walk_ir(plan, elsewhere), Forwarded)
    unclaimed = walk_ir(plan, Request(way=Way.OUTBOUND, port=81))
    assert isinstance(unclaimed, Forwarded)
    assert unclaimed.shares == (("PassthroughCluster", 100),)
    assert isinstance(walk_ir(plan, Request(way=Way.GATEWAY, port=80)), Lost)


def test_a_refusal_names_its_rule() -> None:
    request = Request(way=Way.INBOUND, port=8000, peer=plans.IDENTITY, path="/secret/x")
    denied = Denied(rule="ns[shop]-policy[no]-rule[1]")
    plan = plans.sidecar_plan()
    assert walk_ir(plan, request) == walk_envoy(emit(plan), request) == denied
