"""Keep the series of all targets for some hours: the newest in memory, the rest in blocks on disk.

In: scrapes, one row of values per target and time.    Out: Points, in any thread.
Before: history/disk.py        After: stages/scraping.py, promql/

All series of a target have their times in common, so a scrape is one row, kept in a shelf of columns. A full
shelf becomes a block: packed times and packed columns. What has no value in a row is STALE there.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from threading import RLock

from lateen.base.observing import Kept
from lateen.telemetry.history.chunks import pack_times, pack_values, unpack_times, unpack_values
from lateen.telemetry.history.disk import Disk, Scraped
from lateen.telemetry.history.series import (
    NAME,
    STALE,
    Match,
    Matcher,
    Points,
    TooMuch,
    is_stale,
    selected,
)
from lateen.telemetry.promtext import Labels

ROWS = 120  # scrapes in a block
SPREAD = 24  # further ones, by shelf, so that not all blocks are written at once
MOST_OF_ONE = 50_000  # series of one target
MOST_POINTS = 20_000_000  # read for one question
_LET_GO = 0.1  # share of the blocks that goes when there is too much
_USUAL = Kept()
_ROOM = 0.9  # share of a bound from which on room is made


@dataclass(slots=True, eq=False)
class Series:
    """One series; `column` is its place on its shelf, -1 when it has none now. Times are of its points."""

    id: int
    labels: Labels
    first: int = 0
    last: int = 0
    column: int = -1


@dataclass(slots=True, eq=False)
class Shelf:
    """What was scraped of one target since its last block."""

    name: str
    number: int = 0
    known: dict[Labels, Series] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    times: array[int] = field(default_factory=lambda: array("q"))
    columns: list[array[float]] = field(default_factory=list)
    journalled: int = 0  # columns that the journal knows
    rows: int = ROWS

    def place(self, series: Series) -> int:
        """The column of the series, made if it has none."""
        if series.column < 0:
            series.column = len(self.columns)
            self.series.append(series)
            self.columns.append(array("d", [STALE]) * len(self.times))
        return series.column


class History:
    """The store. Rows of one shelf come in rising order of time."""

    def __init__(
        self,
        path: Path,
        *,
        age: float = _USUAL.metrics_age,
        largest: int = _USUAL.metrics_bytes,
        most_series: int = _USUAL.metrics_series,
        most_of_one: int = MOST_OF_ONE,
    ) -> None:
        """Open or make the file: figures of `age` seconds, up to `largest` bytes on disk."""
        self._disk = Disk(path)
        self._age, self._largest = int(age * 1000), largest
        self._most, self._most_of_one = most_series, most_of_one
        self._lock = RLock()
        self._shelves: dict[str, Shelf] = {}
        self._by_name: dict[str, dict[int, tuple[Series, Shelf, dict[str, str]]]] = {}
        self._next = 1
        self.full = False  # whether new series had to be turned away
        self._read_back()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._disk.size()

    @property
    def count(self) -> int:
        """How many series are known."""
        return sum(map(len, self._by_name.values()))

    def shelf(self, name: str) -> Shelf:
        """The shelf of a target."""
        if name not in self._shelves:
            # Names differ from one mesh to the next; where a block ends should not.
            rows = ROWS + zlib.crc32(name.encode()) % SPREAD
            self._shelves[name] = Shelf(name=name, rows=rows)
        return self._shelves[name]

    def series(self, shelf: Shelf, labels: Labels) -> Series | None:
        """The series with those labels, sorted and with a name; None when there are too many.

        One target's flood leaves room for the others: it has a bound of its own.
        """
        if known := shelf.known.get(labels):
            return known
        if len(shelf.known) >= self._most_of_one or self.count >= self._most:
            self.full = True
            return None
        made = Series(id=self._next, labels=tuple((intern(n), intern(v)) for n, v in labels))
        self._next += 1
        with self._lock:
            self._enter(made, shelf)
        return made

    def append(self, rows: Iterable[tuple[Shelf, int, Sequence[tuple[Series, float]]]]) -> None:
        """Take one scrape of each shelf: its time and the values; what had one before and has none is STALE."""
        with self._lock, self._disk.transaction():
            for shelf, at, values in rows:
                self._append(shelf, at, values)

    def _append(self, shelf: Shelf, at: int, values: Sequence[tuple[Series, float]]) -> None:
        if shelf.times and at <= shelf.times[-1]:
            return  # the clock was set back
        row = [STALE] * len(shelf.columns)
        for series, value in values:
            if series.column < 0:
                if shelf.known.get(series.labels) is not series:
                    self._come_back(series, shelf)
                shelf.place(series)
                row.append(value)
            else:
                row[series.column] = value
            series.first, series.last = series.first or at, at
        if not row:
            return
        self._journal(shelf, at, row)
        self._put(shelf, at, row)
        if len(shelf.times) >= shelf.rows:
            self._close_block(shelf)

    def _journal(self, shelf: Shelf, at: int, row: list[float]) -> None:
        new = shelf.series[shelf.journalled :]
        if not shelf.number:
            shelf.number = self._disk.shelf(shelf.name)
        for series in new:
            if series.first == at:
                self._disk.add_series(series.id, shelf.number, series.labels)
        added = array("I", (series.id for series in new)).tobytes()
        self._disk.add_scrape(shelf.number, at, added, zlib.compress(array("d", row).tobytes(), 1))
        shelf.journalled = len(shelf.series)

    @staticmethod
    def _put(shelf: Shelf, at: int, row: Sequence[float]) -> None:
        shelf.times.append(at)
        for column, value in zip(shelf.columns, row, strict=True):
            column.append(value)

    def _close_block(self, shelf: Shelf) -> None:
        """Write the shelf's columns away and begin anew, without the series that ended."""
        columns = [
            (series.id, pack_values(column))
            for series, column in zip(shelf.series, shelf.columns, strict=True)
            if not all(map(is_stale, column))
        ]
        span = shelf.times[0], shelf.times[-1]
        self._disk.add_block(shelf.number, span, pack_times(shelf.times), columns)
        alive = [s for s, c in zip(shelf.series, shelf.columns, strict=True) if not is_stale(c[-1])]
        for series in shelf.series:
            series.column = -1
        shelf.times, shelf.columns, shelf.series, shelf.journalled = array("q"), [], [], 0
        for series in alive:
            shelf.place(series)

    def _come_back(self, series: Series, shelf: Shelf) -> None:
        """A series that was let go of has a value again."""
        if shelf.name not in self._shelves:
            self._shelves[shelf.name], shelf.number = shelf, 0
        self._enter(series, shelf)
        series.first = 0

    def _enter(self, series: Series, shelf: Shelf) -> None:
        labels = dict(series.labels)
        shelf.known[series.labels] = series
        self._by_name.setdefault(labels.get(NAME, ""), {})[series.id] = (series, shelf, labels)

    def _read_back(self) -> None:
        for known in self._disk.known():
            labels = tuple((intern(n), intern(v)) for n, v in known.labels)
            made = Series(id=known.id, labels=labels, first=known.first, last=known.last)
            self._enter(made, self.shelf(known.shelf))
            self._next = max(self._next, known.id + 1)
        for row in self._disk.journal():
            self._recall(row)

    def _recall(self, row: Scraped) -> None:
        shelf = self.shelf(row.shelf)
        by_id = {series.id: series for series in shelf.known.values()} if row.added else {}
        for id in array("I", row.added):
            shelf.place(by_id[id])
        shelf.journalled = len(shelf.series)
        values = array("d", zlib.decompress(row.body))
        self._put(shelf, row.at, values)
        for series, value in zip(shelf.series, values, strict=True):
            if not is_stale(value):
                series.first, series.last = series.first or row.at, row.at

    def tidy(self, now: int) -> None:
        """Let go of what is too old, and of the oldest where it is too much; `now` in milliseconds."""
        self.full = False
        self._forget(now - self._age)
        with self._lock:
            for shelf in list(self._shelves.values()):
                self._thin([(series, shelf) for series in shelf.known.values()], self._most_of_one)
            everything = [pair[:2] for named in self._by_name.values() for pair in named.values()]
            self._thin(everything, self._most)
        largest = int(self._largest * _ROOM)
        while self._disk.size() > largest and (oldest := self._disk.earliest(_LET_GO)):
            self._forget(oldest + 1)
        self._disk.shrink()

    def _forget(self, cutoff: int) -> None:
        with self._lock:
            with self._disk.transaction():
                self._disk.forget_before(cutoff)
            self._let_go(
                [
                    (series, shelf)
                    for named in self._by_name.values()
                    for series, shelf, _ in named.values()
                    if series.last < cutoff and series.column < 0
                ]
            )

    def _thin(self, some: list[tuple[Series, Shelf]], most: int) -> None:
        """Of too many series let go of those that ended, the longest ago first, until new ones have room."""
        if len(some) < most * _ROOM:
            return
        ended = sorted((pair for pair in some if pair[0].column < 0), key=lambda p: p[0].last)
        self._let_go(ended[: len(some) - int(most * _ROOM * _ROOM)])

    def _let_go(self, gone: Sequence[tuple[Series, Shelf]]) -> None:
        ids = [series.id for series, _ in gone]
        with self._disk.transaction():
            self._disk.forget_chunks(ids)
            self._disk.forget_series(ids)
        for series, shelf in gone:
            name = dict(series.labels).get(NAME, "")
            del self._by_name[name][series.id]
            del shelf.known[series.labels]
            if not self._by_name[name]:
                del self._by_name[name]
            if not shelf.known:
                self._shelves.pop(shelf.name, None)

    @property
    def open_shelves(self) -> tuple[str, ...]:
        """The names of shelves that have rows in no block yet."""
        return tuple(shelf.name for shelf in self._shelves.values() if shelf.times)

    def end(self, name: str, at: int) -> None:
        """A target is gone: its series end at that time, and what is in memory is written away."""
        shelf = self._shelves[name]
        with self._lock, self._disk.transaction():
            if at > shelf.times[-1]:
                self._put(shelf, at, [STALE] * len(shelf.columns))
            self._close_block(shelf)

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Points]:
        """As Past says."""
        with self._lock:
            found = self._matching(matchers, start, end)
            heads = [self._head(series, shelf, start, end) for series, shelf in found]
        blocks = self._disk.blocks(start, end)
        made: dict[int, list[tuple[array[int], array[float]]]] = {}
        if blocks:
            times = {id: unpack_times(body) for id, body in blocks.items()}
            ids = [series.id for series, _ in found]
            points = 0
            for id, block, body in self._disk.chunks(ids, (min(blocks), max(blocks))):
                if block not in times:
                    continue
                lo, hi = _span(times[block], start, end)
                points += hi - lo
                if points > MOST_POINTS:
                    raise TooMuch(f"the query reads more than {MOST_POINTS} points")
                made.setdefault(id, []).append((times[block][lo:hi], unpack_values(body)[lo:hi]))
        return [
            joined
            for (series, _), head in zip(found, heads, strict=True)
            if (joined := _joined(series.labels, [*made.get(series.id, ()), head])).times
        ]

    def labelled(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Labels]:
        """The labels of the series that may have points in the span."""
        with self._lock:
            return [series.labels for series, _ in self._matching(matchers, start, end)]

    def _matching(
        self, matchers: Sequence[Matcher], start: int, end: int
    ) -> list[tuple[Series, Shelf]]:
        named = next((m.value for m in matchers if m.name == NAME and m.match is Match.EQUAL), None)
        rest = [
            m for m in matchers if named is None or m.name != NAME or m.match is not Match.EQUAL
        ]
        tests = [(m.name, m.test()) for m in rest]
        if any(m.name == NAME and m.match is Match.EQUAL and m.value != named for m in matchers):
            return []
        groups = self._by_name.values() if named is None else [self._by_name.get(named, {})]
        return [
            (series, shelf)
            for group in groups
            for series, shelf, labels in group.values()
            if series.last >= start and series.first <= end and selected(labels, tests)
        ]

    @staticmethod
    def _head(
        series: Series, shelf: Shelf, start: int, end: int
    ) -> tuple[array[int], array[float]]:
        if series.column < 0:
            return array("q"), array("d")
        lo, hi = _span(shelf.times, start, end)
        return shelf.times[lo:hi], shelf.columns[series.column][lo:hi]

    def close(self) -> None:
        """Close the file; what the journal has is found again."""
        self._disk.close()


def _span(times: array[int], start: int, end: int) -> tuple[int, int]:
    return bisect_left(times, start), bisect_right(times, end)


def _joined(labels: Labels, parts: Sequence[tuple[array[int], array[float]]]) -> Points:
    times, values = array("q"), array("d")
    for some_times, some_values in parts:
        # A block that was written meanwhile has what the shelf had.
        new = bisect_right(some_times, times[-1]) if times else 0
        times.extend(some_times[new:])
        values.extend(some_values[new:])
    return Points(labels, times, values)
