"""The feed of events, and the watches that read it.

In: committed events.    Out: LogWatch, an async iterator of events.
Before: store/interface.py        After: store/core.py

A watch is a position in the one bounded feed, so a slow reader costs no memory: once the feed has
dropped an event it has not read, the watch ends with Expired, and its reader lists anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from lateen.base.errors import Expired
from lateen.store.interface import Event

HISTORY = 10_000  # revisions a watch may lag behind


class Feed:
    """The newest events, in order, without gaps; at least `limit` of them."""

    def __init__(
        self, revision: int, *, earlier: Callable[[], tuple[Event, ...]], limit: int = HISTORY
    ) -> None:
        self.limit = limit
        self._earlier: Callable[[], tuple[Event, ...]] | None = earlier
        self._events: list[Event] = []
        self._newest = revision
        self._watches: set[LogWatch] = set()

    def extend(self, events: Sequence[Event]) -> None:
        """Add the events of one transaction and wake the watches."""
        if not events:
            return
        self._events.extend(events)
        self._newest = events[-1].revision
        if len(self._events) > self.limit + self.limit // 4:
            del self._events[: -self.limit]
            self._earlier = None
        for watch in self._watches:
            watch.wake()

    def after(self, revision: int, most: int) -> Sequence[Event]:
        """Up to `most` events that follow that revision; raises Expired."""
        index = revision - (self._newest - len(self._events))
        if index < 0 and self._earlier is not None:
            begin = self._newest - len(self._events)
            self._events[:0] = [e for e in self._earlier() if e.revision <= begin]
            self._earlier = None
            index = revision - (self._newest - len(self._events))
        if index < 0:
            raise Expired(f"revision {revision} is too old, events begin after it")
        return self._events[index : index + most]

    def watch(self, since: int | None) -> LogWatch:
        """A watch from that revision on; raises Expired."""
        revision = self._newest if since is None else since
        if revision > self._newest:
            raise Expired(f"revision {revision} is not reached yet, the newest is {self._newest}")
        self.after(revision, 0)
        watch = LogWatch(self, revision)
        self._watches.add(watch)
        return watch

    def leave(self, watch: LogWatch) -> None:
        """Forget a watch that has ended."""
        self._watches.discard(watch)

    def close(self) -> None:
        """End every watch."""
        for watch in tuple(self._watches):
            watch.close()


class LogWatch:
    """One reader's position in the feed."""

    def __init__(self, feed: Feed, revision: int) -> None:
        import asyncio  # a store that nobody watches, as a command's, needs none of it

        self._feed = feed
        self._seen = revision
        self._open = True
        self._woken = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Event]:
        """Events in order of revision."""
        return self

    async def __anext__(self) -> Event:
        """The next event; raises Expired when the reader fell too far behind."""
        if not await self.wait():
            raise StopAsyncIteration
        (event,) = self.read(1)
        return event

    async def wait(self) -> bool:
        """Until there is something to read: True, or the stream has ended: False. Raises Expired."""
        while self._open:
            if self._feed.after(self._seen, 1):
                return True
            self._woken.clear()
            await self._woken.wait()
        return False

    def read(self, most: int) -> Sequence[Event]:
        """Up to `most` of the events not read yet, without waiting; raises Expired."""
        events = self._feed.after(self._seen, most)
        if events:
            self._seen = events[-1].revision
        return events

    def wake(self) -> None:
        """Look again."""
        self._woken.set()

    def close(self) -> None:
        """End the stream."""
        self._open = False
        self._feed.leave(self)
        self._woken.set()

    async def __aenter__(self) -> LogWatch:
        """The watch itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the stream."""
        self.close()
