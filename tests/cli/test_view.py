"""Without a terminal each change is a line, said once; and what a file's change did is said, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lateen.apiserver.client import Client
from lateen.cli.view import View, is_well, print_result, problem_line


def pod(name: str, state: str = "Running", **more: Any) -> dict[str, Any]:
    row = {"namespace": "shop", "name": name, "ready": "0/2", "isReady": False, "state": state}
    return row | {"message": "", "restarts": 0, "proxy": "", "age": 1.0} | more


def problem(message: str) -> dict[str, Any]:
    named = {"kind": "Service", "namespace": "shop", "name": "web", "field": "spec", "fix": ""}
    place = {"file": "web.yaml", "line": 3, "column": 1, "level": "Error", "code": "LAT0001"}
    return named | place | {"message": message}


def status(*pods: dict[str, Any], **more: Any) -> dict[str, Any]:
    whole = {"name": "default", "phase": "starting", "pods": list(pods), "problems": []}
    return whole | {"urls": [], "console": "", "refused": [], "news": [], "outputs": {}} | more


class Told:
    """A view without a terminal, and what it printed at each status."""

    def __init__(self, printed: pytest.CaptureFixture[str]) -> None:
        self.view = View(Client(Path("/nobody")))
        self._printed = printed

    def by(self, seen: dict[str, Any]) -> list[str]:
        self.view.show(seen)
        return [line[9:] for line in self._printed.readouterr().out.splitlines()]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)


def test_a_stage_is_said_once(told: Told) -> None:
    assert told.by(status(pod("a", "Building"))) == ["pod shop/a Building"]
    assert told.by(status(pod("a", "Building", message="pip install"))) == []
    assert told.by(status(pod("a", proxy="connecting"))) == ["pod shop/a Starting"]
    assert told.by(status(pod("a", isReady=True))) == ["pod shop/a Ready"]


def test_a_failure_is_said_with_its_reason(told: Told) -> None:
    failed = pod("a", "BuildFailed", message="needs a JDK 17, none found")
    assert told.by(status(failed)) == ["pod shop/a BuildFailed: needs a JDK 17, none found"]


def test_the_output_of_a_build_that_failed_is_shown(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    output = "\n".join(f"line {n}" for n in range(50))
    failed = status(pod("a", "BuildFailed", message="status 1"), outputs={"web:1": output})
    assert "build of web:1 failed; the end of its output:" in told.by(failed)
    assert told.by(failed) == []
    print_result(failed)
    shown = capsys.readouterr().out
    assert "The end of the output of the build of web:1:\n    line 30\n" in shown


def test_a_problem_is_said_when_it_comes_and_when_it_goes(told: Told) -> None:
    line = "web.yaml:3:1: error LAT0001 Service shop/web spec: bad"
    assert told.by(status(problems=[problem("bad")])) == [line]
    assert told.by(status(problems=[problem("bad")])) == []
    assert told.by(status()) == [f"mended: {line}"]


def test_news_are_said_once_also_after_the_control_plane_came_back(told: Told) -> None:
    first = status(news=[{"number": 1, "text": "one"}, {"number": 2, "text": "two"}])
    assert told.by(first) == ["one", "two"]
    assert told.by(first) == []
    assert told.by(status(news=[])) == []
    assert told.by(status(news=[{"number": 1, "text": "anew"}])) == ["anew"]


def test_what_is_known_already_is_not_said(told: Told) -> None:
    told.view.seen(status(pod("a", isReady=True), news=[{"number": 7, "text": "old"}]))
    now = status(pod("a", isReady=True), pod("b"), news=[{"number": 7, "text": "old"}])
    assert told.by(now) == ["pod shop/b Starting"]


def test_addresses_stand_with_the_hosts_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    urls = [
        {"url": "http://127.0.0.1:8080", "hosts": ["a.example.com", "b.example.com"]},
        {"url": "https://127.0.0.1:8443", "hosts": ["*"]},
    ]
    print_result(status(urls=urls))
    assert capsys.readouterr().out.splitlines() == [
        "no pods",
        "",
        "http://127.0.0.1:8080  for a.example.com, b.example.com",
        "https://127.0.0.1:8443  for any host",
    ]


def test_what_is_wrong_with_a_file_as_a_whole_names_no_object() -> None:
    nothing = dict.fromkeys(("kind", "namespace", "name", "field", "fix"), "")
    place = {"file": "a.yaml", "line": 0, "column": 0, "level": "Error", "code": "LAT0003"}
    assert problem_line(nothing | place | {"message": "no"}) == "a.yaml: error LAT0003: no"


def test_an_error_anywhere_is_not_well_and_a_warning_is() -> None:
    ready = status(phase="ready")
    assert is_well(ready)
    assert not is_well(ready | {"problems": [problem("bad")]})
    assert is_well(ready | {"problems": [problem("hm") | {"level": "Warning"}]})
    assert not is_well(ready | {"refused": ["Service shop/web"]})
    assert not is_well(ready | {"phase": "degraded"})
