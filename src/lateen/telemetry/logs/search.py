"""Find lines in the containers' logs, newest first.

In: STATE/logs/pods, a Filter.    Out: LogLines, whether there are more.
Before: logs/files.py             After: logs/api.py

Nothing is indexed: files are bounded, and read from their ends only as far as it takes, which is bounded too.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lateen.telemetry.logs.files import Container, Raw, backwards, containers_in
from lateen.telemetry.logs.lines import LEVELS, LogLine

MOST_LINES = 5000  # of an answer
MOST_BYTES = 256 * 1024 * 1024  # read for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What lines are wanted: of these places ("" and none for all), this grave or more, with this text.

    `start` and `end` (RFC 3339 in UTC, or "") bound the time, both ends included; `before` leaves out itself.
    """

    pods: frozenset[str] = frozenset()
    namespace: str = ""
    container: str = ""
    level: str = ""
    text: str = ""
    trace: str = ""
    start: str = ""
    end: str = ""
    before: str = ""

    def has_container(self, container: Container) -> bool:
        """Whether lines of it may be wanted."""
        return (
            (not self.pods or container.pod in self.pods)
            and self.namespace in ("", container.namespace)
            and self.container in ("", container.container)
        )

    def may_have(self, raw: Raw) -> bool:
        """Whether a line may be wanted, before it is looked at closely."""
        time, _, text = raw
        if self.trace and self.trace not in text:
            return False
        if self.end and time > self.end:
            return False
        if self.before and time >= self.before:
            return False
        return not self.text or self.text.casefold() in text.casefold()

    def has(self, line: LogLine) -> bool:
        """Whether a line is wanted that may be."""
        if self.trace and line.trace != self.trace:
            return False
        return not self.level or (
            line.level in LEVELS and LEVELS.index(line.level) >= LEVELS.index(self.level)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Lines, newest first; `more` when older ones may be there."""

    lines: tuple[LogLine, ...]
    more: bool


class _Budget:
    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, size: int) -> bool:
        self.left -= size
        return self.left > 0


def search(logs: Path, wanted: Filter, limit: int) -> Found:
    """The newest `limit` lines that are wanted."""
    limit = max(1, min(limit, MOST_LINES))
    budget = _Budget(MOST_BYTES)
    streams = [
        _of(container, wanted, budget.spend)
        for container in containers_in(logs, wanted.has_container)
    ]
    found: list[LogLine] = []
    for line in _merged(streams):
        found.append(line)
        if len(found) > limit:
            break
    more = len(found) > limit or budget.left <= 0
    return Found(lines=tuple(found[:limit]), more=more)


def _merged(streams: Iterable[Iterator[LogLine]]) -> Iterator[LogLine]:
    return heapq.merge(*streams, key=lambda line: line.time, reverse=True)


def _of(container: Container, wanted: Filter, spend: Callable[[int], bool]) -> Iterator[LogLine]:
    for raw in backwards(container, spend):
        if wanted.start and raw[0] < wanted.start:
            return
        if wanted.may_have(raw) and wanted.has(line := container.line(raw)):
            yield line


def stamp(seconds: float) -> str:
    """Seconds since 1970 in the form of the files."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
