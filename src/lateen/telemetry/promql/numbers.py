"""Numbers as Prometheus writes and reads them.

In: floats, texts.    Out: texts, milliseconds.
Before: -        After: promql/
"""

from __future__ import annotations

import math
import re
from datetime import datetime

_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_UNITS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1)  # milliseconds


def shown(value: float) -> str:
    """The shortest text that is this number: 1, 0.25, 1e-07, +Inf, NaN."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    size = abs(value)
    if size and not 1e-6 <= size < 1e21:
        mantissa, _, power = f"{value!r}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{power}"
    if value.is_integer():
        return f"{value:.0f}"
    short = repr(value)
    return f"{value:.{_places(short)}f}" if "e" in short else short


def _places(short: str) -> int:
    mantissa, _, power = short.partition("e")
    return len(mantissa.partition(".")[2].removesuffix("0")) - int(power)


def parse_time(text: str) -> int:
    """Seconds since 1970, or RFC 3339, as milliseconds; raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text) from None
        return round(moment.timestamp() * 1000)
    if not math.isfinite(seconds) or abs(seconds) > 1e11:
        raise ValueError(text)
    return round(seconds * 1000)


def parse_duration(text: str) -> int:
    """Seconds, or Prometheus' durations such as 1h30m, as milliseconds; raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        found = _DURATION.fullmatch(text)
        if not text or found is None:
            raise ValueError(text) from None
        return sum(
            int(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part
        )
    if not math.isfinite(seconds) or abs(seconds) > 1e11:
        raise ValueError(text)
    return round(seconds * 1000)
