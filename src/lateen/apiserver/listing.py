"""What a list or watch asks of revisions, and the pieces a long list is read in.

In: the query of a list.    Out: ListOptions; a Piece of a snapshot and where the next one begins.
Before: apiserver/faults.py        After: apiserver/reading.py, apiserver/watching.py

Source: Kubernetes API concepts, "Retrieving large results sets in chunks", "Resource versions";
apimachinery meta/internalversion/validation ValidateListOptions.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lateen.api.objects import Obj
from lateen.apiserver.faults import ApiFault, expired, invalid_option

MOST_SNAPSHOTS = 64
INCONSISTENT = -1  # the revision of a continue token that takes objects as they are by then
TRUE = ("true", "1")
_EXACT, _NOT_OLDER = "Exact", "NotOlderThan"

Place = tuple[str, str, str]  # group, kind, namespace ("" for all)


class ListOptions(Struct, frozen=True, kw_only=True):
    """`revision` 0 means any, None the newest; `exact` wants that one and no newer one."""

    revision: int | None
    exact: bool
    limit: int
    after: Token | None
    initial_events: bool
    bookmarks: bool
    timeout: int


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A continue token: the snapshot's revision, and the last object that was sent."""

    rv: int
    namespace: str
    name: str

    def text(self) -> str:
        """As it travels."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


class Piece(Struct, frozen=True, kw_only=True):
    """Some objects of a list, and the list's metadata."""

    objects: tuple[Obj, ...]
    metadata: Mapping[str, Any]


class Snapshots:
    """The lists that somebody is reading in pieces, as they were; the oldest go first."""

    def __init__(self, most: int = MOST_SNAPSHOTS) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, Place], tuple[Obj, ...]] = OrderedDict()

    def keep(self, revision: int, place: Place, objects: tuple[Obj, ...]) -> None:
        """Remember a list for its next piece."""
        self._kept[revision, place] = objects
        self._kept.move_to_end((revision, place))
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def find(self, revision: int, place: Place) -> tuple[Obj, ...] | None:
        """The list at that revision, None when it is forgotten."""
        return self._kept.get((revision, place))


def list_options(query: Mapping[str, str], *, watching: bool) -> ListOptions:
    """Read and check the query; raises ApiFault 400 or 422 as Kubernetes does."""
    version = query.get("resourceVersion", "")
    match = query.get("resourceVersionMatch", "")
    token = query.get("continue", "")
    initial = query.get("sendInitialEvents", "")
    if why := _mismatch(version, match, token, initial, watching=watching):
        raise invalid_option("ListOptions", why)
    if token and version not in ("", "0"):
        raise ApiFault(400, "specifying resource version is not allowed when using continue")
    limit = whole_number(query, "limit") or 0
    revision = whole_number(query, "resourceVersion")
    legacy = not match and bool(limit) and bool(revision)
    return ListOptions(
        revision=revision,
        exact=match == _EXACT or legacy,
        limit=limit,
        after=_read_token(token) if token else None,
        initial_events=initial in TRUE,
        bookmarks=query.get("allowWatchBookmarks") in TRUE,
        timeout=whole_number(query, "timeoutSeconds") or 0,
    )


def _mismatch(version: str, match: str, token: str, initial: str, *, watching: bool) -> str:
    """Why these options cannot stand together; "" if they can."""
    forbidden = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden"
    if watching:
        if initial and match != _NOT_OLDER:
            return (
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
                "resourceVersionMatch to NotOlderThan"
            )
        if match and not initial:
            return f"{forbidden} for watch unless sendInitialEvents is provided"
        return ""
    if initial:
        return "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
    if not match:
        return ""
    if match not in (_EXACT, _NOT_OLDER):
        shown = match[:40]
        return (
            f'resourceVersionMatch: Unsupported value: "{shown}": supported values: "{_EXACT}", '
            f'"{_NOT_OLDER}"'
        )
    if token:
        return f"{forbidden} when continue is provided"
    if not version:
        return f"{forbidden} unless resourceVersion is provided"
    if match == _EXACT and version == "0":
        return (
            'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for '
            'resourceVersion "0"'
        )
    return ""


def too_new(revision: int, newest: int) -> ApiFault:
    """504: the caller has seen a revision that is not reached yet."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiFault(
        504,
        f"Too large resource version: {revision}, current: {newest}",
        reason="Timeout",
        details={"causes": [cause], "retryAfterSeconds": 1},
    )


def too_old_to_continue(token: Token) -> ApiFault:
    """410, with a token that goes on with the objects as they are now."""
    going_on = Token(rv=INCONSISTENT, namespace=token.namespace, name=token.name).text()
    fault = expired(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list."
    )
    fault.metadata = {"continue": going_on}
    return fault


def piece_of(objects: tuple[Obj, ...], revision: int, options: ListOptions) -> Piece:
    """The next `limit` of the selected objects, which are sorted by namespace and name."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if options.after:
        last = (options.after.namespace, options.after.name)
        objects = objects[bisect_right(objects, last, key=_place_in_list) :]
    if not options.limit or len(objects) <= options.limit:
        return Piece(objects=objects, metadata=metadata)
    page = objects[: options.limit]
    token = Token(rv=revision, namespace=page[-1].key.namespace, name=page[-1].key.name)
    more = {"continue": token.text(), "remainingItemCount": len(objects) - options.limit}
    return Piece(objects=page, metadata=metadata | more)


def _place_in_list(obj: Obj) -> tuple[str, str]:
    return obj.key.namespace, obj.key.name


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A query parameter that counts something; raises ApiFault 400 if it is not a number."""
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise ApiFault(400, f"{name}: Invalid value: {text[:40]!r}: wanted a whole number")
    return int(text)


def _read_token(text: str) -> Token:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=Token)
    except (binascii.Error, ValueError):
        raise ApiFault(400, "continue key is not valid") from None
