"""A store in one SQLite file.

In: a path.    Out: SqliteStore.
Before: store/core.py        After: app/

The file is 0600 and has one writer, which holds it from `open` to `close`. WAL with synchronous=NORMAL:
a committed write has left this process, so it survives any death of it, kill -9 included. Only a power
cut can take the newest writes, never the file's consistency; then the YAML files are read again
anyway, and an fsync per write would hold up the one event loop for milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from lateen.api.customkinds import learn
from lateen.api.definition import CustomResourceDefinition
from lateen.api.kinds import group_of
from lateen.api.objects import FieldPlaces, Obj
from lateen.base.clock import Clock
from lateen.base.errors import EnvironmentFault, StoreError
from lateen.base.origin import ObjectKey
from lateen.store.core import (
    Batch,
    Change,
    Loaded,
    NoteChange,
    ObjectStore,
    Persistence,
    new_uid,
    restored,
)
from lateen.store.interface import Event, EventType, NoteManagers
from lateen.store.sealing import Codec, Sealer
from lateen.store.shelves import Record
from lateen.store.watching import HISTORY

SCHEMA = 1
_TABLES = """
CREATE TABLE schema (version INTEGER NOT NULL);
CREATE TABLE newest (revision INTEGER NOT NULL);
CREATE TABLE objects (
  "group" TEXT, kind TEXT, namespace TEXT, name TEXT,
  raw BLOB NOT NULL, revision INTEGER NOT NULL, source TEXT NOT NULL, places BLOB,
  PRIMARY KEY ("group", kind, namespace, name)
) WITHOUT ROWID;
CREATE TABLE events (
  revision INTEGER PRIMARY KEY, type TEXT NOT NULL,
  raw BLOB NOT NULL, object_revision INTEGER NOT NULL, places BLOB
);
CREATE TABLE notes (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_PUT = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_RESEAL = 'UPDATE objects SET raw = ? WHERE "group" = ? AND kind = ? AND namespace = ? AND name = ?'
_DROP = 'DELETE FROM objects WHERE "group" = ? AND kind = ? AND namespace = ? AND name = ?'


class SqliteStore(ObjectStore):
    """Objects in a file; everything put is there after a crash."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock | None = None,
        make_uid: Callable[[], str] = new_uid,
        history: int = HISTORY,
        codec: Codec | None = None,
        note: NoteManagers | None = None,
    ) -> SqliteStore:
        """Open or make the file. Raises EnvironmentFault if it is in use, newer or no store.

        `codec` says what rows look like at rest; rows kept otherwise are written anew. Plain if None.
        `note` keeps managedFields for those who write as a Writer.
        """
        file = _File(path, codec or Sealer())
        return cls(file, clock=clock, make_uid=make_uid, history=history, note=note)


class _File(Persistence):
    def __init__(self, path: Path, codec: Codec) -> None:
        self._path = path
        self._codec = codec
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)  # the files of the log beside it take over this mode
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            self._prepare()
            self._seal_anew()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA secure_delete = ON")  # no old bytes of a Secret in free pages
            with self._writing():
                tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                if not tables:
                    for statement in _TABLES.split(";"):
                        self._db.execute(statement)
                    self._db.execute("INSERT INTO schema VALUES (?)", (SCHEMA,))
                    self._db.execute("INSERT INTO newest VALUES (0)")
            (version,) = self._db.execute("SELECT version FROM schema").fetchone()
        except sqlite3.OperationalError as fault:
            if "locked" in str(fault):
                raise EnvironmentFault(f"{self._path} is in use by another lateen") from fault
            raise EnvironmentFault(f"{self._path} is no store of lateen: {fault}") from fault
        except sqlite3.DatabaseError as fault:
            raise EnvironmentFault(f"{self._path} is no store of lateen: {fault}") from fault
        if version != SCHEMA:
            raise EnvironmentFault(
                f"{self._path} has schema {version}, this lateen reads {SCHEMA}: use the lateen that"
                " made it, or remove the file"
            )

    def load(self) -> Loaded:
        (revision,) = self._db.execute("SELECT revision FROM newest").fetchone()
        records = []
        for *key, kept, number, source, places in self._db.execute("SELECT * FROM objects"):
            tree = msgspec.json.decode(self._codec.unseal(kept, _row(*key)))
            obj = restored(tree, _places(places), number)
            records.append(Record(obj=obj, source=source))
        notes = {
            name: self._codec.unseal(value, f"note {name}")
            for name, value in self._db.execute("SELECT name, value FROM notes")
        }
        return Loaded(revision=revision, records=tuple(records), notes=notes)

    def history(self) -> tuple[Event, ...]:
        rows = self._db.execute(
            "SELECT revision, type, raw, object_revision, places FROM events ORDER BY revision"
        )
        events = (
            _event(revision, kind, self._codec.unseal(kept, f"event {revision}"), *rest)
            for revision, kind, kept, *rest in rows
        )
        return tuple(_with_before(events))

    def commit(self, batch: Batch) -> None:
        try:
            with self._writing():
                for change in batch.changes:
                    self._keep(change)
                self._db.execute("UPDATE newest SET revision = ?", (batch.revision,))
                self._db.execute("DELETE FROM events WHERE revision <= ?", (batch.forget,))
        except sqlite3.Error as fault:
            raise StoreError(f"{self._path}: {fault}") from fault

    def close(self) -> None:
        self._db.close()

    def _keep(self, change: Change | NoteChange) -> None:
        match change:
            case NoteChange(name=name, after=None):
                self._db.execute("DELETE FROM notes WHERE name = ?", (name,))
            case NoteChange(name=name, after=bytes() as value):
                kept = self._codec.seal(*_kind_of_note(name), value, f"note {name}")
                self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, kept))
            case Change():
                self._keep_object(change)

    def _keep_object(self, change: Change) -> None:
        obj = change.event.obj if change.event else change.after.obj if change.after else None
        if obj is None:
            return
        name = (obj.key.group, obj.key.kind, obj.key.namespace, obj.key.name)
        raw = msgspec.json.encode(obj.raw)
        places = msgspec.json.encode(obj.places) if obj.places else None
        if change.after is None:
            self._db.execute(_DROP, name)
        else:
            kept = self._codec.seal(obj.key.group, obj.key.kind, raw, _row(*name))
            self._db.execute(_PUT, (*name, kept, obj.revision, change.after.source, places))
        if change.event:
            number = change.event.revision
            kept = self._codec.seal(obj.key.group, obj.key.kind, raw, f"event {number}")
            row = (number, change.event.type.value, kept, obj.revision, places)
            self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)

    def _seal_anew(self) -> None:
        """Keep every row as the codec would keep it now; what was plain leaves no trace."""
        self._learn_definitions()
        stale = [*self._stale_objects(), *self._stale_events(), *self._stale_notes()]
        if not stale:
            return
        with self._writing():
            for statement, values in stale:
                self._db.execute(statement, values)
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _learn_definitions(self) -> None:
        """The codec asks for kinds by the names users know, which definitions give."""
        find = 'SELECT "group", kind, namespace, name, raw FROM objects WHERE kind = ?'
        found = []
        for *key, kept in self._db.execute(find, ("CustomResourceDefinition",)).fetchall():
            tree = msgspec.json.decode(self._codec.unseal(kept, _row(*key)))
            found.append(restored(tree, None, 0).typed)
        learn(typed for typed in found if isinstance(typed, CustomResourceDefinition))

    def _stale_objects(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        rows = self._db.execute('SELECT "group", kind, namespace, name, raw FROM objects')
        for *key, kept in rows.fetchall():
            if not self._codec.is_current(key[0], key[1], kept):
                plain = self._codec.unseal(kept, _row(*key))
                yield _RESEAL, (self._codec.seal(key[0], key[1], plain, _row(*key)), *key)

    def _stale_events(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for revision, kept in self._db.execute("SELECT revision, raw FROM events").fetchall():
            row = f"event {revision}"
            plain = self._codec.unseal(kept, row)
            head = msgspec.json.decode(plain, type=_Head)
            group = group_of(head.api_version)
            if not self._codec.is_current(group, head.kind, kept):
                sealed = self._codec.seal(group, head.kind, plain, row)
                yield "UPDATE events SET raw = ? WHERE revision = ?", (sealed, revision)

    def _stale_notes(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for name, kept in self._db.execute("SELECT name, value FROM notes").fetchall():
            kind = _kind_of_note(name)
            if not self._codec.is_current(*kind, kept):
                plain = self._codec.unseal(kept, f"note {name}")
                sealed = self._codec.seal(*kind, plain, f"note {name}")
                yield "UPDATE notes SET value = ? WHERE name = ?", (sealed, name)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _with_before(events: Iterable[Event]) -> Iterator[Event]:
    """Each with the object before it, as far as the events themselves tell."""
    latest: dict[ObjectKey, Obj] = {}
    for event in events:
        key = event.obj.key
        deleted = event.type is EventType.DELETED
        before = event.obj if deleted else latest.get(key)
        yield replace(event, before=before)
        if deleted:
            latest.pop(key, None)
        else:
            latest[key] = event.obj


class _Head(msgspec.Struct, rename="camel"):
    """What kind of object a tree is."""

    api_version: str
    kind: str


def _row(*key: str) -> str:
    """The name of an object's row."""
    return "/".join(key)


def _kind_of_note(name: str) -> tuple[str, str]:
    """Whose secret a note may tell: `applied:GROUP/KIND/…` is of that kind, a list of any of Secrets."""
    if name.startswith("applied:"):
        group, _, rest = name.removeprefix("applied:").partition("/")
        return group, rest.partition("/")[0]
    return ("", "Secret") if name == "applied-later" else ("", "")


def _event(revision: int, happened: str, raw: bytes, number: int, places: bytes | None) -> Event:
    tree = msgspec.json.decode(raw)
    obj = restored(tree, _places(places), number)
    return Event(type=EventType(happened), obj=obj, revision=revision)


def _places(stored: bytes | None) -> FieldPlaces | None:
    return msgspec.json.decode(stored, type=FieldPlaces) if stored else None
