"""Schedules: Kubernetes' five fields and macros, in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lateen.api.schedules import BadSchedule, Every, last_time, next_time, parse_schedule

NEW_YEAR = datetime(2026, 1, 1, 10, 5, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("schedule", "zone", "following"),
    [
        ("*/5 * * * *", None, "2026-01-01T10:10:00Z"),
        ("0 9 * * MON-FRI", "Europe/Berlin", "2026-01-02T08:00:00Z"),
        ("0 0 1 JAN ?", None, "2027-01-01T00:00:00Z"),
        ("@hourly", None, "2026-01-01T11:00:00Z"),
        ("@weekly", None, "2026-01-04T00:00:00Z"),
        ("@every 1m30s", None, "2026-01-01T10:07:00Z"),
        ("0 0 13 * 5", None, "2026-01-02T00:00:00Z"),
    ],
)
def test_the_next_time(schedule: str, zone: str | None, following: str) -> None:
    assert next_time(parse_schedule(schedule, zone), NEW_YEAR) == at(following)


def test_the_last_time_is_the_newest_not_yet_served() -> None:
    schedule = parse_schedule("*/5 * * * *", None)
    assert last_time(schedule, at("2026-01-01T09:00:00Z"), NEW_YEAR) == at("2026-01-01T10:05:00Z")
    assert last_time(schedule, at("2026-01-01T10:05:00Z"), NEW_YEAR) is None
    on_time = at("2026-01-01T10:05:00Z")
    assert last_time(schedule, at("2026-01-01T10:00:00Z"), on_time) == on_time
    every = Every(seconds=60)
    assert last_time(every, at("2026-01-01T10:03:00Z"), NEW_YEAR) == at("2026-01-01T10:05:00Z")
    assert last_time(every, at("2026-01-01T10:05:00Z"), NEW_YEAR) is None


@pytest.mark.parametrize(
    ("schedule", "zone", "words"),
    [
        ("often", None, "expected exactly 5 fields, found 1"),
        ("* * * * * *", None, "expected exactly 5 fields, found 6"),
        ("61 * * * *", None, "bad minute"),
        ("0 0 30 2 *", None, "bad day-of-month"),
        ("0 0 L * *", None, "failed to parse the days"),
        ("0 0 * * FRI#2", None, "failed to parse the days"),
        ("@every often", None, "failed to parse duration"),
        ("@daily", "Mars/Olympus", "unknown time zone Mars/Olympus"),
        ("@daily", "../etc/passwd", "unknown time zone"),
    ],
)
def test_what_kubernetes_cannot_read_is_refused(
    schedule: str, zone: str | None, words: str
) -> None:
    with pytest.raises(BadSchedule, match=words):
        parse_schedule(schedule, zone)
