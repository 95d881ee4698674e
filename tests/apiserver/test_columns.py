"""What kubectl's columns say of pods, and ages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.api.kinds import KINDS, kind_of
from lateen.apiserver.ages import age_of, human
from lateen.apiserver.podcells import summarize_pod
from lateen.apiserver.workcolumns import columns_of

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
    ("group", "kind", "narrow", "wide"),
    [
        ("", "Pod", "Name Ready Status Restarts Age", "IP Node Nominated Node Readiness Gates"),
        ("", "Service", "Name Type Cluster-IP External-IP Port(s) Age", "Selector"),
        ("apps", "Deployment", "Name Ready Up-to-date Available Age", "Containers Images Selector"),
        (
            "",
            "Node",
            "Name Status Roles Age Version",
            "Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
        (
            "",
            "Event",
            "Last Seen Type Reason Object Message",
            "Subobject Source First Seen Count Name",
        ),
        ("rbac.authorization.k8s.io", "Role", "Name Created At", ""),
        (
            "rbac.authorization.k8s.io",
            "RoleBinding",
            "Name Role Age",
            "Users Groups ServiceAccounts",
        ),
    ],
)
def test_the_columns_are_those_of_kubectl(group: str, kind: str, narrow: str, wide: str) -> None:
    known = kind_of(group, kind)
    assert known is not None
    columns = columns_of(known)
    assert " ".join(c.name for c in columns if not c.priority) == narrow
    assert " ".join(c.name for c in columns if c.priority) == wide


def test_a_node_and_a_binding_in_a_row() -> None:
    node, binding = kind_of("", "Node"), kind_of("rbac.authorization.k8s.io", "RoleBinding")
    assert node is not None
    assert binding is not None
    tree = {
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "198.18.0.1"}],
        },
    }
    cells = [c.cell(tree, NOW) for c in columns_of(node)]
    assert cells[1:3] == ["Ready,SchedulingDisabled", "control-plane"]
    assert cells[5:7] == ["198.18.0.1", "<none>"]
    bound = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [
            {"kind": "User", "name": "ann"},
            {"kind": "ServiceAccount", "namespace": "tour", "name": "builder"},
        ],
    }
    cells = [c.cell(bound, NOW) for c in columns_of(binding)]
    assert cells[1] == "Role/reader"
    assert cells[3:] == ["ann", "", "tour/builder"]


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
