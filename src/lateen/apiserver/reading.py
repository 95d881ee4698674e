"""Answer get and list.

In: a target and a query.    Out: an object, a list, a Table, or metadata alone.
Before: apiserver/selectors.py, apiserver/listing.py, apiserver/tables.py        After: apiserver/app.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import msgspec
from aiohttp import web

from lateen.api.objects import Obj
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import expired, not_found
from lateen.apiserver.listing import (
    INCONSISTENT,
    ListOptions,
    Place,
    Snapshots,
    list_options,
    piece_of,
    too_new,
    too_old_to_continue,
    whole_number,
)
from lateen.apiserver.negotiating import Form, form_wanted
from lateen.apiserver.selectors import Selection, parse_selection
from lateen.apiserver.serializing import json_response, metadata_of, tree_of, wire_of
from lateen.apiserver.tables import table_of
from lateen.apiserver.targets import Target
from lateen.base.clock import Clock


def answer_get(request: web.Request, target: Target, store: Objects, clock: Clock) -> web.Response:
    """One object; 404 if it is not there."""
    asked = whole_number(request.query, "resourceVersion")
    if asked is not None and asked > store.revision:
        raise too_new(asked, store.revision)
    obj = found(store, target)
    match form_wanted(request.headers.get("Accept", "")):
        case Form.OBJECT:
            return json_response(wire_of(obj, target))
        case Form.METADATA:
            return json_response(metadata_of(tree_of(obj, target)))
        case Form.TABLE:
            metadata = {"resourceVersion": str(obj.revision)}
            rows = [tree_of(obj, target)]
            return json_response(_table(request, target, rows, clock, metadata))
        case other:
            assert_never(other)


def answer_list(
    request: web.Request, target: Target, store: Objects, clock: Clock, snapshots: Snapshots
) -> web.Response:
    """A collection, whole or in pieces of `limit`, the next one named by `continue`."""
    options = list_options(request.query, watching=False)
    form = form_wanted(request.headers.get("Accept", ""))
    everything, revision = _snapshot(options, target, store, snapshots)
    selection = selection_of(request.query, target)
    selected = everything if selection.everything else _selected(everything, selection)
    piece = piece_of(selected, revision, options)
    metadata = dict(piece.metadata)
    if not selection.everything:
        metadata.pop("remainingItemCount", None)  # as Kubernetes, which does not count these
    if "continue" in metadata:
        snapshots.keep(revision, _place(target), everything)
    match form:
        case Form.TABLE:
            rows = [tree_of(obj, target) for obj in piece.objects]
            return json_response(_table(request, target, rows, clock, metadata))
        case Form.METADATA:
            partial = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            items = [metadata_of(tree_of(obj, target)) for obj in piece.objects]
            return json_response(partial | {"metadata": metadata, "items": items})
        case Form.OBJECT:
            whole = [wire_of(obj, target) for obj in piece.objects]
            return json_response(list_tree(target, whole, metadata))
        case other:
            assert_never(other)


def list_tree(
    target: Target,
    items: Sequence[Mapping[str, Any]] | Sequence[msgspec.Raw],
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """`PodList` and so on, of trees or of their bytes."""
    return {
        "kind": f"{target.kind.kind}List",
        "apiVersion": target.api_version,
        "metadata": metadata,
        "items": items,
    }


def found(store: Objects, target: Target) -> Obj:
    """The object the target names; raises ApiFault 404."""
    obj = store.get(target.key)
    if obj is None:
        raise not_found(target.kind, target.name)
    return obj


def chosen(query: Mapping[str, str], target: Target, store: Objects) -> tuple[Obj, ...]:
    """The objects of a collection that the query's selectors select, sorted by key."""
    return _selected(everything_of(target, store), selection_of(query, target))


def everything_of(target: Target, store: Objects) -> tuple[Obj, ...]:
    """All objects of the collection, sorted by key."""
    return store.list(
        group=target.kind.stored_in, kind=target.kind.kind, namespace=target.namespace or None
    )


def selection_of(query: Mapping[str, str], target: Target) -> Selection:
    """The query's selectors; a watch or list of one name selects that."""
    fields = query.get("fieldSelector", "")
    if target.name:
        fields = ",".join(filter(None, (fields, f"metadata.name={target.name}")))
    return parse_selection(target.kind, query.get("labelSelector", ""), fields)


def _selected(objects: tuple[Obj, ...], selection: Selection) -> tuple[Obj, ...]:
    return tuple(obj for obj in objects if selection.matches(obj))


def _place(target: Target) -> Place:
    return (target.kind.stored_in, target.kind.kind, target.namespace)


def _snapshot(
    options: ListOptions, target: Target, store: Objects, snapshots: Snapshots
) -> tuple[tuple[Obj, ...], int]:
    """The collection at the revision asked for, and that revision; raises ApiFault 410 or 504."""
    newest, token = store.revision, options.after
    asked = token.rv if token else options.revision
    if asked is not None and asked > newest:
        raise too_new(asked, newest)
    exact = options.exact or (token is not None and token.rv != INCONSISTENT)
    if not exact or asked in (newest, None):
        return everything_of(target, store), newest
    assert asked is not None  # noqa: S101 - an exact one is named
    kept = snapshots.find(asked, _place(target))
    if kept is not None:
        return kept, asked
    if token:
        raise too_old_to_continue(token)
    raise expired("The resourceVersion for the provided list is too old.")


def _table(
    request: web.Request,
    target: Target,
    trees: Sequence[Mapping[str, Any]],
    clock: Clock,
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    include = request.query.get("includeObject", "Metadata")
    return table_of(target.kind, trees, now=clock.now(), include=include, metadata=metadata)
