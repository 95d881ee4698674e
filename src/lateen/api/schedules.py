"""When a CronJob's next and last times are.

In: a schedule as users write it, a time zone, moments.    Out: Schedule, moments.
Before: api/fields.py        After: check/batch.py, cluster/cronjobs.py
Source: batch/v1 CronJobSpec.schedule; github.com/robfig/cron, whose standard parser Kubernetes uses.

Time zones and schedules are read by libraries that are imported when there is one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from lateen.api.fields import Duration

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FAR = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND_STANDARD = re.compile(r"[#LW]")  # cronsim reads these, too; Kubernetes does not


class BadSchedule(ValueError):
    """A schedule or time zone that cannot be read; says why."""


class Every(Struct, frozen=True, kw_only=True):
    """`@every 90s`: counted from the moment before."""

    seconds: float


class Cron(Struct, frozen=True, kw_only=True):
    """Five fields, read in a time zone."""

    fields: str
    zone: str


Schedule = Cron | Every


def parse_schedule(text: str, zone: str | None) -> Schedule:
    """Read a schedule; raises BadSchedule."""
    from cronsim import CronSim, CronSimError

    if text.startswith("@every "):
        return _every(text.removeprefix("@every ").strip())
    fields = _MACROS.get(text, text)
    if len(fields.split()) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields.split())}: [{text}]")
    days = " ".join(fields.upper().split()[i] for i in (2, 4))
    if _BEYOND_STANDARD.search(re.sub(r"[A-Z]{3}", "", days)):
        raise BadSchedule(f"failed to parse the days of {text!r}")
    cron = Cron(fields=fields.upper().replace("?", "*"), zone=_zone(zone or "UTC"))
    try:
        CronSim(cron.fields, _FAR)
    except CronSimError as fault:
        raise BadSchedule(f"{str(fault).lower()} in {text!r}") from None
    return cron


def next_time(schedule: Schedule, after: datetime) -> datetime | None:
    """The first time after that moment, None if there is none within decades."""
    if isinstance(schedule, Every):
        return after + timedelta(seconds=schedule.seconds)
    return _first(schedule, after, reverse=False)


def last_time(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """The last time later than `after` and not later than `until`."""
    if isinstance(schedule, Every):
        passed = int((until - after).total_seconds() // schedule.seconds)
        return after + timedelta(seconds=passed * schedule.seconds) if passed > 0 else None
    # The search looks strictly before a whole minute, so that the minute begun counts, too.
    edge = until.replace(second=0, microsecond=0) + timedelta(minutes=1)
    found = _first(schedule, edge, reverse=True)
    return found if found is not None and after < found <= until else None


def _first(schedule: Cron, start: datetime, *, reverse: bool) -> datetime | None:
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

    local = start.astimezone(ZoneInfo(schedule.zone))
    found = next(CronSim(schedule.fields, local, reverse=reverse), None)
    return found.astimezone(UTC) if found is not None else None


def _every(text: str) -> Every:
    try:
        seconds = Duration.parse(text).seconds
    except ValueError as fault:
        raise BadSchedule(f"failed to parse duration @every {text}: wanted {fault}") from None
    return Every(seconds=max(1.0, float(int(seconds))))


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadSchedule(f"unknown time zone {name}") from None
    return name
