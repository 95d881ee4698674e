"""What has happened to the mesh while somebody looks on, in a line each.

In: lines from sources and builds.    Out: the last of them, numbered, for GET /lateen/v1/status.
Before: stages/sourcing.py, stages/building.py       After: app/reporting.py
"""

from __future__ import annotations

from collections import deque
from typing import TypedDict

KEPT = 50  # lines


class Item(TypedDict):
    """One line; numbers rise by one, and a control plane that comes back starts again at 1."""

    number: int
    text: str


class News:
    """The last lines."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque(maxlen=KEPT)
        self._told = 0

    def tell(self, text: str) -> None:
        """Add a line."""
        self._told += 1
        self._items.append({"number": self._told, "text": text})

    def items(self) -> list[Item]:
        """What is kept, the oldest first."""
        return list(self._items)
