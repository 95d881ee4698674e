"""Keep spans for a while in a SQLite file, and find traces again.

In: Spans.    Out: SpanStore.
Before: traces/spans.py        After: traces/api.py, traces/jaeger.py, traces/taking.py

Bounded by age and by size, at each write: the oldest go first. Used from one thread at a time, beside the event loop.
What is deleted is written over, so that a full store neither grows nor shrinks; SQLite's journal is part of the bound.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path

import msgspec

from lateen.telemetry.traces.spans import NANOS, Span

SCHEMA = 2
MOST_SPANS_OF_A_TRACE = 5000
MOST_TRACES = 1500  # that an answer has
_PAGE = 4096  # bytes
_JOURNAL = (
    16  # one part in so many of the bound is for the journal, up to SQLite's usual 1,000 pages
)
_FREE = 8  # one part in so many may be empty before the file is made shorter
_AT_ONCE = 1000  # spans that one transaction puts in or drops
_LOOKED_AT = 20_000  # traces that a search goes through
_TABLES = """
CREATE TABLE spans (
  trace BLOB NOT NULL, id BLOB NOT NULL, parent BLOB NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL,
  start INTEGER NOT NULL, duration INTEGER NOT NULL, error INTEGER NOT NULL, source TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX spans_by_trace ON spans (trace);
CREATE INDEX spans_by_start ON spans (start);
CREATE INDEX spans_by_service ON spans (service, start);
"""
_PUT = "INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What traces are asked for: those with a span that is all of it.

    Durations in seconds, times in seconds since 1970; `tags` are exact.
    """

    service: str = ""
    operation: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    min_duration: float | None = None
    max_duration: float | None = None
    error: bool = False
    start: float | None = None
    end: float | None = None
    limit: int = 20


class SpanStore:
    """Spans in a file, 0600."""

    def __init__(self, path: Path, *, max_age: float, max_bytes: int) -> None:
        """Open or make the file; one of another form, or broken, is begun anew.

        `max_age` in seconds, `max_bytes` of the file and its journal together.
        """
        self._path, self._max_age = path, max_age
        self._journal = min(max_bytes // _JOURNAL // _PAGE, 1000)  # pages
        self._max_bytes = max_bytes - 3 * self._journal * _PAGE
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Span)
        self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.DatabaseError:
            for path in self._path.parent.glob(f"{self._path.name}*"):
                path.unlink()
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA page_size = {_PAGE}")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        db.execute(f"PRAGMA wal_autocheckpoint = {self._journal}")
        db.execute(f"PRAGMA journal_size_limit = {self._journal * _PAGE}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA):
            db.close()
            raise sqlite3.DatabaseError("of another form")
        if version == 0:
            db.executescript(_TABLES)
            db.execute(f"PRAGMA user_version = {SCHEMA}")
        return db

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def put(self, spans: Iterable[Span]) -> None:
        """Keep some spans; of one that comes twice the later one counts. The oldest make room."""
        rows = map(self._row, spans)
        while some := list(islice(rows, _AT_ONCE)):
            self._db.execute("BEGIN")
            self._db.executemany(_PUT, some)
            self._db.execute("COMMIT")
            self._make_room()

    def _row(self, span: Span) -> tuple[object, ...]:
        return (
            bytes.fromhex(span.trace),
            bytes.fromhex(span.id),
            bytes.fromhex(span.parent),
            span.service,
            span.operation,
            span.start,
            span.end - span.start,
            span.is_error,
            span.source,
            self._encoder.encode(span),
        )

    def sweep(self, now: float) -> int:
        """Drop what is too old (`now` in seconds since 1970) or too much; gives the spans dropped."""
        cut = int((now - self._max_age) * NANOS)
        old = "SELECT rowid FROM spans WHERE start < ? LIMIT ?"
        gone = 0
        while some := self._drop(old, cut, _AT_ONCE):
            gone += some
        gone += self._make_room()
        used, whole = self._pages()
        if whole - used > self._max_bytes // _FREE:
            self._shorten()
        while self._pages()[1] > self._max_bytes:
            self._shorten()
        return gone

    def _shorten(self) -> None:
        """Give some of what is empty back to the file system, in steps that a journal can hold."""
        # Each page is a step, of which only executescript takes all.
        self._db.executescript(f"PRAGMA incremental_vacuum({self._journal})")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _make_room(self) -> int:
        """Drop the oldest while there is too much; what came first is taken for the oldest."""
        gone = 0
        while self.size > self._max_bytes and (
            some := self._drop("SELECT rowid FROM spans ORDER BY rowid LIMIT ?", _AT_ONCE)
        ):
            gone += some
        return gone

    def _drop(self, which: str, *values: int) -> int:
        return self._db.execute(f"DELETE FROM spans WHERE rowid IN ({which})", values).rowcount  # noqa: S608 - constants

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._pages()[0]

    def _pages(self) -> tuple[int, int]:
        """Bytes in use, and of the whole file."""
        pages, free = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count")
        )
        return int(pages - free) * _PAGE, int(pages) * _PAGE

    def services(self) -> list[str]:
        """Whose spans are there."""
        rows = self._db.execute("SELECT DISTINCT service FROM spans ORDER BY service")
        return [row[0] for row in rows]

    def operations(self, service: str) -> list[tuple[str, str]]:
        """The operations and kinds of a service's newest spans."""
        rows = self._db.execute(
            "SELECT body FROM spans WHERE service = ? ORDER BY start DESC LIMIT 5000", (service,)
        )
        found = (self._decoder.decode(row[0]) for row in rows)
        return sorted({(span.operation, span.kind) for span in found})

    def trace(self, id: str) -> list[Span]:
        """The spans of a trace, by start; none for one that is not there. A short id stands for a long one."""
        try:
            key = bytes.fromhex(id.rjust(32, "0"))
        except ValueError:
            return []
        return self._of(key)

    def _of(self, key: bytes) -> list[Span]:
        rows = self._db.execute(
            "SELECT body FROM spans WHERE trace = ? ORDER BY rowid LIMIT ?",
            (key, MOST_SPANS_OF_A_TRACE),
        )
        found = [self._decoder.decode(row[0]) for row in rows]
        once = {(span.id, span.source): span for span in found}
        return sorted(once.values(), key=lambda span: (span.start, span.id))

    def search(self, query: Query) -> list[list[Span]]:
        """The newest traces that have what is asked for."""
        limit = max(1, min(query.limit, MOST_TRACES))
        keys = list(self._keys(query, limit))
        return [self._of(key) for key in keys]

    def _keys(self, query: Query, limit: int) -> Iterator[bytes]:
        where, values = _where(query)
        rows = self._db.execute(
            f"SELECT trace, {'body' if query.tags else 'NULL'} FROM spans WHERE {where}"  # noqa: S608 - constant texts only
            " ORDER BY start DESC",
            values,
        )
        seen: dict[bytes, None] = {}
        for number, (trace, body) in enumerate(rows):
            if trace not in seen and (body is None or _has(self._decoder.decode(body), query)):
                seen[trace] = None
                yield trace
            if len(seen) >= limit or number > _LOOKED_AT * 10:
                return

    def calls(self, start: float, end: float) -> dict[tuple[str, str], int]:
        """How often one service's span has a child of another's, by (parent, child)."""
        rows = self._db.execute(
            "SELECT trace, id, parent, service FROM spans WHERE start BETWEEN ? AND ?"
            " ORDER BY trace LIMIT 200000",
            (int(start * NANOS), int(end * NANOS)),
        )
        counts: dict[tuple[str, str], int] = {}
        for _, group in groupby(rows, key=lambda row: row[0]):
            spans = list(group)
            services = {id: service for _, id, _, service in spans}
            for _, _, parent, service in spans:
                if (caller := services.get(parent, service)) != service:
                    counts[caller, service] = counts.get((caller, service), 0) + 1
        return counts


def _where(query: Query) -> tuple[str, list[object]]:
    tests: list[tuple[str, object]] = []
    if query.service:
        tests.append(("service = ?", query.service))
    if query.operation:
        tests.append(("operation = ?", query.operation))
    for word, seconds in ((">=", query.min_duration), ("<=", query.max_duration)):
        if seconds is not None:
            tests.append((f"duration {word} ?", int(seconds * NANOS)))
    for word, seconds in ((">=", query.start), ("<=", query.end)):
        if seconds is not None:
            tests.append((f"start {word} ?", int(seconds * NANOS)))
    if query.error:
        tests.append(("error = ?", 1))
    return " AND ".join(test for test, _ in tests) or "1", [value for _, value in tests]


def _has(span: Span, query: Query) -> bool:
    return all(_text(span.tags.get(key)) == value for key, value in query.tags.items())


def _text(value: object) -> str:
    """As users write it: `true`, `200`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
