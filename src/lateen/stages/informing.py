"""Know the objects of some kinds as they are now, from outside the control plane.

In: the API's Unix socket, collections.    Out: the objects by namespace and name, trimmed.
Before: apiserver/watching.py        After: stages/scraping.py, and whoever observes

Lists once, then watches; begins anew when the stream ends or its revision is too old. While the control plane
is away what was known stays.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from lateen.base.clock import Clock

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds before the next try
LARGEST_LINE = 8 * 1024 * 1024  # bytes of one event
Objects = Mapping[tuple[str, str], Mapping[str, Any]]


class _TooOld(Exception):
    """The watch cannot go on from where it was."""


class Informed:
    """The objects of one collection, such as `/api/v1/pods`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.known: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.complete = asyncio.Event()

    def take_list(self, listed: Mapping[str, Any]) -> str:
        """Replace everything; gives the revision to watch from."""
        items = listed.get("items") or ()
        self.known = {_key(item): _trimmed(item) for item in items}
        self.complete.set()
        return str(listed["metadata"]["resourceVersion"])

    def take_event(self, event: Mapping[str, Any]) -> str:
        """One line of the watch; gives the revision it is of."""
        item = event["object"]
        if event["type"] == "ERROR":
            raise _TooOld(str(item.get("message", "")))
        if event["type"] == "DELETED":
            self.known.pop(_key(item), None)
        elif event["type"] != "BOOKMARK":
            self.known[_key(item)] = _trimmed(item)
        return str(item["metadata"]["resourceVersion"])


async def informing(socket: Path, some: Sequence[Informed], clock: Clock) -> None:
    """Keep the collections up to date for ever."""
    async with aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(path=str(socket)),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        read_bufsize=LARGEST_LINE,
    ) as session:
        await asyncio.gather(*(_following(session, one, clock) for one in some))


async def _following(session: aiohttp.ClientSession, one: Informed, clock: Clock) -> None:
    revision = ""
    while True:
        try:
            if not revision:
                async with session.get(f"http://api{one.path}") as answer:
                    answer.raise_for_status()
                    revision = one.take_list(await answer.json())
            async for event in _events(session, one.path, revision):
                revision = one.take_event(event)
        except _TooOld:
            revision = ""
        except (aiohttp.ClientError, OSError, ValueError, KeyError) as fault:
            log.debug("%s: %s", one.path, fault)
            if isinstance(fault, aiohttp.ClientResponseError):
                revision = ""
        await clock.sleep(PAUSE)


async def _events(
    session: aiohttp.ClientSession, path: str, revision: str
) -> AsyncIterator[Mapping[str, Any]]:
    asked = {"watch": "true", "resourceVersion": revision, "allowWatchBookmarks": "true"}
    async with session.get(f"http://api{path}", params=asked) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.strip():
                yield json.loads(line)


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    meta = item["metadata"]
    return str(meta.get("namespace", "")), str(meta["name"])


def _trimmed(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without who set which field: nobody here asks, and it is half of the object."""
    meta = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": meta}
