"""Jobs: pods until enough have succeeded, and what their failures mean."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lateen.api.batch import JobStatus
from lateen.api.pod import Pod
from lateen.cluster.indexes import INDEX, parse_indexes, written_indexes
from lateen.cluster.jobpods import TRACKING, job_of
from lateen.cluster.pods import is_done, is_terminating, pod_of
from tests.cluster.simulated import Cluster, job


def status(cluster: Cluster, name: str = "work") -> JobStatus:
    return job_of(cluster.get("Job", name)).status


def conditions(cluster: Cluster, name: str = "work") -> dict[str, str]:
    return {c.type: c.reason for c in status(cluster, name).conditions if c.status == "True"}


def active(cluster: Cluster) -> list[Pod]:
    return [pod_of(p) for p in cluster.pods() if not is_done(p) and not is_terminating(p)]


def test_a_job_is_complete_when_its_pod_has_succeeded(cluster: Cluster) -> None:
    cluster.apply(job("work"))
    (pod,) = cluster.pods()
    uid = cluster.get("Job", "work").meta.uid
    assert pod.key.name.startswith("work-")
    assert pod.meta.labels["job-name"] == pod.meta.labels["batch.kubernetes.io/job-name"] == "work"
    assert pod.meta.labels["batch.kubernetes.io/controller-uid"] == uid
    assert pod.meta.finalizers == (TRACKING,)
    assert status(cluster).active == 1
    cluster.end_pod()
    assert conditions(cluster) == {
        "SuccessCriteriaMet": "CompletionsReached",
        "Complete": "CompletionsReached",
    }
    after = status(cluster)
    assert (after.succeeded, after.active, after.failed) == (1, 0, 0)
    assert after.start_time
    assert after.completion_time
    (pod,) = cluster.pods()
    assert pod.meta.finalizers == ()
    assert [reason for reason, _ in cluster.told("Job", "work")] == [
        "Completed",
        "SuccessfulCreate",
    ]


def test_no_more_pods_run_at_a_time_than_parallelism_says(cluster: Cluster) -> None:
    cluster.apply(job("work", "completions: 5, parallelism: 2"))
    ended = 0
    while active(cluster):
        assert len(active(cluster)) == min(2, 5 - ended)
        cluster.end_pod()
        ended += 1
    assert ended == 5
    assert status(cluster).succeeded == 5


def test_without_completions_the_first_success_lets_the_others_only_end(cluster: Cluster) -> None:
    cluster.apply(job("work", "parallelism: 3"))
    cluster.end_pod()
    assert len(active(cluster)) == 2
    assert conditions(cluster) == {}
    cluster.end_pod()
    cluster.end_pod()
    assert "Complete" in conditions(cluster)


@pytest.mark.anyio
async def test_a_failure_is_followed_by_a_pause_that_doubles(cluster: Cluster) -> None:
    cluster.apply(job("work"))
    for wait in (10, 20, 40):
        cluster.end_pod(code=1)
        assert active(cluster) == []
        assert cluster.due() == wait
        await cluster.clock.advance(wait - 1)
        cluster.settle()
        assert active(cluster) == []
        await cluster.clock.advance(1)
        cluster.settle()
        assert len(active(cluster)) == 1
    assert status(cluster).failed == 3


@pytest.mark.anyio
async def test_too_many_failures_end_it(cluster: Cluster) -> None:
    cluster.apply(job("work", "backoffLimit: 1"))
    cluster.end_pod(code=1)
    await cluster.clock.advance(10)
    cluster.settle()
    cluster.end_pod(code=1)
    assert conditions(cluster) == {
        "FailureTarget": "BackoffLimitExceeded",
        "Failed": "BackoffLimitExceeded",
    }
    assert status(cluster).failed == 2
    words = "Job has reached the specified backoff limit"
    assert ("BackoffLimitExceeded", words) in cluster.told("Job", "work")


def test_it_has_failed_only_when_its_last_pod_has_ended(cluster: Cluster) -> None:
    cluster.apply(job("work", "backoffLimit: 0, parallelism: 2, completions: 2"))
    cluster.run()
    cluster.end_pod(code=1)
    assert set(conditions(cluster)) == {"FailureTarget"}
    cluster.run()
    assert set(conditions(cluster)) == {"FailureTarget", "Failed"}
    assert status(cluster).failed == 2


@pytest.mark.anyio
async def test_a_deadline_ends_it(cluster: Cluster) -> None:
    cluster.apply(job("work", "activeDeadlineSeconds: 30"))
    assert cluster.due() == 30
    await cluster.clock.advance(30)
    cluster.settle()
    assert conditions(cluster)["Failed"] == "DeadlineExceeded"
    assert active(cluster) == []


@pytest.mark.anyio
async def test_it_goes_some_time_after_it_has_finished(cluster: Cluster) -> None:
    cluster.apply(job("work", "ttlSecondsAfterFinished: 60"))
    cluster.end_pod()
    await cluster.clock.advance(59)
    cluster.settle()
    assert cluster.find("Job", "work")
    await cluster.clock.advance(1)
    cluster.settle()
    assert cluster.find("Job", "work") is None
    assert cluster.pods() == ()


def test_suspended_it_has_no_pods_and_resumed_it_begins_anew(cluster: Cluster) -> None:
    cluster.apply(job("work", "completions: 2, parallelism: 2"))
    cluster.run()
    cluster.end_pod()
    cluster.edit_spec("Job", "work", suspend=True)
    assert conditions(cluster) == {"Suspended": "JobSuspended"}
    assert status(cluster).start_time is None
    cluster.run()
    assert active(cluster) == []
    cluster.edit_spec("Job", "work", suspend=False)
    assert conditions(cluster) == {}
    assert len(active(cluster)) == 1
    assert status(cluster).failed == 0, "a pod it ended itself is no failure"
    assert [r for r, _ in cluster.told("Job", "work") if r in ("Suspended", "Resumed")] == [
        "Resumed",
        "Suspended",
    ]


def test_less_parallelism_ends_pods_that_do_not_count(cluster: Cluster) -> None:
    cluster.apply(job("work", "completions: 6, parallelism: 4"))
    cluster.run()
    cluster.edit_spec("Job", "work", parallelism=1)
    cluster.run()
    assert len(active(cluster)) == 1
    assert status(cluster).failed == 0


def test_a_pod_somebody_deletes_is_a_failure(cluster: Cluster) -> None:
    cluster.apply(job("work"))
    cluster.run()
    (pod,) = cluster.pods()
    cluster.delete("Pod", pod.key.name)
    cluster.run()
    assert status(cluster).failed == 1
    assert cluster.find("Pod", pod.key.name) is None


def test_deleting_it_takes_its_pods_along(cluster: Cluster) -> None:
    cluster.apply(job("work", "parallelism: 2"))
    cluster.run()
    cluster.delete("Job", "work")
    cluster.run()
    assert cluster.pods() == ()


def test_each_index_is_done_once(cluster: Cluster) -> None:
    cluster.apply(job("work", "completions: 3, parallelism: 2, completionMode: Indexed"))
    first = active(cluster)
    assert {p.metadata.annotations[INDEX] for p in first} == {"0", "1"}
    for pod in first:
        index = pod.metadata.annotations[INDEX]
        assert pod.metadata.labels[INDEX] == index
        assert pod.metadata.name.startswith(f"work-{index}-")
        assert pod.spec.hostname == f"work-{index}"
        variable = pod.spec.containers[0].env[-1]
        assert variable.name == "JOB_COMPLETION_INDEX"
    cluster.end_pod("work-1-")
    assert status(cluster).completed_indexes == "1"
    assert {p.metadata.annotations[INDEX] for p in active(cluster)} == {"0", "2"}
    cluster.end_pod("work-0-")
    cluster.end_pod("work-2-")
    assert status(cluster).completed_indexes == "0-2"
    assert "Complete" in conditions(cluster)


@pytest.mark.anyio
async def test_an_index_can_be_given_up(cluster: Cluster) -> None:
    spec = "completions: 2, parallelism: 2, completionMode: Indexed, backoffLimitPerIndex: 1"
    cluster.apply(job("work", spec))
    cluster.end_pod("work-0-", code=1)
    await cluster.clock.advance(600)
    cluster.settle()
    cluster.end_pod("work-0-", code=1)
    assert status(cluster).failed_indexes == "0"
    assert conditions(cluster) == {}
    cluster.end_pod("work-1-")
    assert conditions(cluster)["Failed"] == "FailedIndexes"


POLICY = """backoffLimit: 0, podFailurePolicy: {rules: [
    {action: FailJob, onExitCodes: {containerName: app, operator: In, values: [42]}},
    {action: Ignore, onPodConditions: [{type: DisruptionTarget}]},
    {action: Ignore, onExitCodes: {operator: NotIn, values: [1, 2]}}]}"""


INDEXED = "completionMode: Indexed, completions: 4, parallelism: 4"


@pytest.mark.parametrize(
    ("rules", "ends"),
    [
        ("[{succeededIndexes: '0'}]", [0]),
        ("[{succeededIndexes: '3'}, {succeededCount: 2}]", [0, 1]),
        ("[{succeededIndexes: '1-3', succeededCount: 1}]", [0, 2]),
    ],
)
def test_success_may_need_only_some_indexes(cluster: Cluster, rules: str, ends: list[int]) -> None:
    cluster.apply(job("work", f"{INDEXED}, successPolicy: {{rules: {rules}}}"))
    cluster.run()
    for index in ends:
        assert "SuccessCriteriaMet" not in conditions(cluster)
        cluster.end_pod(f"work-{index}-")
    assert conditions(cluster)["SuccessCriteriaMet"] == "SuccessPolicy"
    cluster.run()
    assert conditions(cluster)["Complete"] == "SuccessPolicy"
    assert active(cluster) == [], "the others are ended"


def test_a_job_that_somebody_else_manages_is_left_alone(cluster: Cluster) -> None:
    cluster.apply(job("work", "managedBy: example.com/queue"))
    assert cluster.pods() == ()


def test_an_exit_code_may_end_it_at_once(cluster: Cluster) -> None:
    cluster.apply(job("work", POLICY))
    cluster.end_pod(code=42)
    (failed,) = (c for c in status(cluster).conditions if c.type == "Failed")
    assert failed.reason == "PodFailurePolicy"
    assert failed.message.endswith("failed with exit code 42 matching FailJob rule at index 0")


@pytest.mark.anyio
async def test_an_ignored_failure_is_only_tried_again(cluster: Cluster) -> None:
    cluster.apply(job("work", POLICY))
    cluster.end_pod(code=3)
    assert status(cluster).failed == 0
    await cluster.clock.advance(10)
    cluster.settle()
    assert len(active(cluster)) == 1
    cluster.end_pod(code=1)
    assert conditions(cluster)["Failed"] == "BackoffLimitExceeded"


def test_restarts_count_when_containers_are_restarted(cluster: Cluster) -> None:
    cluster.apply(job("work", "backoffLimit: 2", policy="OnFailure"))
    cluster.run()
    cluster.restart_pod(count=1)
    assert conditions(cluster) == {}
    cluster.restart_pod(count=2)
    assert conditions(cluster)["FailureTarget"] == "BackoffLimitExceeded"


@pytest.mark.anyio
async def test_a_pod_with_a_deadline_of_its_own_is_no_matter_of_the_job(cluster: Cluster) -> None:
    cluster.apply(job("work"))
    await cluster.clock.advance(timedelta(days=30).total_seconds())
    cluster.settle()
    assert len(active(cluster)) == 1


@pytest.mark.parametrize(
    ("indexes", "text"),
    [((), ""), ((3,), "3"), ((0, 1), "0,1"), ((0, 1, 2, 5, 7, 8), "0-2,5,7,8")],
)
def test_indexes_are_written_as_kubernetes_writes_them(indexes: tuple[int, ...], text: str) -> None:
    assert written_indexes(indexes) == text
    assert parse_indexes(text, 100) == frozenset(indexes)


def test_indexes_beyond_the_completions_are_dropped() -> None:
    assert parse_indexes("0-5,9,nonsense", 3) == {0, 1, 2}
