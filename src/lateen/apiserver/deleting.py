"""Answer delete and deletecollection.

In: a target and DeleteOptions.    Out: a Status, or the object while it is ending.
Before: apiserver/deps.py (Deletion)        After: apiserver/app.py

Source: Kubernetes API concepts, "Resource deletion"; meta/v1 DeleteOptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from msgspec import Struct

from lateen.api.objects import Obj
from lateen.apiserver.deps import Deletion, Objects
from lateen.apiserver.faults import ApiFault, conflict, not_found, success
from lateen.apiserver.guarding import user_of
from lateen.apiserver.judging import policed
from lateen.apiserver.reading import chosen, found, list_tree
from lateen.apiserver.saving import dry_run
from lateen.apiserver.serializing import json_response, tree_of
from lateen.apiserver.targets import Target
from lateen.apiserver.webhooks import POD_STREAMS, mutated, validated
from lateen.apiserver.writes import Write
from lateen.apiserver.writing import body_of
from lateen.base.errors import NotFound

PROPAGATIONS = ("Background", "Foreground", "Orphan")
_CASCADES = ("Foreground", "Orphan")  # those that look at what is owned
_FOREGROUND = "foregroundDeletion"  # the finalizer under which an owner waits for what it owns


class DeleteOptions(Struct, frozen=True, kw_only=True):
    """`grace` in seconds, None for the object's own; `uid` and `revision` are preconditions."""

    grace: int | None
    propagation: str
    dry: bool
    uid: str
    revision: str


async def answer_delete(
    request: web.Request, target: Target, store: Objects, delete: Deletion
) -> web.Response:
    """Delete one object: itself while it is ending, a Status once it is gone."""
    options = await _options(request)
    current = found(store, target)
    check_preconditions(options, target, current)
    warnings = await _judged(request, target, current, options, store)
    if options.dry:
        return json_response(tree_of(current, target), warnings=warnings)
    left = delete_by(target, current, options, store, delete)
    if left is not None:
        return json_response(tree_of(left, target), warnings=warnings)
    done = success(target.kind, target.name, current.meta.uid)
    return json_response(done, warnings=warnings)


async def answer_delete_collection(
    request: web.Request, target: Target, store: Objects, delete: Deletion
) -> web.Response:
    """Delete all that the query selects; answers with the list of it."""
    options = await _options(request)
    doomed = chosen(request.query, target, store)
    items = [tree_of(obj, target) for obj in doomed]
    for obj in doomed:
        await _judged(request, target, obj, options, store)
        if not options.dry and store.get(obj.key) is not None:
            delete_by(target, obj, options, store, delete)
    return json_response(list_tree(target, items, {"resourceVersion": str(store.revision)}))


async def _judged(
    request: web.Request, target: Target, obj: Obj, options: DeleteOptions, store: Objects
) -> tuple[str, ...]:
    """What policies and webhooks warn of; raises ApiFault if one refuses."""
    write = Write(
        operation="DELETE",
        user=user_of(request),
        target=target,
        name=obj.key.name,
        raw=None,
        old=obj,
        dry=options.dry,
        open_stream=request.app[POD_STREAMS],
    )
    _, said = await mutated(store, write)
    return (*said, *policed(store, write), *await validated(store, write))


async def _options(request: web.Request) -> DeleteOptions:
    body = await body_of(request) if request.can_read_body else {}
    return options_of(body, request.query)


def options_of(body: Any, query: Mapping[str, str]) -> DeleteOptions:
    """DeleteOptions of a body, or else of the query; raises ApiFault 400."""
    given = body if isinstance(body, Mapping) else {}
    propagation = given.get("propagationPolicy") or query.get("propagationPolicy")
    propagation = propagation or ("Orphan" if given.get("orphanDependents") else "Background")
    if propagation not in PROPAGATIONS:
        raise ApiFault(400, f"propagationPolicy is one of {', '.join(PROPAGATIONS)}")
    asked_dry = given.get("dryRun") or []
    if asked_dry not in ([], ["All"]):
        raise ApiFault(400, "dryRun: Unsupported value: supported values: All")
    preconditions = given.get("preconditions") or {}
    if not isinstance(preconditions, Mapping):
        raise ApiFault(400, "preconditions is not an object")
    return DeleteOptions(
        grace=_grace(given.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))),
        propagation=propagation,
        dry=dry_run(query) or bool(asked_dry),
        uid=str(preconditions.get("uid") or ""),
        revision=str(preconditions.get("resourceVersion") or ""),
    )


def _grace(given: Any) -> int | None:
    grace = given
    if isinstance(grace, str) and grace.isdecimal() and len(grace) < 10:
        grace = int(grace)
    if grace is not None and (type(grace) is not int or not 0 <= grace < 2**31):
        raise ApiFault(400, "gracePeriodSeconds is a whole number of seconds, 0 or more")
    return grace


def check_preconditions(options: DeleteOptions, target: Target, current: Obj) -> None:
    """Raises ApiFault 409 if the object is not the one meant."""
    for name, wanted, have in (
        ("UID", options.uid, current.meta.uid),
        ("ResourceVersion", options.revision, str(current.revision)),
    ):
        if wanted and wanted != have:
            raise conflict(
                target.kind,
                current.key.name,
                f"Precondition failed: {name} in precondition: {wanted}, {name} in object meta: "
                f"{have}",
            )


def delete_by(
    target: Target, obj: Obj, options: DeleteOptions, store: Objects, delete: Deletion
) -> Obj | None:
    """Delete it as the options say; the object while it is ending, None once it is gone."""
    owned = (
        [o for o in store.list() if _is_owned(o, obj)] if options.propagation in _CASCADES else []
    )
    if options.propagation == "Orphan":
        _orphan(store, owned, obj)
    elif owned and _FOREGROUND not in obj.meta.finalizers:
        finalizers = [*obj.meta.finalizers, _FOREGROUND]
        store.put(
            dict(obj.raw) | {"metadata": dict(obj.raw["metadata"]) | {"finalizers": finalizers}}
        )
    try:
        return delete(obj.key, grace=options.grace, propagation=options.propagation)
    except NotFound:
        raise not_found(target.kind, obj.key.name) from None


def _is_owned(obj: Obj, owner: Obj) -> bool:
    return any(ref.uid == owner.meta.uid for ref in obj.meta.owner_references)


def _orphan(store: Objects, owned: Sequence[Obj], owner: Obj) -> None:
    """What the object owns loses its reference to it, and so outlives it."""
    with store.transaction():
        for obj in owned:
            metadata = dict(obj.raw["metadata"])
            left = [r for r in metadata["ownerReferences"] if r.get("uid") != owner.meta.uid]
            store.put(dict(obj.raw) | {"metadata": metadata | {"ownerReferences": left}})
