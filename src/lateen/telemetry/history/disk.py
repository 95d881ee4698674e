"""Rows of the history on disk: what was scraped last, and blocks of packed columns.

In: packed bytes.    Out: rows.
Before: history/chunks.py        After: history/store.py

The journal has every scrape until its block is written, so that a process that is killed loses nothing but
the scrape it was at. Power cuts may take the last seconds along (synchronous=NORMAL).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from lateen.telemetry.promtext import Labels

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shelf (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, shelf INTEGER NOT NULL, labels TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
  shelf INTEGER NOT NULL, at INTEGER NOT NULL, added BLOB NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (shelf, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block (
  id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, times BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS chunk (
  series INTEGER NOT NULL, block INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (series, block)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chunk_block ON chunk (block);
CREATE INDEX IF NOT EXISTS block_last ON block (last);
"""
_VERSION = 1
_JOURNAL = 4 * 1024 * 1024  # bytes of SQLite's own journal that stay once it was emptied
_AT_ONCE = 500  # parameters of one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSeries:
    """A series as it is on disk; `first` and `last` are the span of its blocks, 0 without any."""

    id: int
    shelf: str
    labels: Labels
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """One row of the journal: `added` are the ids of series that begin with it, as 32-bit numbers."""

    shelf: str
    at: int
    added: bytes
    body: bytes


class Disk:
    """One SQLite file. A lock keeps questions in other threads from meeting writes half way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        try:
            self._open()
        except sqlite3.DatabaseError:
            # What was kept is only history: a file that cannot be read is put aside, not mourned.
            path.replace(path.with_suffix(".broken"))
            self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._path.chmod(0o600)
        self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -4096")
        self._db.execute(f"PRAGMA journal_size_limit = {_JOURNAL}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            self._db.close()
            raise sqlite3.DatabaseError("of another version")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def known(self) -> Iterator[KnownSeries]:
        """Every series."""
        rows = self._db.execute(
            "SELECT series.id, shelf.name, labels, coalesce(min(block.first), 0), "
            "coalesce(max(block.last), 0) FROM series JOIN shelf ON shelf.id = series.shelf "
            "LEFT JOIN chunk ON chunk.series = series.id LEFT JOIN block ON block.id = chunk.block "
            "GROUP BY series.id"
        )
        for id, shelf, labels, first, last in rows:
            pairs = tuple((str(name), str(value)) for name, value in json.loads(labels))
            yield KnownSeries(id=id, shelf=shelf, labels=pairs, first=first, last=last)

    def journal(self) -> Iterator[Scraped]:
        """Every scrape that is in no block yet, in order."""
        rows = self._db.execute(
            "SELECT shelf.name, at, added, body FROM journal JOIN shelf ON shelf.id = shelf ORDER BY at"
        )
        for shelf, at, added, body in rows:
            yield Scraped(shelf=shelf, at=at, added=added, body=body)

    def shelf(self, name: str) -> int:
        """The number of a shelf, made if it is new. In a transaction."""
        self._db.execute("INSERT OR IGNORE INTO shelf (name) VALUES (?)", (name,))
        return int(self._db.execute("SELECT id FROM shelf WHERE name = ?", (name,)).fetchone()[0])

    def add_series(self, id: int, shelf: int, labels: Labels) -> None:
        """A new series. In a transaction."""
        self._db.execute(
            "INSERT OR IGNORE INTO series VALUES (?, ?, ?)", (id, shelf, json.dumps(labels))
        )

    def add_scrape(self, shelf: int, at: int, added: bytes, body: bytes) -> None:
        """A row of the journal. In a transaction."""
        self._db.execute(
            "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", (shelf, at, added, body)
        )

    def add_block(
        self, shelf: int, span: tuple[int, int], times: bytes, columns: Iterable[tuple[int, bytes]]
    ) -> None:
        """A block, which takes the place of the shelf's journal. In a transaction."""
        made = self._db.execute(
            "INSERT INTO block (first, last, times) VALUES (?, ?, ?)", (*span, times)
        )
        self._db.executemany(
            "INSERT INTO chunk VALUES (?, ?, ?)",
            ((series, made.lastrowid, body) for series, body in columns),
        )
        self._db.execute("DELETE FROM journal WHERE shelf = ?", (shelf,))

    def blocks(self, start: int, end: int) -> dict[int, bytes]:
        """The packed times of the blocks that reach into the span."""
        with self._lock:
            return dict(
                self._db.execute(
                    "SELECT id, times FROM block WHERE last >= ? AND first <= ?", (start, end)
                ).fetchall()
            )

    def chunks(
        self, series: Sequence[int], blocks: tuple[int, int]
    ) -> list[tuple[int, int, bytes]]:
        """Series, block and column, in this order, of those blocks by number (both included)."""
        found: list[tuple[int, int, bytes]] = []
        for at in range(0, len(series), _AT_ONCE):
            some = series[at : at + _AT_ONCE]
            marks = ",".join("?" * len(some))
            question = (
                f"SELECT series, block, body FROM chunk WHERE series IN ({marks}) "  # noqa: S608 - marks
                "AND block BETWEEN ? AND ? ORDER BY series, block"
            )
            with self._lock:
                found += self._db.execute(question, (*some, *blocks)).fetchall()
        return found

    def forget_before(self, time: int) -> None:
        """Remove blocks that ended before. In a transaction."""
        gone = "SELECT id FROM block WHERE last < ?"
        self._db.execute(f"DELETE FROM chunk WHERE block IN ({gone})", (time,))  # noqa: S608 - constant
        self._db.execute("DELETE FROM block WHERE last < ?", (time,))

    def forget_series(self, ids: Iterable[int]) -> None:
        """Remove series that have no chunk any more. In a transaction."""
        self._db.executemany("DELETE FROM series WHERE id = ?", ((id,) for id in ids))
        self._db.execute(
            "DELETE FROM shelf WHERE NOT EXISTS (SELECT 1 FROM series WHERE series.shelf = shelf.id)"
        )

    def forget_chunks(self, series: Iterable[int]) -> None:
        """Remove all that is kept of some series. In a transaction."""
        self._db.executemany("DELETE FROM chunk WHERE series = ?", ((id,) for id in series))

    def shrink(self) -> None:
        """Give what is free back to the file system."""
        with self._lock:
            # Each page is a step, of which only executescript takes all.
            self._db.executescript("PRAGMA incremental_vacuum")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def size(self) -> int:
        """Bytes in use."""
        with self._lock:
            pages, free, page = (
                self._db.execute(f"PRAGMA {what}").fetchone()[0]
                for what in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * page)

    def earliest(self, share: float) -> int:
        """The time by which that share of the blocks, one at least, has ended; 0 without blocks."""
        with self._lock:
            (count,) = self._db.execute("SELECT count(*) FROM block").fetchone()
            row = self._db.execute(
                "SELECT last FROM block ORDER BY last LIMIT 1 OFFSET ?", (int(count * share),)
            ).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
