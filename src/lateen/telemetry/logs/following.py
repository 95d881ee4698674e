"""Follow the containers' logs: what is new since the last look, of all that a filter wants.

In: STATE/logs/pods, a Filter.    Out: LogLines as they are written.
Before: logs/files.py, logs/search.py        After: logs/api.py, logs/exporting.py
"""

from __future__ import annotations

from pathlib import Path

from lateen.telemetry.logs.files import Container, Reader, containers_in
from lateen.telemetry.logs.lines import LogLine
from lateen.telemetry.logs.search import Filter

MOST_BYTES = 1024 * 1024  # of a container, at one look
MOST_LINES = 2000  # at one look


class Follower:
    """Looks at files when asked to; those that come later are read from their beginning."""

    def __init__(self, logs: Path, wanted: Filter) -> None:
        self._logs, self._wanted = logs, wanted
        self._readers: dict[Container, Reader] = {}
        self.skipped = 0
        self._find(at_end=True)

    def _find(self, *, at_end: bool) -> None:
        there = containers_in(self._logs, self._wanted.has_container)
        for gone in self._readers.keys() - set(there):
            del self._readers[gone]
        for container in there:
            if container not in self._readers:
                self._readers[container] = Reader(container, at_end=at_end)

    def look(self) -> list[LogLine]:
        """The new lines, by time; where there are too many the oldest are skipped and counted."""
        self._find(at_end=False)
        found = [
            line
            for container, reader in self._readers.items()
            for raw in reader.new(MOST_BYTES)
            if self._wanted.may_have(raw) and self._wanted.has(line := container.line(raw))
        ]
        found.sort(key=lambda line: line.time)
        self.skipped += max(0, len(found) - MOST_LINES)
        return found[-MOST_LINES:]
