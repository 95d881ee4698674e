"""Rows, phases and problems as every command and the console show them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.api.objects import Obj
from lateen.app.status import age_of, phase_of, pod_json
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey, Origin, Place
from lateen.base.problem import Level, Problem
from lateen.store.memory import MemoryStore

NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def pod(status: dict[str, Any], **metadata: Any) -> Obj:
    containers = [{"name": "web", "image": "web:1"}]
    return MemoryStore(clock=FakeClock()).put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web-0", "namespace": "shop", **metadata},
            "spec": {"containers": containers},
            "status": status,
        }
    )


def row(status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return pod_json(pod(status, **metadata), now=NOW, proxy="programmed", building={})


def container(name: str, *, ready: bool = False, **state: Any) -> dict[str, Any]:
    return {"name": name, "image": "web:1", "ready": ready, "restartCount": 2, "state": state}


def test_a_running_pod() -> None:
    status = {
        "phase": "Running",
        "podIP": "198.18.0.20",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            container("web", ready=True, running={}),
            container("istio-proxy", ready=True, running={}),
        ],
    }
    shown = row(status)
    assert (shown["namespace"], shown["name"]) == ("shop", "web-0")
    assert (shown["ready"], shown["isReady"], shown["state"]) == ("2/2", True, "Running")
    assert (shown["restarts"], shown["ip"]) == (4, "198.18.0.20")
    assert (shown["proxy"], shown["age"]) == ("programmed", 60.0)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({"waiting": {"reason": "BuildFailed", "message": "no JDK"}}, ("BuildFailed", "no JDK")),
        ({"terminated": {"reason": "Error", "exitCode": 1}}, ("Error", "")),
        ({"running": {}}, ("Running", "")),
    ],
)
def test_a_containers_trouble_is_the_pods_state(
    state: dict[str, Any], shown: tuple[str, str]
) -> None:
    found = row({"phase": "Running", "containerStatuses": [container("web", **state)]})
    assert (found["state"], found["message"]) == shown
    assert found["ready"] == "0/1"


def test_what_is_being_built_is_said_instead() -> None:
    status = {
        "phase": "Pending",
        "containerStatuses": [container("web", waiting={"reason": "Building", "message": "m"})],
    }
    found = pod_json(pod(status), now=NOW, proxy="", building={"web:1": "pip install"})
    assert (found["state"], found["message"]) == ("Building", "pip install")


def test_a_pod_that_ends_is_terminating_whatever_it_does() -> None:
    found = row(
        {"phase": "Running", "containerStatuses": [container("web", running={})]},
        deletionTimestamp="2026-01-01T00:00:30Z",
    )
    assert found["state"] == "Terminating"


def test_an_age_is_in_seconds_and_never_below_0() -> None:
    assert age_of("2026-01-01T00:00:00Z", NOW) == 60.0
    assert age_of("2026-01-02T00:00:00Z", NOW) == 0.0
    assert age_of(None, NOW) == 0.0


def pods(*states: str) -> list[dict[str, Any]]:
    phases = {"Completed": "Succeeded", "Error": "Failed"}
    return [
        {
            "state": state.removeprefix("Job "),
            "isReady": state == "Ready",
            "phase": phases.get(state, "Running"),
            "transient": state.startswith("Job "),
        }
        for state in states
    ]


@pytest.mark.parametrize(
    ("states", "phase"),
    [
        ((), "ready"),
        (("Ready", "Ready"), "ready"),
        (("Ready", "Running"), "starting"),
        (("Ready", "Terminating"), "ready"),
        (("Ready", "Completed"), "ready"),
        (("Ready", "BuildFailed"), "degraded"),
        (("CrashLoopBackOff", "CreateContainerConfigError"), "degraded"),
        (("BuildFailed", "Running"), "starting"),
        (("Ready", "Unschedulable"), "degraded"),
        (("Ready", "Job Running"), "ready"),
    ],
)
def test_a_mesh_is_at_rest_when_every_pod_is(states: tuple[str, ...], phase: str) -> None:
    assert phase_of(pods(*states), applied=True, sound=True) == phase


def test_a_mesh_that_has_not_read_its_files_starts_and_an_unsound_one_is_degraded() -> None:
    assert phase_of([], applied=False, sound=True) == "starting"
    assert phase_of(pods("Ready"), applied=True, sound=False) == "degraded"


def test_a_problem_has_every_field_even_without_a_place() -> None:
    key = ObjectKey(group="", kind="Service", namespace="shop", name="web")
    place = Place(file="web.yaml", line=3, column=5)
    problem = Problem(
        code="LAT0001",
        level=Level.ERROR,
        origin=Origin(key=key, field="spec.ports", place=place),
        message="m",
        fix="f",
    )
    shown = problem.record()
    assert (shown["file"], shown["line"], shown["column"]) == ("web.yaml", 3, 5)
    assert (shown["kind"], shown["namespace"], shown["name"]) == ("Service", "shop", "web")
    assert (shown["field"], shown["message"], shown["fix"]) == ("spec.ports", "m", "f")
    bare = Problem(code="C", level=Level.INFO, origin=Origin(), message="m").record()
    assert bare.keys() == shown.keys()
    assert (bare["file"], bare["line"], bare["kind"]) == ("", 0, "")
