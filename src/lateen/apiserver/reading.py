"""Answer get and list.

In: a target and a query.    Out: an object, a list or a Table.
Before: apiserver/selectors.py, apiserver/tables.py        After: apiserver/app.py
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from lateen.api.objects import Obj
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault, not_found
from lateen.apiserver.negotiating import Form, form_wanted
from lateen.apiserver.selectors import Selection, parse_selection
from lateen.apiserver.serializing import json_response, tree_of
from lateen.apiserver.tables import table_of
from lateen.apiserver.targets import Target
from lateen.base.clock import Clock


def answer_get(request: web.Request, target: Target, store: Objects, clock: Clock) -> web.Response:
    """One object; 404 if it is not there."""
    obj = found(store, target)
    tree = tree_of(obj, target)
    if form_wanted(request.headers.get("Accept", "")) is Form.OBJECT:
        return json_response(tree)
    metadata = {"resourceVersion": str(obj.revision)}
    return json_response(
        table_of(
            target.kind,
            [tree],
            now=clock.now(),
            include=request.query.get("includeObject", "Metadata"),
            metadata=metadata,
        )
    )


def answer_list(request: web.Request, target: Target, store: Objects, clock: Clock) -> web.Response:
    """A collection, whole or in pieces of `limit`, the next one named by `continue`."""
    page, metadata = _page(request.query, chosen(request.query, target, store), store)
    trees = [tree_of(obj, target) for obj in page]
    if form_wanted(request.headers.get("Accept", "")) is Form.TABLE:
        include = request.query.get("includeObject", "Metadata")
        return json_response(
            table_of(target.kind, trees, now=clock.now(), include=include, metadata=metadata)
        )
    return json_response(
        {
            "kind": f"{target.kind.kind}List",
            "apiVersion": target.api_version,
            "metadata": metadata,
            "items": trees,
        }
    )


def found(store: Objects, target: Target) -> Obj:
    """The object the target names; raises ApiFault 404."""
    obj = store.get(target.key)
    if obj is None:
        raise not_found(target.kind, target.name)
    return obj


def chosen(query: Mapping[str, str], target: Target, store: Objects) -> tuple[Obj, ...]:
    """The objects of a collection that the query's selectors select, sorted by key."""
    selection = selection_of(query, target)
    everything = store.list(
        group=target.kind.group, kind=target.kind.kind, namespace=target.namespace or None
    )
    return tuple(obj for obj in everything if selection.matches(obj))


def selection_of(query: Mapping[str, str], target: Target) -> Selection:
    """The query's selectors."""
    return parse_selection(
        target.kind, query.get("labelSelector", ""), query.get("fieldSelector", "")
    )


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A query parameter that counts something; raises ApiFault 400 if it is not a number."""
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise ApiFault(400, f"{name}: {text[:40]!r} is not a whole number")
    return int(text)


def _page(
    query: Mapping[str, str], objects: tuple[Obj, ...], store: Objects
) -> tuple[tuple[Obj, ...], dict[str, Any]]:
    """The piece asked for. A later piece shows objects as they are then, in the order of keys."""
    metadata: dict[str, Any] = {"resourceVersion": str(store.revision)}
    if token := query.get("continue", ""):
        after = _read_token(token)
        objects = tuple(o for o in objects if (o.key.namespace, o.key.name) > after)
    limit = whole_number(query, "limit")
    if not limit or len(objects) <= limit:
        return objects, metadata
    page = objects[:limit]
    last = page[-1].key
    token = base64.urlsafe_b64encode(msgspec.json.encode([last.namespace, last.name])).decode()
    return page, metadata | {"continue": token, "remainingItemCount": len(objects) - limit}


def _read_token(token: str) -> tuple[str, str]:
    try:
        namespace, name = msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[str, str])
    except (binascii.Error, ValueError):
        raise ApiFault(400, "continue key is not valid") from None
    return namespace, name
