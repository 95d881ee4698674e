"""What a store does: objects by key, revisions that only grow, watches that miss nothing.

In: -    Out: Store (protocol), Event, EventType, Watch.
Before: api/objects.py        After: store/sqlite.py, store/memory.py, cluster/, apiserver/

All calls but a watch's iteration are synchronous and quick. One process writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from lateen.api.objects import FieldPlaces, Obj
from lateen.base.origin import ObjectKey


class EventType(StrEnum):
    """Kubernetes' watch event types."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Event(Struct, frozen=True, kw_only=True):
    """A change: the object after it (before it, for DELETED) at the revision of the change.

    `before` is what was there; None if nothing was, or if that is no longer known.
    """

    type: EventType
    obj: Obj
    revision: int
    before: Obj | None = None


class Writer(Struct, frozen=True, kw_only=True):
    """Who writes, as metadata.managedFields name it, when it is not a user by the API.

    `applied` is the configuration of one that applies, None for a plain write.
    """

    name: str
    subresource: str = ""
    applied: Mapping[str, Any] | None = None


# What managedFields are after a write: the tree before (None for a new object) and after it, who, and when.
NoteManagers = Callable[
    [Mapping[str, Any] | None, Mapping[str, Any], Writer, str], list[dict[str, Any]]
]


class Watch(Protocol):
    """A stream of events; iterate it, and leave its `async with` to end it."""

    def __aiter__(self) -> AsyncIterator[Event]:
        """Events in order of revision."""

    async def wait(self) -> bool:
        """Until there is something to read: True, or the stream has ended: False. Raises Expired."""

    def read(self, most: int) -> Sequence[Event]:
        """Up to `most` of the events not read yet, without waiting; raises Expired."""

    def close(self) -> None:
        """End the stream."""

    async def __aenter__(self) -> Watch:
        """The watch itself."""

    async def __aexit__(self, *_: object) -> None:
        """End the stream."""


class Store(Protocol):
    """Objects and their history."""

    @property
    def revision(self) -> int:
        """The newest revision; 0 when empty."""

    def get(self, key: ObjectKey) -> Obj | None:
        """The object, or None."""

    def list(
        self, *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> tuple[Obj, ...]:
        """Objects sorted by key; None means any."""

    def put(
        self,
        raw: Mapping[str, Any],
        *,
        places: FieldPlaces | None = None,
        expect: int | None = None,
        source: str = "",
        writer: Writer | None = None,
    ) -> Obj:
        """Create or replace an object, given as its JSON tree with apiVersion, kind and name.

        `expect` is the revision the caller has read (0: must not exist); raises Conflict. Sets uid,
        creationTimestamp, resourceVersion, and counts metadata.generation on spec changes. Storing
        an equal object changes nothing and wakes nobody. `source` says who owns it (`files`,
        `controllers`, `api`), kept until another source is given. With a `writer` managedFields are
        brought up to date; without one they are as the tree has them.
        """

    def put_status(
        self, key: ObjectKey, status: Mapping[str, Any], *, writer: Writer | None = None
    ) -> Obj:
        """Replace only the status; raises NotFound. An equal status changes nothing."""

    def delete(self, key: ObjectKey, *, expect: int | None = None) -> Obj:
        """Remove an object; raises NotFound, Conflict."""

    def source_of(self, key: ObjectKey) -> str:
        """Who owns the object; "" if it does not exist or nobody said."""

    def transaction(self) -> AbstractContextManager[None]:
        """Group writes: all are durable together, and watchers see them only after the end."""

    def watch(self, *, since: int | None = None) -> Watch:
        """Every change after revision `since` (None: from now on); raises Expired."""

    def read_note(self, name: str) -> bytes | None:
        """A small named value of the platform's own (last good bytes, allocations)."""

    def write_note(self, name: str, value: bytes | None) -> None:
        """Set or (None) remove a note."""

    def close(self) -> None:
        """Flush and let go of the file."""
