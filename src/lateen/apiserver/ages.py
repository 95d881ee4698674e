"""Times as kubectl shows them: `42s`, `5m3s`, `2d4h`.

In: RFC 3339 timestamps and the time now.    Out: text.
Before: -                                    After: apiserver/columns.py

Source: k8s.io/apimachinery util/duration HumanDuration.
"""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def parse_time(text: object) -> datetime | None:
    """A timestamp of the API, or None when there is none or it cannot be read."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def age_of(timestamp: object, now: datetime) -> str:
    """How long ago that was; `<unknown>` when there is no timestamp."""
    moment = parse_time(timestamp)
    return human(int((now - moment).total_seconds())) if moment else "<unknown>"


def human(seconds: int) -> str:
    """A length of time with at most two units, as kubectl writes it."""
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 10 * _MINUTE:
        return _two(seconds, _MINUTE, "m", 1, "s")
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 8 * _HOUR:
        return _two(seconds, _HOUR, "h", _MINUTE, "m")
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    if seconds < 8 * _DAY:
        return _two(seconds, _DAY, "d", _HOUR, "h")
    if seconds < 2 * _YEAR:
        return f"{seconds // _DAY}d"
    if seconds < 8 * _YEAR:
        return _two(seconds, _YEAR, "y", _DAY, "d")
    return f"{seconds // _YEAR}y"


def _two(seconds: int, unit: int, name: str, lesser: int, lesser_name: str) -> str:
    rest = seconds % unit // lesser
    return f"{seconds // unit}{name}{rest}{lesser_name}" if rest else f"{seconds // unit}{name}"
