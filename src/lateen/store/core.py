"""The rules every store keeps, over a seam for what makes writes durable.

In: JSON trees.    Out: objects with metadata filled in, revisions, events.
Before: api/decode.py        After: store/memory.py, store/sqlite.py

All objects live in memory, decoded once, so that reads cost nothing. A transaction is a list of
changes: undone if its body fails, else handed to the persistence as one batch, then shown to watchers.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from lateen.api.customkinds import custom_kinds
from lateen.api.decode import restore
from lateen.api.definition import EXTENSIONS, CustomResourceDefinition
from lateen.api.kinds import group_of, kind_of, register
from lateen.api.objects import FieldPlaces, Obj
from lateen.base.clock import Clock, SystemClock
from lateen.base.errors import Conflict, NotFound, StoreError
from lateen.base.origin import ObjectKey
from lateen.store.interface import Event, EventType, NoteManagers, Writer
from lateen.store.shelves import Record, Shelves
from lateen.store.stamping import same_content, stamped, timestamp
from lateen.store.watching import HISTORY, Feed, LogWatch

_DEFINITION = "CustomResourceDefinition"


class Change(Struct, frozen=True, kw_only=True):
    """One object before and after; `event` is None if nobody needs to hear of it."""

    key: ObjectKey
    before: Record | None
    after: Record | None
    event: Event | None


class NoteChange(Struct, frozen=True, kw_only=True):
    """One note before and after."""

    name: str
    before: bytes | None
    after: bytes | None


class Batch(Struct, frozen=True, kw_only=True):
    """What one transaction did; events of revision `forget` and older may be dropped."""

    revision: int
    forget: int
    changes: tuple[Change | NoteChange, ...]


class Loaded(Struct, frozen=True, kw_only=True):
    """What an earlier life left."""

    revision: int = 0
    records: tuple[Record, ...] = ()
    notes: Mapping[str, bytes] = field(default_factory=dict)


class Persistence(Protocol):
    """Keeps batches."""

    def load(self) -> Loaded:
        """Everything kept so far."""

    def history(self) -> tuple[Event, ...]:
        """The events still kept, oldest first, up to now or to `load`."""

    def commit(self, batch: Batch) -> None:
        """Keep a batch whole, or raise StoreError and keep nothing of it."""

    def close(self) -> None:
        """Let go."""


def new_uid() -> str:
    """A fresh metadata.uid."""
    return str(uuid.uuid4())


class ObjectStore:
    """A Store (store/interface.py) over a persistence. For use within one event loop."""

    def __init__(
        self,
        persistence: Persistence,
        *,
        clock: Clock | None = None,
        make_uid: Callable[[], str] = new_uid,
        history: int = HISTORY,
        note: NoteManagers | None = None,
    ) -> None:
        self._persistence = persistence
        self._note = note
        self._clock = clock or SystemClock()
        self._make_uid = make_uid
        loaded = persistence.load()
        self._revision = loaded.revision
        self._shelves = Shelves(loaded.records)
        if self._definitions():
            register(custom_kinds(self._definitions()))
        self._notes = dict(loaded.notes)
        self._feed = Feed(loaded.revision, earlier=persistence.history, limit=history)
        self._pending: list[Change | NoteChange] = []
        self._depth = 0

    @property
    def revision(self) -> int:
        """The newest revision; 0 when empty."""
        return self._revision

    def get(self, key: ObjectKey) -> Obj | None:
        """The object, or None."""
        record = self._shelves.get(key)
        return record.obj if record else None

    def list(
        self, *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> tuple[Obj, ...]:
        """Objects sorted by key; None means any."""
        return self._shelves.list(group=group, kind=kind, namespace=namespace)

    def source_of(self, key: ObjectKey) -> str:
        """Who owns the object; "" if it does not exist or nobody said."""
        record = self._shelves.get(key)
        return record.source if record else ""

    def put(
        self,
        raw: Mapping[str, Any],
        *,
        places: FieldPlaces | None = None,
        expect: int | None = None,
        source: str = "",
        writer: Writer | None = None,
    ) -> Obj:
        """Create or replace an object; see store/interface.py. Raises Conflict, StoreError."""
        tree = _copy(raw)
        key = key_of(tree)
        before = self._shelves.get(key)
        _check_expected(key, before, expect)
        number = self._revision + 1
        if before is None:
            birth = {"uid": self._make_uid(), "creationTimestamp": timestamp(self._clock.now())}
            tree = stamped(tree, key=key, before={"metadata": birth}, revision=number)
            tree = self._noted(tree, None, writer)
            return self._write(EventType.ADDED, tree, places, source, before)
        tree = stamped(tree, key=key, before=before.obj.raw, revision=number)
        tree = self._noted(tree, before.obj.raw, writer)
        places = places or before.obj.places
        source = source or before.source
        if same_content(tree, before.obj.raw):
            return self._note_whereabouts(before, places, source)
        return self._write(EventType.MODIFIED, tree, places, source, before)

    def _noted(
        self, tree: dict[str, Any], before: Mapping[str, Any] | None, writer: Writer | None
    ) -> dict[str, Any]:
        """The tree with its managers after the write; an equal object has those it had."""
        if writer is None or self._note is None:
            return tree
        meta = {k: v for k, v in tree["metadata"].items() if k != "managedFields"}
        kept = (before or tree)["metadata"].get("managedFields")
        tree = tree | {"metadata": meta | ({"managedFields": kept} if kept else {})}
        if before is not None and writer.applied is None and same_content(tree, before):
            return tree
        entries = self._note(before, tree, writer, timestamp(self._clock.now()))
        return tree | {"metadata": meta | ({"managedFields": entries} if entries else {})}

    def put_status(
        self, key: ObjectKey, status: Mapping[str, Any], *, writer: Writer | None = None
    ) -> Obj:
        """Replace only the status; raises NotFound. An equal status changes nothing."""
        before = self._shelves.get(key)
        if before is None:
            raise NotFound(str(key))
        return self.put({**before.obj.raw, "status": status}, writer=writer)

    def delete(self, key: ObjectKey, *, expect: int | None = None) -> Obj:
        """Remove an object; raises NotFound, Conflict."""
        before = self._shelves.get(key)
        if before is None:
            raise NotFound(str(key))
        _check_expected(key, before, expect)
        event = Event(
            type=EventType.DELETED,
            obj=before.obj,
            revision=self._revision + 1,
            before=before.obj,
        )
        self._apply(Change(key=key, before=before, after=None, event=event))
        return before.obj

    def read_note(self, name: str) -> bytes | None:
        """A small named value of the platform's own."""
        return self._notes.get(name)

    def write_note(self, name: str, value: bytes | None) -> None:
        """Set or (None) remove a note."""
        before = self._notes.get(name)
        if before != value:
            self._apply(NoteChange(name=name, before=before, after=value))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes; an exception undoes them. Never await inside: others' writes would join in.

        A transaction inside another undoes only its own writes, and is durable with the outer one.
        """
        mark, revision = len(self._pending), self._revision
        self._depth += 1
        try:
            yield
            if self._depth == 1:
                self._commit()
        except BaseException:
            self._undo(mark, revision)
            raise
        finally:
            self._depth -= 1

    def watch(self, *, since: int | None = None) -> LogWatch:
        """Every change after revision `since` (None: from now on); raises Expired."""
        return self._feed.watch(since)

    def close(self) -> None:
        """End the watches, flush and let go of the file."""
        self._feed.close()
        self._persistence.close()

    def _write(
        self,
        happened: EventType,
        tree: dict[str, Any],
        places: FieldPlaces | None,
        source: str,
        before: Record | None,
    ) -> Obj:
        obj = restored(tree, places, self._revision + 1)
        event = Event(
            type=happened,
            obj=obj,
            revision=self._revision + 1,
            before=before.obj if before else None,
        )
        after = Record(obj=obj, source=source)
        self._apply(Change(key=obj.key, before=before, after=after, event=event))
        return obj

    def _note_whereabouts(self, before: Record, places: FieldPlaces | None, source: str) -> Obj:
        """An equal object whose lines moved: later messages name the new lines, nobody is woken."""
        after = Record(obj=replace(before.obj, places=places), source=source)
        if after.obj.places == before.obj.places and source == before.source:
            return before.obj
        self._apply(Change(key=before.obj.key, before=before, after=after, event=None))
        return after.obj

    def _apply(self, change: Change | NoteChange) -> None:
        with self.transaction():
            self._pending.append(change)
            self._set(change, undo=False)

    def _set(self, change: Change | NoteChange, *, undo: bool) -> None:
        match change:
            case NoteChange():
                value = change.before if undo else change.after
                if value is None:
                    self._notes.pop(change.name, None)
                else:
                    self._notes[change.name] = value
            case Change():
                self._shelves.set(change.key, change.before if undo else change.after)
                if change.event and not undo:
                    self._revision = change.event.revision
                if change.key.kind == _DEFINITION:
                    register(custom_kinds(self._definitions()))

    def _definitions(self) -> tuple[CustomResourceDefinition, ...]:
        """What defines kinds of the user's own: they exist as long as these are in the store."""
        found = self._shelves.list(group=EXTENSIONS, kind=_DEFINITION, namespace=None)
        return tuple(o.typed for o in found if isinstance(o.typed, CustomResourceDefinition))

    def _undo(self, mark: int, revision: int) -> None:
        while len(self._pending) > mark:
            self._set(self._pending.pop(), undo=True)
        self._revision = revision

    def _commit(self) -> None:
        if not self._pending:
            return
        changes = tuple(self._pending)
        forget = self._revision - self._feed.limit
        self._persistence.commit(Batch(revision=self._revision, forget=forget, changes=changes))
        self._pending.clear()
        self._feed.extend([c.event for c in changes if isinstance(c, Change) and c.event])


