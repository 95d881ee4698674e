"""Have as many traces begun as there is room for: all of a quiet proxy's requests, a share of a busy one's.

In: how many traces each proxy began.    Out: percentages that are to change.
Before: traces/otlp.py, which counts     After: stages/tracing.py, which tells the proxies

A proxy that began too many in a second is to begin fewer at once; one that begins few may begin more, step by step. What a
proxy draws lots with is not asked for: one that is new here, or began anew, is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

BUDGET = 100  # traces that one proxy begins in a second, about
ALL = 100  # percent
_MOST = 1.25  # of the budget, before a share is made smaller
_LEAST = 0.5  # of the budget, before it may grow
_STEP = 4  # times as many, from one second to the next

ProxyName = tuple[str, str]
"""Namespace and pod."""


class Shares:
    """What each proxy's share is, in whole percents."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._began: Counter[ProxyName] = Counter()
        self._told: dict[ProxyName, int] = {}

    def count(self, who: ProxyName, began: int) -> None:
        """A proxy whose share may be changed has begun so many traces."""
        self._began[who] += began

    def changes(self, there: Container[ProxyName]) -> dict[ProxyName, int]:
        """What is to be told after a second, to proxies that are still there; they are taken to be told."""
        began, self._began = self._began, Counter()
        self._told = {who: share for who, share in self._told.items() if who in there}
        made = {}
        for who in {*self._told, *(who for who in began if who in there)}:
            share = self._next(self._told.get(who, ALL), began[who])
            if share != self._told.get(who):
                made[who] = self._told[who] = share
        return made

    def _next(self, share: int, began: int) -> int:
        fitting = share * self._budget // max(began, 1)
        if began > self._budget * _MOST:
            return max(1, fitting)
        if began < self._budget * _LEAST:
            return min(ALL, fitting, share * _STEP)
        return share

    def untold(self, who: ProxyName) -> None:
        """It could not be told: it is as one that is new here."""
        self._told.pop(who, None)

    def thinned(self) -> dict[ProxyName, int]:
        """The shares of those that begin fewer than all."""
        return {who: share for who, share in sorted(self._told.items()) if share < ALL}
