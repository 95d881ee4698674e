"""Whatever stands in a field, `lateen analyze` says something of it and does not break."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.api.decode import decode_documents
from lateen.check.analysis import analyze

FOLDER = Path(__file__).parents[1] / "cases" / "analyze"
Tree = dict[str, Any]
Step = str | int


def documents() -> Iterator[Tree]:
    """Every object of every set."""
    for file in [FOLDER / "base.yaml", *sorted(FOLDER.glob("*/in.yaml"))]:
        yield from yaml.safe_load_all(file.read_text(encoding="utf-8"))


def fields(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The path of every field and element."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from fields(inner, (*path, key))


EVERY = [(tree, path) for tree in documents() for path in fields(tree)]
BASE = list(yaml.safe_load_all((FOLDER / "base.yaml").read_text(encoding="utf-8")))
ODD: list[Any] = [
    None,
    "",
    "*",
    0,
    -1,
    10**20,
    1.5,
    True,
    [],
    {},
    [{}],
    {"": ""},
    "a/b",
    ["*"],
    [None],
]


def changed(tree: Tree, path: tuple[Step, ...], value: Any) -> Tree:
    made = copy.deepcopy(tree)
    inner: Any = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return made


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(EVERY), st.sampled_from(ODD)), min_size=1, max_size=3))
def test_odd_values_anywhere_are_told_or_taken(
    changes: list[tuple[tuple[Tree, tuple[Step, ...]], Any]],
) -> None:
    odd = [changed(tree, path, value) for (tree, path), value in changes]
    text = "---\n".join(json.dumps(tree) + "\n" for tree in [*BASE, *odd])
    for problem in analyze(decode_documents(text, "odd.yaml")):
        assert str(problem)
