"""Hand the newest value from one loop to another.

In: values put by one task.    Out: the newest value, to every reader that asks.
Before: -                      After: stages/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A cell whose readers see the newest value and skip what nobody had time to read.

    Putting a value equal to the current one wakes nobody.
    """

    def __init__(self) -> None:
        self._value: T | None = None
        self._number = 0
        self._changed = asyncio.Event()

    def put(self, value: T) -> None:
        """Replace the value and wake the readers, unless it equals the current one."""
        if self._number and self._value == value:
            return
        self._value = value
        self._number += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def get(self) -> T | None:
        """The current value, or None before the first put."""
        return self._value

    async def __aiter__(self) -> AsyncIterator[T]:
        seen = 0
        while True:
            while self._number == seen:
                await self._changed.wait()
            seen = self._number
            value = self._value
            assert value is not None  # noqa: S101 - a number above 0 means a value was put
            yield value


def named(name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task whose name tells in a traceback or a debugger what it does."""
    return asyncio.create_task(work, name=name)
