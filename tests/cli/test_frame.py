"""The live view tells how far each pod has come, and fits any terminal."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.cli.frame import Stages, frame, is_bad, stage_of


def pod(name: str, state: str = "Running", **more: Any) -> dict[str, Any]:
    row = {"namespace": "shop", "name": name, "ready": "0/2", "isReady": False, "state": state}
    return row | {"message": "", "restarts": 0, "proxy": "", "age": 1.0} | more


def drawn(pods: list[dict[str, Any]], width: int = 80, height: int = 24) -> list[str]:
    stages = Stages()
    stages.take(pods, 1.0)
    status = {"name": "default", "phase": "starting", "pods": pods}
    return [line.text for line in frame(status, stages, seconds=2.5, width=width, height=height)]


@pytest.mark.parametrize(
    ("row", "stage"),
    [
        (pod("a", "Building"), "Building"),
        (pod("a", "ContainerCreating", proxy="connecting"), "Starting"),
        (pod("a", "Running", proxy="programmed"), "Proxy synced"),
        (pod("a", "Running", proxy="programmed", isReady=True), "Ready"),
        (pod("a", "CrashLoopBackOff", proxy="programmed"), "CrashLoopBackOff"),
        (pod("a", "Terminating", isReady=True), "Terminating"),
    ],
)
def test_a_pod_is_building_starting_synced_and_ready(row: dict[str, Any], stage: str) -> None:
    assert stage_of(row) == stage


def test_a_proxy_that_takes_in_news_does_not_fall_back() -> None:
    syncing = pod("a", proxy="syncing")
    assert stage_of(syncing, before="Starting") == "Starting"
    assert stage_of(syncing, before="Proxy synced") == "Proxy synced"
    assert stage_of(pod("a", proxy="disconnected"), before="Proxy synced") == "Starting"


@pytest.mark.parametrize("stage", ["BuildFailed", "CrashLoopBackOff", "Error", "OOMKilled"])
def test_what_needs_attention_is_bad(stage: str) -> None:
    assert is_bad(stage)
    assert not is_bad("Building")


def test_pods_stand_below_their_namespace_with_the_time_each_took() -> None:
    pods = [
        pod("front-1", isReady=True, ready="2/2"),
        pod("api-1", "Building", message="npm ci"),
    ]
    assert drawn(pods) == [
        "lateen default: starting, 1 of 2 ready, 2.5 s",
        "shop",
        "  front-1     2/2  Ready       1.0s",
        "  api-1       0/2  Building    2.5s  npm ci",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    pods = [pod("a-name-of-some-length-" * 5, "BuildFailed", message="why\nand where " * 30)]
    assert max(map(len, drawn(pods, width=width))) <= width


def test_the_stage_is_not_what_a_long_name_pushes_out() -> None:
    assert "CrashLoopBackOff" in drawn([pod("n" * 100, "CrashLoopBackOff")], width=60)[2]


def test_where_not_all_fit_the_ready_ones_are_counted() -> None:
    pods = [pod(f"p{i}", isReady=True) for i in range(30)] + [pod("slow", "Building")]
    lines = drawn(pods, height=10)
    assert len(lines) <= 10
    assert "slow" in lines[2]
    assert lines[-1] == "and 30 ready"


def test_what_does_not_fit_even_so_is_counted() -> None:
    lines = drawn([pod(f"p{i}", "Building") for i in range(30)], height=10)
    assert len(lines) == 10
    assert lines[-1] == "… 23 lines more"


def test_a_long_name_keeps_the_end_that_tells_pods_apart() -> None:
    (_, _, line) = drawn([pod("fastapi-service-74b5d86666-k9b9l", "Building")], width=50)
    assert line.startswith("  fastapi-service-")
    assert "…k9b9l  " in line
