"""What kubectl's columns say of pods, and ages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.api.kinds import KINDS
from lateen.apiserver.ages import age_of, human
from lateen.apiserver.workcolumns import columns_of
from lateen.apiserver.podcells import summarize_pod

NOW = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
RUNNING: dict[str, Any] = {"running": {}}


def pod(*containers: dict[str, Any], phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    names = [{"name": c["name"]} for c in containers]
    return {
        "metadata": metadata,
        "spec": {"containers": names},
        "status": {"phase": phase, "containerStatuses": list(containers)},
    }


def container(name: str, *, ready: bool = True, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "restartCount": 0, "state": state or RUNNING}


@pytest.mark.parametrize(
    ("tree", "status"),
    [
        (pod(container("app")), "Running"),
        (pod(phase="Pending"), "Pending"),
        (
            pod(container("app", ready=False, waiting={"reason": "CrashLoopBackOff"})),
            "CrashLoopBackOff",
        ),
        (pod(container("app", ready=False, terminated={"exitCode": 3})), "ExitCode:3"),
        (pod(container("app", ready=False, terminated={"exitCode": 0, "signal": 9})), "Signal:9"),
        (
            pod(container("app", ready=False, terminated={"exitCode": 0, "reason": "Completed"})),
            "Completed",
        ),
        (
            pod(
                container("app", ready=False, terminated={"exitCode": 0, "reason": "Completed"}),
                container("istio-proxy"),
            ),
            "NotReady",
        ),
        (pod(container("app"), deletionTimestamp="2026-01-01T00:00:00Z"), "Terminating"),
    ],
)
def test_the_status_of_a_pod(tree: dict[str, Any], status: str) -> None:
    assert summarize_pod(tree).status == status


def test_restarts_say_when_the_last_one_was() -> None:
    app = container("app") | {
        "restartCount": 3,
        "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:55:00Z"}},
    }
    assert summarize_pod(pod(app)).restarts_cell(NOW) == "3 (5m ago)"


def test_every_kind_has_a_row_even_of_an_empty_object() -> None:
    for kind in KINDS:
        cells = [column.cell({"metadata": {"name": "x"}}, NOW) for column in columns_of(kind)]
        assert "x" in cells


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (125, "2m5s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (5 * 3600 + 60, "5h1m"),
        (30 * 3600, "30h"),
        (3 * 86400 + 3600, "3d1h"),
        (20 * 86400, "20d"),
        (3 * 365 * 86400, "3y"),
    ],
)
def test_ages_are_written_as_kubectl_does(seconds: int, text: str) -> None:
    assert human(seconds) == text


def test_an_age_without_a_time_is_unknown() -> None:
    assert age_of(None, NOW) == "<unknown>"
    assert age_of("yesterday", NOW) == "<unknown>"
