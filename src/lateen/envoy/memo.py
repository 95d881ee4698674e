"""Do equal work once: what was made of an IR value, kept while plans still hold that value.

In: a pure function and its frozen arguments.    Out: its result, made now or before.
Before: ir/        After: emit.py
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, TypeVarTuple, cast

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Memo:
    """Results by function and arguments, in two generations.

    Keep one Memo for all proxies and call `turn` after each round of plans: what neither of the
    last two rounds asked for is forgotten. Equal arguments give the very same result object, so
    that its bytes are held once for all proxies.
    """

    def __init__(self) -> None:
        self._now: dict[Hashable, object] = {}
        self._before: dict[Hashable, object] = {}
        # Asked for with the very same objects: no need to hash them through and through again. The
        # arguments are kept beside, or another object could come to have the same id.
        self._same: dict[tuple[int, ...], tuple[object, tuple[object, ...]]] = {}
        self._kept: dict[tuple[int, ...], tuple[object, tuple[object, ...]]] = {}
        self._kept_before = self._kept

    def once(self, make: Callable[[*Args], T], *args: *Args) -> T:
        """`make(*args)`, remembered. The arguments must be hashable and never change."""
        ids = (id(make), *map(id, args))
        if (known := self._same.get(ids)) is not None:
            return cast("T", known[0])
        result = self._once(make, *args)
        self._same[ids] = (result, (make, *args))
        return result

    def _once(self, make: Callable[[*Args], T], *args: *Args) -> T:
        key = (make, args)
        if key in self._now:
            return cast("T", self._now[key])
        made = self._before[key] if key in self._before else make(*args)
        self._now[key] = made
        return cast("T", made)

    def shared(self, make: Callable[[*Args], T], *args: *Args) -> T:
        """`make(*args)`, remembered in this round for the very same objects: nothing is hashed."""
        ids = (id(make), *map(id, args))
        if (known := self._same.get(ids)) is None:
            known = self._same[ids] = (make(*args), (make, *args))
        return cast("T", known[0])

    def kept(self, make: Callable[[*Args], T], *args: *Args) -> T:
        """As `shared`, but remembered for the next round, too; for what is changed in parts."""
        ids = (id(make), *map(id, args))
        if (known := self._kept.get(ids)) is None:
            known = self._kept_before.get(ids) or (make(*args), (make, *args))
            self._kept[ids] = known
        return cast("T", known[0])

    def turn(self) -> None:
        """End a round: forget what was not asked for since the last `turn`."""
        self._kept_before, self._kept = self._kept, {}
        self._before, self._now = self._now, {}
        self._same.clear()