def key_of(raw: Mapping[str, Any]) -> ObjectKey:
    """The key of a JSON tree; raises StoreError for a tree that has none."""
    version, kind = raw.get("apiVersion"), raw.get("kind")
    metadata = raw.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not (isinstance(version, str) and isinstance(kind, str) and isinstance(name, str) and name):
        raise StoreError("an object needs apiVersion, kind and metadata.name")
    known = kind_of(group_of(version), kind)
    if known is None:
        raise StoreError(f"no kind {kind} in {version} is known")
    assert isinstance(metadata, Mapping)  # noqa: S101 - its name was read
    namespace = str(metadata.get("namespace") or "default") if known.namespaced else ""
    return ObjectKey(group=known.group, kind=kind, namespace=namespace, name=name)


def _check_expected(key: ObjectKey, before: Record | None, expect: int | None) -> None:
    if expect is None:
        return
    current = before.obj.revision if before else 0
    if current != expect:
        raise Conflict(f"{key} is at revision {current}, not {expect}")


def _copy(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON tree nobody else holds."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(raw))
    return tree


def restored(raw: Mapping[str, Any], places: FieldPlaces | None, revision: int) -> Obj:
    """The object a stored tree stands for; raises StoreError for a tree that does not fit its kind."""
    try:
        return restore(raw, places, revision)
    except (KeyError, msgspec.ValidationError) as fault:
        raise StoreError(f"{raw.get('kind')} {raw['metadata'].get('name')}: {fault}") from fault
