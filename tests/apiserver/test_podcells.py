"""READY, STATUS and RESTARTS of pods with init containers, as kubectl prints them."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.apiserver.podcells import summarize_pod

_RUNNING: dict[str, Any] = {"running": {}}
_DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}
_WAITING = {"waiting": {"reason": "PodInitializing"}}
_SPEC = {
    "initContainers": [{"name": "one"}, {"name": "side", "restartPolicy": "Always"}],
    "containers": [{"name": "app"}],
}


def _status(name: str, state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "state": state, **fields}


@pytest.mark.parametrize(
    ("one", "side", "cells"),
    [
        (_status("one", _RUNNING), _status("side", _WAITING), ("0/2", "Init:0/2", 0)),
        (_status("one", _DONE), _status("side", _RUNNING), ("0/2", "Init:1/2", 0)),
        (
            _status("one", {"terminated": {"exitCode": 1, "reason": "Error"}}, restartCount=2),
            _status("side", _WAITING),
            ("0/2", "Init:Error", 2),
        ),
        (
            _status("one", {"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=3),
            _status("side", _WAITING),
            ("0/2", "Init:CrashLoopBackOff", 3),
        ),
        (
            _status("one", _DONE, restartCount=3),
            _status("side", _RUNNING, started=True, ready=True, restartCount=1),
            ("1/2", "PodInitializing", 1),
        ),
    ],
)
def test_a_pod_that_initializes(
    one: dict[str, Any], side: dict[str, Any], cells: tuple[str, str, int]
) -> None:
    status = {
        "phase": "Pending",
        "initContainerStatuses": [one, side],
        "containerStatuses": [_status("app", _WAITING)],
    }
    summary = summarize_pod({"spec": _SPEC, "status": status})
    assert (summary.ready_cell(), summary.status, summary.restarts) == cells


def test_a_sidecar_counts_once_the_pod_runs() -> None:
    status = {
        "phase": "Running",
        "conditions": [{"type": "Initialized", "status": "True"}],
        "initContainerStatuses": [
            _status("one", _DONE, restartCount=4),
            _status("side", _RUNNING, started=True, ready=True, restartCount=1),
        ],
        "containerStatuses": [_status("app", _RUNNING, ready=True)],
    }
    summary = summarize_pod({"spec": _SPEC, "status": status})
    assert (summary.ready_cell(), summary.status, summary.restarts) == ("2/2", "Running", 1)
