"""Remember since when each problem has been there.

In: the problems of now, looked at every few seconds.    Out: when each was seen first.
Before: base/problem.py       After: app/reporting.py
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lateen.base.origin import Origin
from lateen.base.problem import Problem

LOOK_EVERY = 5.0  # seconds
_Which = tuple[str, Origin]


@dataclass(slots=True)
class Seen:
    """A problem that goes and comes again is a new one; one whose words change is the same."""

    _first: dict[_Which, float] = field(default_factory=dict)

    def note(self, problems: Collection[Problem], now: float) -> Mapping[Problem, float]:
        """When each of these was seen first, in seconds since the epoch."""
        which = {problem: (problem.code, problem.origin) for problem in problems}
        self._first = {key: self._first.get(key, now) for key in which.values()}
        return {problem: self._first[key] for problem, key in which.items()}
