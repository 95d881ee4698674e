"""`needs` of lateen.yaml: what workloads call, and where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.sources.project import read_project
from lateen.world.needs import Needs


def read(folder: Path, needs: str) -> tuple[Needs, list[str]]:
    (folder / "lateen.yaml").write_text(f"needs:\n  {needs}\n")
    project, problems = read_project([str(folder)])
    return project.needs, [problem.message for problem in problems]


def test_hosts_are_read_as_a_sidecar_has_them(tmp_path: Path) -> None:
    text = (
        'shop/web: [cart, info/details, ./db, "*/any", bank.example.com, "*.example.org", info/*]'
    )
    needs, problems = read(tmp_path, text)
    assert problems == []
    need = needs["shop", "web"]
    assert need.hosts == (
        ("*", "*.example.org"),
        ("*", "any"),
        ("*", "bank.example.com"),
        ("info", "*"),
        ("info", "details"),
        ("shop", "cart"),
        ("shop", "db"),
    )
    assert need.origin.field == 'needs["shop/web"]'
    assert need.origin.place is not None
    assert need.origin.place.line == 2


def test_a_workload_may_call_nothing_and_a_namespace_has_others(tmp_path: Path) -> None:
    needs, problems = read(tmp_path, "batch/*: []")
    assert problems == []
    assert needs["batch", "*"].hosts == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("web: [a]", 'wanted NAMESPACE/WORKLOAD or NAMESPACE/*, got "web"'),
        ("shop/: [a]", 'wanted NAMESPACE/WORKLOAD or NAMESPACE/*, got "shop/"'),
        ("Shop/web: [a]", 'wanted NAMESPACE/WORKLOAD or NAMESPACE/*, got "Shop/web"'),
        ("shop/web: cart", "wanted a list of hosts, such as [cart, info/details]"),
        ("shop/web: [1]", "wanted HOST or NAMESPACE/HOST, got 1"),
        ("shop/web: [a/b/c]", "wanted HOST or NAMESPACE/HOST, got 'a/b/c'"),
        ("shop/web: [info/]", "wanted HOST or NAMESPACE/HOST, got 'info/'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    needs, problems = read(tmp_path, text)
    assert problems == [words]
    assert needs == {}, "an unsound file is not used in part"
