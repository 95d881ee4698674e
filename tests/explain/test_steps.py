"""The way to an outcome is told step by step, in words that say what did not fit."""

from __future__ import annotations

import pytest

from lateen.envoy.emit import emit
from lateen.explain.request import Outcome, Request, Way
from lateen.explain.steps import Part, Step, trail_of
from lateen.explain.walk_envoy import walk_envoy, way_through_envoy
from lateen.explain.walk_ir import walk_ir, way_through_ir
from lateen.explain.words import unmet
from lateen.ir.match import (
    ClaimMatch,
    Exact,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RequestMatch,
)
from tests.envoy import plans

PLAN = plans.sidecar_plan()
RESOURCES = emit(PLAN)


def ask(path: str, **headers: str) -> Request:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(way=Way.OUTBOUND, port=80, authority="reviews", path=path, headers=pairs)


def both_ways(request: Request) -> list[tuple[tuple[Step, ...], Outcome]]:
    return [
        trail_of(way_through_ir(PLAN, request)),
        trail_of(way_through_envoy(RESOURCES, request)),
    ]


def test_the_outcome_is_the_end_of_the_trail() -> None:
    for path in ("/exact", "/old/x", "/teapot", "/else"):
        ends = {trail[1] for trail in both_ways(ask(path))}
        assert ends == {walk_ir(PLAN, ask(path))} == {walk_envoy(RESOURCES, ask(path))}


def test_both_walkers_tell_of_the_same_rules() -> None:
    told = [
        [(step.name, step.held) for step in steps if step.part is Part.RULE]
        for steps, _ in both_ways(ask("/teapot"))
    ]
    assert told[0] == told[1]
    assert [held for _, held in told[0]][-1]
    assert not any(held for _, held in told[0][:-1])


def test_a_rule_that_was_passed_over_says_why_and_where_it_stands() -> None:
    steps, _ = trail_of(way_through_ir(PLAN, ask("/teapot")))
    first = next(step for step in steps if step.part is Part.RULE)
    assert first.why.startswith('path is "/teapot", not')
    assert "VirtualService shop/reviews" in str(first.origin)


def test_a_policy_that_refused_stands_last() -> None:
    request = Request(way=Way.INBOUND, port=8000, peer=plans.IDENTITY, path="/secret/x")
    for steps, _ in both_ways(request):
        last = [step for step in steps if step.part is Part.POLICY][-1]
        assert last.held
        assert last.name == "DENY ns[shop]-policy[no]-rule[1]"


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (RequestMatch(path=Exact("/b")), 'path is "/a", not "/b"'),
        (RequestMatch(path=Prefix("/B"), ignore_case=True), 'not "/B*", in any case'),
        (RequestMatch(path=Regex("/b+")), 'not regex "/b+"'),
        (RequestMatch(method=Exact("POST")), 'method is "GET", not "POST"'),
        (
            RequestMatch(headers=(HeaderMatch(name="x", match=Exact("1")),)),
            'header x is absent, not "1"',
        ),
        (
            RequestMatch(headers=(HeaderMatch(name="y", match=Present(), invert=True),)),
            'header y is "2", must be absent',
        ),
        (
            RequestMatch(headers=(HeaderMatch(name="y", match=Exact("2"), invert=True),)),
            'header y is "2", must not be "2"',
        ),
        (RequestMatch(queries=(QueryMatch(name="q", match=Exact("1")),)), 'has no q that is "1"'),
        (
            RequestMatch(claims=(ClaimMatch(claim=("sub",), match=Exact("j")),)),
            "claim sub is absent",
        ),
        (RequestMatch(path=Exact("/a"), method=Exact("GET")), ""),
    ],
)
def test_the_first_condition_that_does_not_hold_is_told(match: RequestMatch, words: str) -> None:
    said = unmet(match, ask("/a?p=1", y="2"))
    assert words in said
    assert bool(words) == bool(said)
