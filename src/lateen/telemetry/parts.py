"""What the observer is made of: metrics, traces, logs, each with routes of its own and loops of its own.

In: -    Out: Part.
Before: -        After: app/observing.py, which lists them
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Loop = Callable[[], Coroutine[Any, Any, None]]


def _nothing() -> None:
    """What a part does at the end that holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One pillar. `loops` run, by name, as long as the observer does; `close` is called once, at its end.

    Handlers of `routes` find their answer without blocking: what takes long runs in a thread.
    """

    routes: tuple[web.RouteDef, ...] = ()
    loops: tuple[tuple[str, Loop], ...] = ()
    close: Callable[[], None] = _nothing
