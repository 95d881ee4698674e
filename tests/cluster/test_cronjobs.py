"""CronJobs: a Job at each of their times, and what becomes of late and old ones."""

from __future__ import annotations

import pytest

from lateen.cluster.cronjobs import SCHEDULED, cronjob_of, job_name
from lateen.cluster.statuses import moment
from tests.cluster.simulated import Cluster

MINUTE = 60.0


def cronjob(schedule: str = "*/5 * * * *", more: str = "") -> str:
    """The clock of these tests starts at midnight of 2026-01-01, UTC."""
    return f"""
apiVersion: batch/v1
kind: CronJob
metadata: {{name: tick, namespace: shop}}
spec:
  schedule: "{schedule}"
  {more}
  jobTemplate:
    metadata: {{labels: {{tier: back}}}}
    spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: app, image: "app:1"}}]}}}}}}
"""


def jobs(cluster: Cluster) -> list[str]:
    """The times of the Jobs there are, as `HH:MM`."""
    found = cluster.store.list(group="batch", kind="Job", namespace="shop")
    return [job.meta.annotations[SCHEDULED][11:16] for job in found]


async def after(cluster: Cluster, minutes: float) -> None:
    await cluster.clock.advance(minutes * MINUTE)
    cluster.settle()


@pytest.mark.anyio
async def test_a_job_starts_at_each_time(cluster: Cluster) -> None:
    cluster.apply(cronjob())
    assert jobs(cluster) == []
    assert cluster.due() == 5 * MINUTE
    await after(cluster, 5)
    assert jobs(cluster) == ["00:05"]
    (job,) = cluster.store.list(group="batch", kind="Job")
    at = moment("2026-01-01T00:05:00Z")
    assert at
    assert job.key.name == job_name("tick", at)
    assert job.meta.labels["tier"] == "back"
    status = cronjob_of(cluster.get("CronJob", "tick")).status
    assert status.last_schedule_time == "2026-01-01T00:05:00Z"
    assert [reference.name for reference in status.active] == [job.key.name]
    cluster.end_pod()
    status = cronjob_of(cluster.get("CronJob", "tick")).status
    assert status.active == ()
    assert status.last_successful_time == "2026-01-01T00:05:00Z"
    assert [reason for reason, _ in cluster.told("CronJob", "tick")] == [
        "SawCompletedJob",
        "SuccessfulCreate",
    ]


@pytest.mark.anyio
async def test_of_times_missed_only_the_last_is_made_up_for(cluster: Cluster) -> None:
    cluster.apply(cronjob())
    await after(cluster, 17)
    assert jobs(cluster) == ["00:15"]


@pytest.mark.anyio
async def test_too_late_is_not_at_all(cluster: Cluster) -> None:
    cluster.apply(cronjob(more="startingDeadlineSeconds: 60"))
    await after(cluster, 7)
    assert jobs(cluster) == []
    assert cluster.due() == 3 * MINUTE
    await after(cluster, 3.5)
    assert jobs(cluster) == ["00:10"]


@pytest.mark.anyio
async def test_forbid_waits_for_the_job_before(cluster: Cluster) -> None:
    cluster.apply(cronjob(more="concurrencyPolicy: Forbid"))
    await after(cluster, 5)
    await after(cluster, 5)
    assert jobs(cluster) == ["00:05"]
    assert "JobAlreadyActive" in dict(cluster.told("CronJob", "tick"))
    cluster.end_pod()
    assert jobs(cluster) == ["00:05", "00:10"], "started late, as soon as it may"


@pytest.mark.anyio
async def test_replace_ends_the_job_before(cluster: Cluster) -> None:
    cluster.apply(cronjob(more="concurrencyPolicy: Replace"))
    await after(cluster, 5)
    await after(cluster, 5)
    assert jobs(cluster) == ["00:10"]


@pytest.mark.anyio
async def test_allow_lets_both_run(cluster: Cluster) -> None:
    cluster.apply(cronjob())
    await after(cluster, 5)
    await after(cluster, 5)
    assert jobs(cluster) == ["00:05", "00:10"]


@pytest.mark.anyio
async def test_suspended_it_starts_nothing(cluster: Cluster) -> None:
    cluster.apply(cronjob(more="suspend: true"))
    await after(cluster, 20)
    assert jobs(cluster) == []
    cluster.edit_spec("CronJob", "tick", suspend=False)
    assert jobs(cluster) == ["00:20"]


@pytest.mark.anyio
async def test_history_is_kept_short(cluster: Cluster) -> None:
    cluster.apply(cronjob(more="successfulJobsHistoryLimit: 2"))
    for _ in range(4):
        await after(cluster, 5)
        cluster.end_pod()
    assert jobs(cluster) == ["00:15", "00:20"]


@pytest.mark.anyio
async def test_a_time_zone_moves_the_times(cluster: Cluster) -> None:
    cluster.apply(cronjob("0 9 * * *", "timeZone: Asia/Tokyo"))
    assert cluster.due() == 24 * 60 * MINUTE, "midnight in UTC is nine in Tokyo: just passed"
    await after(cluster, 24 * 60)
    assert jobs(cluster) == ["00:00"]


@pytest.mark.anyio
async def test_a_job_is_never_started_twice_under_one_name(cluster: Cluster) -> None:
    """Names tell minutes, so times closer together than that are served once a minute."""
    cluster.apply(cronjob("@every 10s"))
    await after(cluster, 0.2)
    cluster.end_pod()
    (first,) = cluster.store.list(group="batch", kind="Job", namespace="shop")
    await after(cluster, 0.2)
    (same,) = cluster.store.list(group="batch", kind="Job", namespace="shop")
    assert same.revision == first.revision, "what is done stays as it is"
    status = cronjob_of(cluster.get("CronJob", "tick")).status
    assert status.last_schedule_time == "2026-01-01T00:00:20Z"
    await after(cluster, 1)
    assert len(jobs(cluster)) == 2


def test_deleting_it_takes_its_jobs_along(cluster: Cluster) -> None:
    cluster.apply(cronjob("@every 1h"))
    assert cluster.due() == 3600
    cluster.delete("CronJob", "tick")
    assert cluster.due() is None
