"""Answer watch: one JSON line for each change, for as long as the client listens.

In: a target, a query, the store's changes.    Out: watch events, bookmarks, or a 410 as a Status.
Before: apiserver/selectors.py, apiserver/listing.py, apiserver/tables.py        After: apiserver/app.py

Source: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "Streaming lists".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

from aiohttp import web
from msgspec import Struct

from lateen.api.objects import Obj
from lateen.apiserver.deps import Change, Changes, Objects
from lateen.apiserver.faults import expired, status_of
from lateen.apiserver.listing import list_options
from lateen.apiserver.negotiating import Form, form_wanted
from lateen.apiserver.reading import chosen, selection_of
from lateen.apiserver.selectors import Selection
from lateen.apiserver.serializing import metadata_of, to_json, tree_of, wire_of
from lateen.apiserver.tables import table_of
from lateen.apiserver.targets import Target
from lateen.base.clock import Clock
from lateen.base.errors import Expired

BOOKMARK_SECONDS = 60.0
LONGEST_SECONDS = 3600
_AT_ONCE = 100  # events in one write
Encode = Callable[[str, Obj, int], bytes]
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


class View(Struct, frozen=True, kw_only=True):
    """What one watcher may see: turns changes of the store into events for its selectors."""

    target: Target
    selection: Selection

    def event(self, change: Change) -> str | None:
        """ADDED, MODIFIED or DELETED as the watcher should see it; None if it should not.

        Where it is not known what was there before, a watcher may hear of the end of an object it
        was never shown, which informers ignore.
        """
        key, kind = change.obj.key, self.target.kind
        if (key.group, key.kind) != (kind.stored_in, kind.kind):
            return None
        if self.target.namespace not in ("", key.namespace):
            return None
        matches = self.selection.matches(change.obj)
        match str(change.type):
            case "ADDED":
                return "ADDED" if matches else None
            case "DELETED":
                return "DELETED" if matches else None
        was_shown = change.before is None or self.selection.matches(change.before)
        if matches:
            return "MODIFIED" if was_shown else "ADDED"
        return "DELETED" if was_shown else None


async def answer_watch(
    request: web.Request, target: Target, store: Objects, clock: Clock
) -> web.StreamResponse:
    """Stream events until the client leaves or `timeoutSeconds` are over."""
    options = list_options(request.query, watching=True)
    encode = _encoder(request, target, clock)
    view = View(target=target, selection=selection_of(request.query, target))
    initial = options.initial_events or not options.revision
    since = store.revision if initial or options.revision is None else options.revision
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        changes = store.watch(since=since)
    except Expired as fault:
        await response.prepare(request)
        status = status_of(expired(f"too old resource version: {since} ({fault})"))
        await response.write(to_json({"type": "ERROR", "object": status}) + b"\n")
        return response
    first = chosen(request.query, target, store) if initial else ()
    mark = partial(_bookmark, target) if options.bookmarks else None
    stream = _Stream(response=response, view=view, encode=encode, mark=mark, revision=since)
    try:
        await response.prepare(request)
        for begin in range(0, len(first), _AT_ONCE):
            some = first[begin : begin + _AT_ONCE]
            await response.write(b"".join(encode("ADDED", obj, obj.revision) for obj in some))
        if mark and options.initial_events:
            await response.write(mark(since, _INITIAL_END))
        timeout = min(options.timeout or LONGEST_SECONDS, LONGEST_SECONDS)
        with contextlib.suppress(ConnectionError):
            await stream.send(changes, timeout)
    finally:
        changes.close()
    return response


Mark = Callable[[int, dict[str, str]], bytes]


@dataclass(slots=True, kw_only=True)
class _Stream:
    """One watcher, and how far it has come."""

    response: web.StreamResponse
    view: View
    encode: Encode
    mark: Mark | None
    revision: int

    async def send(self, changes: Changes, seconds: float) -> None:
        """Write events for so many seconds, and at the end where to go on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._send(changes)
        if self.mark:
            await self.response.write(self.mark(self.revision, {}))

    async def _send(self, changes: Changes) -> None:
        try:
            while True:
                try:
                    async with asyncio.timeout(BOOKMARK_SECONDS):
                        if not await changes.wait():
                            return
                except TimeoutError:
                    if self.mark:
                        await self.response.write(self.mark(self.revision, {}))
                    continue
                await self._pass_on(changes.read(_AT_ONCE))
        except Expired as fault:
            status = status_of(expired(f"too old resource version: {self.revision} ({fault})"))
            await self.response.write(to_json({"type": "ERROR", "object": status}) + b"\n")
            self.mark = None

    async def _pass_on(self, changes: Sequence[Change]) -> None:
        seen = ((self.view.event(change), change) for change in changes)
        lines = [self.encode(event, c.obj, c.revision) for event, c in seen if event]
        if lines:
            await self.response.write(b"".join(lines))
        self.revision = changes[-1].revision


def _encoder(request: web.Request, target: Target, clock: Clock) -> Encode:
    """How this watcher's objects are written: as themselves, or each as a Table of one row."""
    form = form_wanted(request.headers.get("Accept", ""))
    include = request.query.get("includeObject", "Metadata")

    def encode(event: str, obj: Obj, revision: int) -> bytes:
        match form:
            case Form.TABLE:
                metadata = {"resourceVersion": str(revision)}
                now, rows = clock.now(), [tree_of(obj, target, revision)]
                shown = table_of(target.kind, rows, now=now, include=include, metadata=metadata)
                return _line(event, to_json(shown))
            case Form.METADATA:
                return _line(event, to_json(metadata_of(tree_of(obj, target, revision))))
            case Form.OBJECT:
                return _line(event, bytes(wire_of(obj, target, revision)))
            case other:
                assert_never(other)

    return encode


def _line(event: str, shown: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (event.encode(), shown)


def _bookmark(target: Target, revision: int, annotations: dict[str, str]) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    tree = {"kind": target.kind.kind, "apiVersion": target.api_version, "metadata": metadata}
    return to_json({"type": "BOOKMARK", "object": tree}) + b"\n"
