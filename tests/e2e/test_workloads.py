"""Jobs end, sets keep their names and files, and what does not fit says so: with real processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lateen.apiserver.client import Client
from tests.e2e.harness import Mesh, eventually

FOLDER = Path(__file__).parent / "workloads"


@pytest.fixture(scope="module")
def work() -> Iterator[Mesh]:
    """A mesh of Jobs, a CronJob, a StatefulSet and a DaemonSet."""
    mesh = Mesh(FOLDER)
    try:
        mesh.up()
        yield mesh
    finally:
        mesh.end()


def one(mesh: Mesh, path: str) -> dict[str, Any]:
    """An object of namespace work; `{}` if it is not there."""
    group, plural, name = path.rsplit("/", 2)
    items = mesh.api(f"{group}/namespaces/work/{plural}")["items"]
    return next((item for item in items if item["metadata"]["name"] == name), {})


def pods(mesh: Mesh, owner: str) -> list[dict[str, Any]]:
    """The pods whose names begin so."""
    items = mesh.api("/api/v1/namespaces/work/pods")["items"]
    return [item for item in items if item["metadata"]["name"].startswith(owner)]


def states(mesh: Mesh, pod: str) -> dict[str, dict[str, Any]]:
    """The state of each container of a pod."""
    status = one(mesh, f"/api/v1/pods/{pod}")["status"]
    return {c["name"]: c["state"] for c in status["containerStatuses"]}


def has_ended(mesh: Mesh, pod: str) -> bool:
    """Whether the pod's proxy has."""
    return "terminated" in states(mesh, pod)["istio-proxy"]


def conditions(item: dict[str, Any]) -> dict[str, str]:
    found = (item.get("status") or {}).get("conditions") or ()
    return {c["type"]: c.get("reason", "") for c in found if c["status"] == "True"}


def reasons(mesh: Mesh, kind: str, name: str) -> set[str]:
    """The reasons of the events about an object whose name begins so."""
    events = mesh.api("/api/v1/namespaces/work/events")["items"]
    return {
        event["reason"]
        for event in events
        if event["involvedObject"]["kind"] == kind
        and event["involvedObject"]["name"].startswith(name)
    }


def test_a_job_ends_and_its_proxies_with_it(work: Mesh) -> None:
    assert eventually(
        lambda: "Complete" in conditions(one(work, "/apis/batch/v1/jobs/count")), within=90
    )
    status = one(work, "/apis/batch/v1/jobs/count")["status"]
    assert (status["succeeded"], status["completedIndexes"]) == (3, "0-2")
    ended = pods(work, "count-")
    assert len(ended) == 3
    assert {pod["status"]["phase"] for pod in ended} == {"Succeeded"}
    for pod in ended:
        name = pod["metadata"]["name"]
        assert states(work, name)["app"]["terminated"]["exitCode"] == 0
        assert eventually(partial(has_ended, work, name)), "its proxy goes when the work is done"
        index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
        path = f"/api/v1/namespaces/work/pods/{name}/log?container=app"
        assert work.api(path).strip() == f"index {index}"
    assert {"SuccessfulCreate", "Completed"} <= reasons(work, "Job", "count")
    assert {"Scheduled", "Created", "Started"} <= reasons(work, "Pod", "count-")


def test_a_job_that_fails_too_often_has_failed(work: Mesh) -> None:
    def failed() -> str:
        return conditions(one(work, "/apis/batch/v1/jobs/doomed")).get("Failed", "")

    assert eventually(failed, within=60) == "BackoffLimitExceeded"
    (pod,) = pods(work, "doomed-")
    assert pod["status"]["phase"] == "Failed"
    (app,) = (c for c in pod["status"]["containerStatuses"] if c["name"] == "app")
    assert app["state"]["terminated"]["exitCode"] == 3


def test_a_cron_job_runs_again_and_again_and_keeps_its_history_short(work: Mesh) -> None:
    def times() -> str:
        status = one(work, "/apis/batch/v1/cronjobs/tick").get("status") or {}
        return str(status.get("lastSuccessfulTime") or "")

    first = eventually(times, within=60)
    assert first
    assert eventually(lambda: times() > first, within=60)
    jobs = [
        job
        for job in work.api("/apis/batch/v1/namespaces/work/jobs")["items"]
        if job["metadata"]["name"].startswith("tick-")
    ]
    assert len([job for job in jobs if "Complete" in conditions(job)]) <= 2


def test_a_stateful_pod_comes_back_with_its_name_and_its_files(work: Mesh) -> None:
    def ready() -> bool:
        status = one(work, "/apis/apps/v1/statefulsets/db").get("status") or {}
        return bool(status.get("readyReplicas") == 2)

    assert eventually(ready, within=60)
    before = one(work, "/api/v1/pods/db-1")
    claim = one(work, "/api/v1/persistentvolumeclaims/data-db-1")
    assert claim["status"]["phase"] == "Bound"
    kept = work.state / "volumes" / claim["spec"]["volumeName"] / "name"
    assert kept.read_text() == f"db-1 {before['metadata']['uid']}"
    work.lateen("down")
    work.up()
    assert eventually(ready, within=60)
    after = one(work, "/api/v1/pods/db-1")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert kept.read_text() == f"db-1 {before['metadata']['uid']}", "what it wrote is still there"
    status = one(work, "/apis/batch/v1/jobs/count")["status"]
    assert status["succeeded"] == 3, "what was done is not done again"


def test_a_daemon_set_has_a_pod_on_the_node(work: Mesh) -> None:
    def available() -> int:
        status = one(work, "/apis/apps/v1/daemonsets/agent").get("status") or {}
        return int(status.get("numberAvailable", 0))

    assert eventually(available, within=60) == 1
    (pod,) = pods(work, "agent-")
    assert pod["spec"]["nodeName"] == "lateen"


def test_a_pod_larger_than_the_machine_waits_and_says_why(work: Mesh) -> None:
    resources = {"requests": {"cpu": "4000"}}
    greedy = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "greedy", "namespace": "work"},
        "spec": {"containers": [{"name": "app", "image": "test/tool", "resources": resources}]},
    }
    Client(work.run / "api.sock").post("/api/v1/namespaces/work/pods", greedy)
    assert eventually(lambda: pods(work, "greedy")[0]["status"].get("conditions"))
    (pod,) = pods(work, "greedy")
    assert pod["status"]["phase"] == "Pending"
    (placed,) = (c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    assert placed["message"].startswith("0/1 nodes are available: 1 Insufficient cpu. preemption:")
    assert "FailedScheduling" in reasons(work, "Pod", "greedy")
