"""Work out once what is the same for many proxies: results by the identity of what they were made of.

In: a pure function and its arguments.    Out: its result, made now or before.
Before: -                                 After: translate/views.py

What is asked for again with equal but other arguments is made again; nothing is hashed or compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, cast

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Once:
    """The results for one world; forgotten with it."""

    def __init__(self) -> None:
        # The arguments are kept beside, or another object could come to have the same id.
        self._made: dict[tuple[int, ...], tuple[object, tuple[object, ...]]] = {}

    def __call__(self, make: Callable[[*Args], T], *args: *Args) -> T:
        """`make(*args)`; the arguments must not change."""
        ids = (id(make), *map(id, args))
        if (known := self._made.get(ids)) is None:
            known = self._made[ids] = (make(*args), (make, *args))
        return cast("T", known[0])
