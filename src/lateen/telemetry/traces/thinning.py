"""Keep whole traces of a flood, as many as there is time for.

In: trace ids, the time.    Out: whether spans of a trace are kept.
Before: -                   After: traces/taking.py

Which traces those are is told by their ids, so that a trace's spans stay together however they come.
"""

from __future__ import annotations

from collections.abc import Callable

_WHOLE = 2**32


class Thinning:
    """A share that is set anew each second by how much came in the one before."""

    def __init__(self, per_second: int, now: Callable[[], float]) -> None:
        self._most = per_second
        self._now = now
        self._second, self._count, self._limit = int(now()), 0, _WHOLE
        self.dropped = 0

    def wanted(self, trace: bytes) -> bool:
        """Whether a span of this trace is kept."""
        second = int(self._now())
        if second != self._second:
            share = min(1.0, self._most / max(self._count, 1))
            self._limit = int(_WHOLE * share) if second == self._second + 1 else _WHOLE
            self._second, self._count = second, 0
        self._count += 1
        kept = int.from_bytes(trace[-4:], "big") < self._limit and self._count <= 4 * self._most
        self.dropped += not kept
        return kept
