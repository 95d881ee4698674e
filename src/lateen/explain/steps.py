"""What a walker looks at on its way: a trail of steps whose end is the outcome.

In: -    Out: Step, Walk; `end_of`, `trail_of`.
Before: -       After: walk_ir.py, walk_envoy.py, journey.py

A walker is a generator: it yields a Step for all that it looks at and returns what it comes to. Who
only wants to know the end lets the steps go; their words are made when somebody reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct

from lateen.base.origin import Origin

T = TypeVar("T")


class Part(StrEnum):
    """What kind of thing was looked at."""

    NAME = "name"
    LISTENER = "listener"
    CHAIN = "filter chain"
    MTLS = "mTLS"
    TOKEN = "authentication"  # noqa: S105 - a word for people
    POLICY = "policy"
    FILTER = "filter"
    HOST = "virtual host"
    RULE = "rule"
    PACKETS = "network policy"


class Step(Struct, frozen=True, kw_only=True):
    """One thing looked at: `held` if it concerned the request. `origin` may be Envoy's text for it."""

    part: Part
    name: str
    held: bool
    because: str | Callable[[], str] = ""
    origin: Origin | str = ""

    @property
    def why(self) -> str:
        """What it did, or what did not fit, in words."""
        return self.because if isinstance(self.because, str) else self.because()


Walk = Generator[Step, None, T]


def end_of(walk: Walk[T]) -> T:
    """What it comes to."""
    while True:
        try:
            next(walk)
        except StopIteration as stop:
            end: T = stop.value
            return end


def trail_of(walk: Walk[T]) -> tuple[tuple[Step, ...], T]:
    """Every step, and what it comes to."""
    steps: list[Step] = []
    while True:
        try:
            steps.append(next(walk))
        except StopIteration as stop:
            end: T = stop.value
            return tuple(steps), end
