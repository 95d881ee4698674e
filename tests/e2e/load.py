"""Steady requests while a test does something to the mesh."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from tests.e2e.harness import eventually


class Load:
    """Requests one after the other in some threads, counted by status."""

    def __init__(self, ask: Callable[[], int], threads: int = 3) -> None:
        self.seen: Counter[int] = Counter()
        self._ask = ask
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._stop.is_set():
            self.seen[self._ask()] += 1

    def more(self, count: int) -> bool:
        """Whether so many more requests were answered with 200 before long."""
        enough = self.seen[200] + count
        return bool(eventually(lambda: self.seen[200] > enough))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
