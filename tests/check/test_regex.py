"""Regular expressions are those of RE2, not Python's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.check.regex import regex_fault


@pytest.mark.parametrize(
    "pattern",
    [
        "/api/v[0-9]+/.*",
        "^(.*?;)?(user=jason)(;.*)?$",
        r"\d{3}-\w+\.html",
        r"[[:alpha:]]+\z",
        r"\pL\p{Greek}",
        r"\Qa.b(\E.*",
        "(?i)abc(?-i:d)",
        "a(?i)b",
        "(?P<name>a)",
        "(?<name>a)",
        r"\x{1F600}",
        "[*+]+",
        "[(?=]",
        "a{2,1000}",
    ],
)
def test_what_re2_takes(pattern: str) -> None:
    assert regex_fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "should not be empty"),
        ("(a", "missing )"),
        ("*a", "nothing to repeat"),
        ("(?=a)b", "lookahead"),
        ("(?<!a)b", "lookbehind"),
        (r"(a)\1", "backreference"),
        ("(?P<n>a)(?P=n)", "backreference"),
        ("a++", "possessive"),
        ("(?>a)", "atomic"),
        ("a{1001}", "repeat count"),
        (r"a\y", "invalid escape"),
        ("a\\", "trailing backslash"),
        ("[[:letters:]]", "character class"),
        ("a" * 1025, "too large"),
    ],
)
def test_what_re2_refuses(pattern: str, words: str) -> None:
    fault = regex_fault(pattern)
    assert fault is not None
    assert words in fault


@given(st.text(alphabet="ab()[]{}*+?|\\^$.-,:=<!PQEpd1z", max_size=20))
def test_no_expression_makes_it_raise(pattern: str) -> None:
    regex_fault(pattern)
