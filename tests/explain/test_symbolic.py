"""What is said of all requests at once is what the walker says of each."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lateen.explain.ir_match import matches
from lateen.explain.request import Answered, Denied, Request, Unverified, Way
from lateen.explain.symbolic.automata import AS_IT_IS, Automaton, View
from lateen.explain.symbolic.callers import Caller, address_classes, callers
from lateen.explain.symbolic.diagrams import Diagrams, evaluate
from lateen.explain.symbolic.hops import Hop
from lateen.explain.symbolic.judging import Decision, decided, route_taken
from lateen.explain.symbolic.regexes import NotRegular, parse
from lateen.explain.symbolic.space import Space
from lateen.explain.symbolic.texts import classes, node_of
from lateen.explain.symbolic.wants import Wants
from lateen.explain.urls import normalized
from lateen.explain.walk_ir import walk_ir
from lateen.ir.match import Exact, Prefix, Regex, StringMatch, Suffix
from lateen.ir.plan import HttpOut, Inbound, InboundPort, Mtls, ProxyPlan, Speech
from lateen.ir.policy import Authorization, Paths
from lateen.ir.routes import Respond, Route, RouteTable, VirtualHost
from tests.envoy import plans
from tests.explain.test_walkers import authorizations, request_matches, with_authorizer

EXPRESSIONS = (
    ".*",
    "a+b?",
    "/v[12]/.*",
    "(?i)jason|admin",
    "^/api/(users|orders)/[0-9]{2,3}$",
    "[^/]*",
    r"\d+\.\w",
    "(a|b)*c",
    "a{0,2}",
    r"x\.y|[.]z",
    "(?P<name>ab)+",
    "/.*[.](png|jpe?g)",
)
texts = st.text(alphabet="abcxyz/.0192AIJNSjnosdmi_-", max_size=12)


@given(pattern=st.sampled_from(EXPRESSIONS), text=texts)
@settings(max_examples=150)
def test_an_automaton_takes_what_the_expression_takes(pattern: str, text: str) -> None:
    assert Automaton(parse(pattern)).matches(text) == (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("[[:alpha:]]+", "abC", "a1"),
        (r"\pL\p{Nd}", "a1", "1a"),
        (r"\Qa.b\E+", "a.bbb", "axb"),
        (r"\A/x\z", "/x", "/xx"),
        ("(?i:a)b", "Ab", "aB"),
        (r"\x41\x{42}", "AB", "ab"),
        ("[a-]+", "a-a", "b"),
        ("[]a]", "]", "b"),
    ],
)
def test_what_only_re2_writes_is_read_too(pattern: str, yes: str, no: str) -> None:
    automaton = Automaton(parse(pattern))
    assert automaton.matches(yes)
    assert not automaton.matches(no)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [("[[:alpha:]]+", "abC", "a1"), (r"\pL\z", "a", "1"), (r"(?<n>a)\Q.\E", "a.", "ab")],
)
def test_the_walkers_read_what_only_re2_writes(pattern: str, yes: str, no: str) -> None:
    assert matches(Regex(pattern), yes)
    assert not matches(Regex(pattern), no)


@pytest.mark.parametrize("pattern", [r"a\bb", "a^b", r"\p{Greek}", "(x{1000}){1000}"])
def test_what_cannot_be_followed_is_said(pattern: str) -> None:
    with pytest.raises(NotRegular):
        parse(pattern)


some_matches: st.SearchStrategy[StringMatch] = st.one_of(
    st.builds(Exact, texts),
    st.builds(Prefix, texts),
    st.builds(Suffix, texts),
    st.builds(Regex, st.sampled_from(EXPRESSIONS)),
)


@given(wanted=st.lists(some_matches, max_size=5), text=texts)
@settings(max_examples=150)
def test_every_text_is_like_one_of_the_classes(wanted: list[StringMatch], text: str) -> None:
    everything = [(parse("(?s).*"), AS_IT_IS)]
    symbols = "".join(map(chr, range(32, 127)))
    found = classes(everything, [(node_of(each), AS_IT_IS) for each in wanted], symbols)
    alike = [[matches(each, one) for each in wanted] for one in found]
    assert [matches(each, text) for each in wanted] in alike
    assert len({tuple(each) for each in alike}) == len(found), "no class is there twice"


@given(
    cut=st.sampled_from(("", "/a", "/a/")),
    put=st.sampled_from(("", "/", "/b", "/b/c")),
    wanted=some_matches,
    rest=st.lists(st.sampled_from(("a", "b", "/", "%2F", "c.")), max_size=6),
    decode=st.booleans(),
)
@settings(max_examples=150)
def test_a_path_is_seen_as_it_is_after_the_way(
    cut: str, put: str, wanted: StringMatch, rest: list[str], decode: bool
) -> None:
    seen = cut and put
    view = View(cut=cut if seen else "", put=put if seen else "", decode=decode, merge=True)
    automaton = Automaton(node_of(wanted), view)
    symbols = [*("/" if not seen else view.cut), *rest]
    state = automaton.start
    for symbol in symbols:
        state = automaton.step(state, symbol)
    path = "".join(symbols)
    arrived = (view.put + path[len(view.cut) :]) if seen else path
    read = normalized(arrived, resolve=False, merge=True, unescape=decode)
    assert automaton.accepts(state) == matches(wanted, read)


def test_a_diagram_is_equal_if_and_only_if_it_is_the_same() -> None:
    make = Diagrams([2, 3])
    one = make.either(make.where(0, 0b01), make.where(1, 0b110))
    other = make.negated(make.both(make.where(0, 0b10), make.where(1, 0b001)))
    assert one is other
    assert make.simplest(make.negated(one), [[0, 1], [0, 1, 2]]) == (1, 0)
    assert sum(1 for _ in make.cubes(one)) == 2


def test_an_address_is_found_for_every_set_of_networks() -> None:
    found = address_classes(map(IPv4Network, ("10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/16")))
    assert len(found) == 4  # in none; in 10/8; in 10.1/16 and 10/8; in 192.168/16


def _every(space: Space, data: st.DataObject) -> tuple[int, ...]:
    return tuple(data.draw(st.integers(0, size - 1)) for size in space.diagrams.sizes)


@given(wanted=st.lists(request_matches, max_size=4), data=st.data())
@settings(max_examples=60)
def test_the_route_taken_is_the_walkers(wanted: list[object], data: st.DataObject) -> None:
    routes = tuple(
        Route(name=str(n), match=match, action=Respond(status=200), origin=plans.RULES)  # type: ignore[arg-type]
        for n, match in enumerate(wanted)
    )
    hop, wants = Hop(), Wants()
    for route in routes:
        wants.route(route.match, hop)
    space = wants.space(way=Way.OUTBOUND, port=80, hosts=("web", "example.com"))
    taken = route_taken(space, routes, hop)
    chosen = _every(space, data)
    request = space.chosen(chosen)
    host = VirtualHost(name="any", domains=("*",), routes=routes, origin=plans.RULES)
    plan = ProxyPlan(
        proxy=plans.SIDECAR,
        outbound=(HttpOut(port=80, table="80", origin=plans.SERVICE),),
        tables=(RouteTable(name="80", hosts=(host,)),),
    )
    outcome = walk_ir(plan, request)
    number = int(outcome.route) if isinstance(outcome, Answered) else -1
    assert evaluate(taken, chosen) == number


KNOWN = tuple(
    Caller(
        name=f"{account}.{namespace}",
        namespace=namespace,
        identity=f"spiffe://cluster.local/ns/{namespace}/sa/{account}",
        address=address,
    )
    for namespace, account, address in (("shop", "web", "10.0.0.1"), ("other", "api", "198.18.0.9"))
)


@given(authorization=authorizations | with_authorizer, data=st.data())
@settings(max_examples=60)
def test_what_policies_say_is_what_the_walker_says(
    authorization: Authorization, data: st.DataObject
) -> None:
    clean = replace(
        authorization, tokens=tuple(replace(t, claim_headers=()) for t in authorization.tokens)
    )
    hop = Hop(reads=clean.paths)
    wants = Wants(reads=clean.paths)
    wants.authorization(clean, hop)
    who, _ = callers(KNOWN, [clean], "cluster.local", relays=frozenset({"web.shop"}))
    space = wants.space(
        way=Way.INBOUND,
        port=8080,
        address="198.18.0.7",
        callers=who,
        hosts=("web", "a.example.com"),
    )
    said = decided(space, clean, hop)
    chosen = _every(space, data)
    assume(evaluate(space.possible, chosen))
    request = space.chosen(chosen)
    known = InboundPort(port=8080, speech=Speech.HTTP, mtls=Mtls.PERMISSIVE, origin=plans.SERVICE)
    plan = ProxyPlan(
        proxy=plans.SIDECAR,
        inbound=Inbound(ports=(known,), otherwise=Mtls.PERMISSIVE, authorization=clean),
    )
    assert evaluate(said, chosen) == _in_words(plan, request)


def _in_words(plan: ProxyPlan, request: Request) -> Decision:
    outcome = walk_ir(plan, request)
    if isinstance(outcome, Unverified):
        return Decision.UNVERIFIED
    if isinstance(outcome, Denied):
        return Decision.DENIED
    without = walk_ir(plan, replace(request, authorizer=False))
    return Decision.ASKED if isinstance(without, Denied) else Decision.ALLOWED


def test_escaped_slashes_are_thought_of_where_two_proxies_read_a_path_differently() -> None:
    first, second = Hop(), Hop(reads=Paths.DECODED)
    wants = Wants()
    wants.text(("path",), Prefix("/admin"), first.view)
    wants.text(("path",), Prefix("/admin"), second.view)
    space = wants.space(way=Way.OUTBOUND, port=80, further=(Paths.DECODED,))
    assert set(space.values[space.keys.index(("path",))]) == {"/", "/admin", "/%2Fadmin"}
