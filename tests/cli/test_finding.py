"""A pod is found by what people type; a name that is none gets the one that was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lateen.base.errors import LateenError, NotFound, Unreachable
from lateen.cli.finding import client_of, matching_pods


def pod(full: str, *, ready: bool = True) -> dict[str, Any]:
    namespace, _, name = full.partition("/")
    return {"namespace": namespace, "name": name, "isReady": ready}


PODS = [
    pod("shop/web-546cdc97f4-cmc4v", ready=False),
    pod("shop/web-546cdc97f4-m7pm4"),
    pod("shop/webhook-6b8789595-b4qcc"),
    pod("back/db-0"),
]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("db-0", ["db-0"]),
        ("back/db-0", ["db-0"]),
        ("db", ["db-0"]),
        ("web", ["web-546cdc97f4-m7pm4", "web-546cdc97f4-cmc4v"]),
        ("deployment/web", ["web-546cdc97f4-m7pm4", "web-546cdc97f4-cmc4v"]),
        ("pod/db-0", ["db-0"]),
        ("webh", ["webhook-6b8789595-b4qcc"]),
    ],
)
def test_a_name_a_workload_or_a_beginning_will_do(word: str, found: list[str]) -> None:
    assert [row["name"] for row in matching_pods(PODS, word)] == found


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("wbe", "did you mean shop/web?"),
        ("webhok", "did you mean shop/webhook?"),
        ("shop/db-0", "no pod shop/db-0 in shop; did you mean back/db-0?"),
        ("zzzzzz", "`lateen status` lists them"),
        ("", "lists them"),
    ],
)
def test_a_name_that_is_none_gets_a_hint(word: str, near: str) -> None:
    with pytest.raises(NotFound) as raised:
        matching_pods(PODS, word)
    assert near in str(raised.value)


def test_a_namespace_narrows_and_two_that_differ_are_refused() -> None:
    assert matching_pods(PODS, "db", "back")[0]["name"] == "db-0"
    with pytest.raises(NotFound, match="no pod db in shop"):
        matching_pods(PODS, "db", "shop")
    with pytest.raises(LateenError, match="-n says shop"):
        matching_pods(PODS, "back/db-0", "shop")


def test_a_mesh_that_does_not_run_is_named_with_those_that_do(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATEEN_RUN_DIR", str(short))
    with pytest.raises(Unreachable, match="no mesh default runs; `lateen up PATH` starts it"):
        client_of("default")
    (short / "b").mkdir()
    (short / "b" / "api.sock").touch()
    with pytest.raises(Unreachable, match=r"no mesh default runs; these do: b \(--name\)"):
        client_of("default")
