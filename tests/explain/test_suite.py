"""The form of a file of mesh tests: what it may say, and what is said of one that is wrong."""

from __future__ import annotations

import json

import pytest

from lateen.explain.suite import read_suites, schema, seconds_of, span_of

GOOD = """
from: deploy/web
files: [k8s]
tests:
- request: GET http://reviews:9080/x
  headers: {end-user: jason}
  claims: {sub: jane}
  expect:
    reaches: {reviews-v1: 90, reviews-v2: 5..15}
    status: [200, 503]
    timeout: 1.5s
    retries: {attempts: 2, retryOn: "5xx", perTryTimeout: 200ms}
    mtls: required
    deniedBy: shop/no
---
tests:
- {request: "http://a/", from: outside, expect: {redirect: "https://a/"}}
"""


def test_a_file_may_have_several_suites() -> None:
    read = read_suites(GOOD, "web.mesh-test.yaml")
    assert not read.problems
    (first, places), (second, _) = read.suites
    assert (first.from_, first.tests[0].headers) == ("deploy/web", {"end-user": "jason"})
    assert places.of("tests[0]").line == 5
    assert second.tests[0].from_ == "outside"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("tests:\n- request: http://a/\n  expect: {stauts: 200}\n", 3, "stauts"),
        ("tests:\n- expect: {}\n", 2, "missing required field `request`"),
        ("tests:\n- request: nonsense\n  expect: {}\n", 2, "is no URL"),
        ("tests:\n- request: http://a/\n  expect:\n    status: two\n", 4, "Expected"),
        ("tests:\n- request: http://a/\n  expect: {timeout: soon}\n", 3, "wanted 1.5s, 200ms, 2m"),
        ("tests:\n- request: http://a/\n  expect: {reaches: {a: most}}\n", 3, "is no share"),
        ("tests: [\n", 1, ""),
        ("", 0, "no tests in it"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_field(text: str, line: int, words: str) -> None:
    read = read_suites(text, "a.mesh-test.yaml")
    assert not read.suites
    problem = read.problems[0]
    assert problem.origin.place is not None
    assert problem.origin.place.file == "a.mesh-test.yaml"
    assert problem.origin.place.line >= line
    assert words in problem.message


def test_times_and_shares() -> None:
    assert [seconds_of(t) for t in ("2", "1.5s", "200ms", "2m", 3, "none", "x")] == [
        2.0, 1.5, 0.2, 120.0, 3.0, 0.0, None,
    ]  # fmt: skip
    assert span_of("85..95") == (85.0, 95.0)
    assert span_of("90 %") == span_of(90)
    assert span_of("most") is None


def test_the_schema_names_every_field() -> None:
    text = json.dumps(schema())
    assert all(
        f'"{name}"' in text for name in ("tests", "deniedBy", "perTryTimeout", "copiedTo", "from")
    )
