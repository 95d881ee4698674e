"""What `lateen apply` prints and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.cli.applying import is_well, print_applied, waited_lines

WEB = {"namespace": "shop", "pod": "web-0", "seconds": 0.0541, "refused": False}
API = {"namespace": "shop", "pod": "api-0", "seconds": 0.0812, "refused": True}
LATE = {"namespace": "", "pod": "border", "seconds": None, "refused": False}
REFUSED = {
    "code": "LAT0100",
    "level": "error",
    "kind": "VirtualService",
    "namespace": "shop",
    "name": "web",
    "field": "",
    "file": "istio/web.yaml",
    "line": 3,
    "column": 1,
    "message": "refused by Envoy, left out, everything else is live: 80: Not supported: NOTHING",
    "fix": "",
}


def told(*rows: dict[str, Any], complete: bool = True, **more: Any) -> dict[str, Any]:
    waited = {"complete": complete, "seconds": 0.2, "proxies": list(rows)}
    counts: dict[str, Any] = {"created": [], "changed": ["x"], "deleted": []}
    return {**counts, "problems": [], "refused": [], "waited": waited, **more}


def test_it_says_who_and_how_long() -> None:
    assert waited_lines(told(API, WEB)["waited"]) == [
        "2 of 2 proxies have acknowledged, the last after 81 ms",
        "  shop/web-0     54 ms",
        "  shop/api-0     81 ms  after it had refused a part",
    ]


def test_it_names_those_that_are_late() -> None:
    assert waited_lines(told(WEB, LATE, complete=False)["waited"]) == [
        "1 of 2 proxies have acknowledged, the last after 54 ms",
        "1 proxy has not acknowledged it after 0.2 s; what was served before is served on",
        "  shop/web-0     54 ms",
        "  border      waiting",
    ]


def test_a_change_that_concerns_nobody_is_said_to() -> None:
    assert waited_lines(told()["waited"]) == ["no proxy is concerned"]
    assert waited_lines(None) == []


def test_envoys_words_stand_beside_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_applied(told(WEB, problems=[REFUSED]))
    out = capsys.readouterr().out
    assert "applied: 0 created, 1 changed, 0 deleted" in out
    assert "istio/web.yaml:3" in out
    assert "Not supported: NOTHING" in out


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (told(WEB), True),
        (told(WEB, complete=False), False),
        (told(WEB, problems=[REFUSED]), False),
        (told(WEB, problems=[REFUSED | {"level": "warning"}]), True),
        (told(WEB, refused=["VirtualService shop/web"]), False),
        ({**told(), "waited": {}}, True),
    ],
)
def test_its_exit_status_tells_whether_all_is_carried_out(
    answer: dict[str, Any], well: bool
) -> None:
    assert is_well(answer) is well
