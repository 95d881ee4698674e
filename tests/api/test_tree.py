"""YAML is read as Kubernetes reads it, and every field's line is known."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lateen.api.tree import plain_scalar, read_documents


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("yes", True),
        ("on", True),
        ("n", False),
        ("~", None),
        ("80", 80),
        ("0644", 0o644),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-5", -5),
        ("80.0", 80),
        ("1e3", 1000),
        ("0.5", 0.5),
        ("08", 8),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("1.2.3", "1.2.3"),
        ("250m", "250m"),
        ("30s", "30s"),
        ("-", "-"),
        ("1e999", "1e999"),
    ],
)
def test_an_unquoted_scalar_means_what_it_means_to_kubernetes(text: str, meaning: object) -> None:
    value = plain_scalar(text)
    assert value == meaning
    assert type(value) is type(meaning)


def test_quotes_and_tags_make_text() -> None:
    (document,), problems = read_documents("a: \"80\"\nb: !!str 80\nc: 'on'\nd: |\n  yes\n", "f")
    assert document.value == {"a": "80", "b": "80", "c": "on", "d": "yes\n"}
    assert problems == ()


def test_keys_become_text() -> None:
    (document,), _ = read_documents("8080: a\ntrue: b\n", "f")
    assert document.value == {"8080": "a", "true": "b"}


def test_every_path_has_its_line_and_column() -> None:
    text = 'a:\n  - b: 1\n    "c.d/e": 2\n  - 3\n---\nf: 4\n'
    (first, second), _ = read_documents(text, "f")
    assert first.places["a"] == (1, 1)
    assert first.places["a[0]"] == (2, 5)
    assert first.places["a[0].b"] == (2, 5)
    assert first.places['a[0]["c.d/e"]'] == (3, 5)
    assert first.places["a[1]"] == (4, 5)
    assert second.places["f"] == (6, 1)


def test_a_broken_document_does_not_take_its_neighbours_along() -> None:
    documents, problems = read_documents("a: 1\n---\nb: [1\n---\nc: 3\n", "x.yaml")
    assert [d.value for d in documents] == [{"a": 1}, {"c": 3}]
    (problem,) = problems
    assert str(problem).startswith("x.yaml:4:1: error LAT0003: not readable as YAML: ")


def test_a_key_given_twice_is_a_fault_and_the_first_one_stands() -> None:
    (document,), _ = read_documents("a: 1\nb: 2\na: 3\n", "f")
    assert document.value == {"a": 1, "b": 2}
    assert document.faults == (("a", 'key "a" is given twice, again in line 3'),)


def test_aliases_and_merge_keys_are_expanded() -> None:
    text = "base: &b {x: 1, z: 2}\nmade: {<<: *b, z: 3}\nsame: *b\n"
    (document,), _ = read_documents(text, "f")
    assert document.value["made"] == {"x": 1, "z": 3}
    assert document.value["same"] == {"x": 1, "z": 2}


def test_a_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    documents, (problem,) = read_documents("\n".join(lines), "f")
    assert documents == ()
    assert "aliases" in problem.message


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    documents, (problem,) = read_documents("a: &x [*x]\n", "f")
    assert documents == ()
    assert "without an anchor" in problem.message


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    documents, (problem,) = read_documents("[" * 5000, "f")
    assert documents == ()
    assert "f:1:" in str(problem)


def test_directives_and_comments_before_a_document_belong_to_it() -> None:
    documents, problems = read_documents("# hello\n%YAML 1.1\n---\na: 1\n...\n", "f")
    assert [d.value for d in documents] == [{"a": 1}]
    assert documents[0].places["a"] == (4, 1)
    assert problems == ()


def test_json_with_surrogate_pairs_is_read() -> None:
    (document,), problems = read_documents('{"a": "\\ud83d\\ude00"}', "f.json")
    assert document.value == {"a": "\U0001f600"}
    assert problems == ()


@given(st.text())
def test_any_text_gives_documents_or_problems(text: str) -> None:
    read_documents(text, "f")


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%?,\n \t0~<", max_size=60))
def test_any_yaml_like_text_gives_documents_or_problems(text: str) -> None:
    for document in read_documents(text, "f")[0]:
        json.dumps(document.value)


_leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_trees = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc./", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), _trees, min_size=1, max_size=4))
def test_what_yaml_writes_is_read_back_with_each_key_on_its_line(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree, default_flow_style=False, allow_unicode=True)
    documents, problems = read_documents(text, "f")
    assert problems == ()
    (document,) = documents
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)  # YAML 1.1's line breaks
    for key in tree:
        line, column = document.places[key]
        assert lines[line - 1][column - 1 :].lstrip("'\"").startswith(key)


def test_a_long_comment_before_the_first_document_takes_no_time() -> None:
    licence = "# a line of a licence  with   spaces \n#\n" * 40
    documents, problems = read_documents(f"{licence}\n---\na: 1\n---\n{licence}", "a.yaml")
    assert ([document.value for document in documents], problems) == ([{"a": 1}], ())
