"""Answer watch: one JSON line for each change, for as long as the client listens.

In: a target, a query, the store's changes.    Out: watch events, bookmarks, or a 410 as a Status.
Before: apiserver/selectors.py, apiserver/tables.py        After: apiserver/app.py

Source: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "Streaming lists".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from aiohttp import web

from lateen.api.objects import Obj
from lateen.apiserver.deps import Change, Changes, Objects
from lateen.apiserver.faults import expired, status_of
from lateen.apiserver.negotiating import Form, form_wanted
from lateen.apiserver.reading import chosen, selection_of, whole_number
from lateen.apiserver.selectors import Selection
from lateen.apiserver.serializing import to_json, tree_of
from lateen.apiserver.tables import table_of
from lateen.apiserver.targets import Target
from lateen.base.clock import Clock
from lateen.base.errors import Expired
from lateen.base.origin import ObjectKey

BOOKMARK_SECONDS = 60.0
LONGEST_SECONDS = 3600
_TRUE = ("true", "1")
Encode = Callable[[str, Obj, int], bytes]
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


class View:
    """What one watcher has been shown: turns changes of the store into events for its selectors."""

    def __init__(self, target: Target, selection: Selection) -> None:
        self._target = target
        self._selection = selection
        self._shown: set[ObjectKey] = set()
        self._hidden: set[ObjectKey] = set()

    def start(self, objects: tuple[Obj, ...], since: int) -> None:
        """Take note of what the watcher has seen by revision `since`."""
        for obj in objects:
            if obj.revision <= since:
                (self._shown if self._selection.matches(obj) else self._hidden).add(obj.key)

    def event(self, change: Change) -> str | None:
        """ADDED, MODIFIED or DELETED as the watcher should see it; None if it should not."""
        key = change.obj.key
        if not self._is_here(key):
            return None
        matches = self._selection.matches(change.obj)
        kind = str(change.type)
        was_hidden = key in self._hidden or (kind == "ADDED" and key not in self._shown)
        self._shown.discard(key)
        self._hidden.discard(key)
        if kind == "DELETED":
            return None if was_hidden or not matches else "DELETED"
        (self._shown if matches else self._hidden).add(key)
        if matches:
            return "ADDED" if was_hidden else "MODIFIED"
        return None if was_hidden else "DELETED"

    def _is_here(self, key: ObjectKey) -> bool:
        kind, namespace = self._target.kind, self._target.namespace
        if (key.group, key.kind) != (kind.group, kind.kind):
            return False
        return not namespace or key.namespace == namespace


async def answer_watch(
    request: web.Request, target: Target, store: Objects, clock: Clock
) -> web.StreamResponse:
    """Stream events until the client leaves or `timeoutSeconds` are over."""
    query = request.query
    selection = selection_of(query, target)
    encode = _encoder(request, target, clock)
    asked = whole_number(query, "resourceVersion")
    initial = query.get("sendInitialEvents") in _TRUE or not asked
    timeout = min(whole_number(query, "timeoutSeconds") or LONGEST_SECONDS, LONGEST_SECONDS)
    since = store.revision if initial or asked is None else asked
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        changes = store.watch(since=since)
    except Expired as fault:
        await response.prepare(request)
        status = status_of(expired(f"too old resource version: {since} ({fault})"))
        await response.write(to_json({"type": "ERROR", "object": status}) + b"\n")
        return response
    view = View(target, selection)
    everything = store.list(
        group=target.kind.group, kind=target.kind.kind, namespace=target.namespace or None
    )
    view.start(everything, since)
    try:
        await response.prepare(request)
        if initial:
            await _send_initial(
                response,
                query.get("sendInitialEvents") in _TRUE,
                target,
                since,
                [
                    encode("ADDED", obj, obj.revision)
                    for obj in chosen(query, target, store)
                    if obj.revision <= since
                ],
            )
        bookmarks = query.get("allowWatchBookmarks") in _TRUE
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(timeout):
                await _send(response, target, changes, view, encode, bookmarks, since)
    finally:
        changes.close()
    return response


async def _send_initial(
    response: web.StreamResponse, asked: bool, target: Target, since: int, lines: list[bytes]
) -> None:
    for line in lines:
        await response.write(line)
    if asked:
        await response.write(_bookmark(target, since, _INITIAL_END))


async def _send(
    response: web.StreamResponse,
    target: Target,
    changes: Changes,
    view: View,
    encode: Encode,
    bookmarks: bool,
    since: int,
) -> None:
    revision = since
    stream = aiter(changes)
    pending: asyncio.Future[Change] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(stream))
            done, _ = await asyncio.wait({pending}, timeout=BOOKMARK_SECONDS)
            if not done:
                if bookmarks:
                    await response.write(_bookmark(target, revision))
                continue
            change, pending = pending.result(), None
            revision = change.revision
            if event := view.event(change):
                await response.write(encode(event, change.obj, revision))
    except StopAsyncIteration:
        return
    finally:
        if pending is not None:
            pending.cancel()


def _encoder(request: web.Request, target: Target, clock: Clock) -> Encode:
    """How this watcher's objects are written: as themselves, or each as a Table of one row."""
    table = form_wanted(request.headers.get("Accept", "")) is Form.TABLE
    include = request.query.get("includeObject", "Metadata")

    def encode(event: str, obj: Obj, revision: int) -> bytes:
        tree: dict[str, Any] = tree_of(obj, target, revision)
        if table:
            metadata = {"resourceVersion": str(revision)}
            now = clock.now()
            tree = table_of(target.kind, [tree], now=now, include=include, metadata=metadata)
        return to_json({"type": event, "object": tree}) + b"\n"

    return encode


def _bookmark(target: Target, revision: int, annotations: dict[str, str] | None = None) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    tree = {"kind": target.kind.kind, "apiVersion": target.api_version, "metadata": metadata}
    return to_json({"type": "BOOKMARK", "object": tree}) + b"\n"
