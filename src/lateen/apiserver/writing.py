"""Answer create, update, patch and delete.

In: a target and a body.    Out: the object as stored, or why not.
Before: apiserver/admitting.py, patching.py, strategic.py        After: apiserver/app.py

The store's calls are synchronous, so nothing can come between reading an object and writing it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from lateen.api.kinds import NETWORKING, SECURITY
from lateen.api.objects import Obj
from lateen.api.tree import read_documents
from lateen.apiserver.admitting import Admitted, admit
from lateen.apiserver.deps import Deletion, Objects
from lateen.apiserver.discovery import has_status
from lateen.apiserver.faults import ApiFault, already_exists, conflict, not_found, success
from lateen.apiserver.patching import json_patch, merge_patch
from lateen.apiserver.reading import chosen, found
from lateen.apiserver.serializing import json_response, tree_of
from lateen.apiserver.strategic import strategic_merge
from lateen.apiserver.targets import Target
from lateen.base.errors import Conflict, NotFound
from lateen.base.origin import ObjectKey

SOURCE = "api"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
DEEPEST = 100  # levels of a body, as sources/ allows
PROPAGATIONS = ("Background", "Foreground", "Orphan")
_CUSTOM_GROUPS = (NETWORKING, SECURITY)


async def answer_create(request: web.Request, target: Target, store: Objects) -> web.Response:
    """201 with the object; 409 AlreadyExists; 404 for a namespace that is not there."""
    dry = dry_run(request.query)
    admitted = admit(target, await body_of(request), None)
    if target.kind.namespaced:
        _require_namespace(store, target.namespace)
    name = admitted.raw["metadata"]["name"]
    if admitted.expect:
        raise ApiFault(400, "resourceVersion should not be set on objects to be created")
    if dry:
        return json_response(_shown(admitted.raw, target), 201, admitted.warnings)
    try:
        obj = store.put(admitted.raw, expect=0, source=SOURCE)
    except Conflict:
        raise already_exists(target.kind, name) from None
    return json_response(tree_of(obj, target), 201, admitted.warnings)


async def answer_update(request: web.Request, target: Target, store: Objects) -> web.Response:
    """Replace the object, or only its status; 409 if it was changed since the caller read it."""
    dry = dry_run(request.query)
    body = await body_of(request)
    return _stored(target, store, dry, lambda current: body)


async def answer_patch(request: web.Request, target: Target, store: Objects) -> web.Response:
    """Change the object by a JSON patch, a merge patch or (core kinds) a strategic merge patch."""
    dry = dry_run(request.query)
    change = _change(target, request.content_type)
    patch = decoded(await bytes_of(request))
    return _stored(target, store, dry, lambda current: change(current, patch))


async def answer_delete(
    request: web.Request, target: Target, store: Objects, delete: Deletion
) -> web.Response:
    """Delete one object: itself while it is ending, a Status once it is gone."""
    options = await _options(request)
    current = found(store, target)
    _check_preconditions(options, target, current)
    if options["dry"]:
        return json_response(tree_of(current, target))
    left = _deleted(target, target.key, options, delete)
    if left is not None:
        return json_response(tree_of(left, target))
    return json_response(success(target.kind, target.name, current.meta.uid))


async def answer_delete_collection(
    request: web.Request, target: Target, store: Objects, delete: Deletion
) -> web.Response:
    """Delete all that the query selects; answers with the list of it."""
    options = await _options(request)
    doomed = chosen(request.query, target, store)
    items = [tree_of(obj, target) for obj in doomed]
    for obj in doomed:
        if not options["dry"] and store.get(obj.key) is not None:
            _deleted(target, obj.key, options, delete)
    return json_response(
        {
            "kind": f"{target.kind.kind}List",
            "apiVersion": target.api_version,
            "metadata": {"resourceVersion": str(store.revision)},
            "items": items,
        }
    )


async def bytes_of(request: web.Request) -> bytes:
    """The body; raises ApiFault 413 beyond the application's limit."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ApiFault(413, "the request is larger than the server takes") from None


async def body_of(request: web.Request) -> Any:
    """The body's tree, from JSON or YAML; raises ApiFault 400 or 415."""
    content = await bytes_of(request)
    match request.content_type:
        case "application/json" | "application/octet-stream" | "":
            return decoded(content)
        case "application/yaml":
            return _from_yaml(content)
        case other:
            raise ApiFault(
                415,
                f"the body of the request was in an unknown format ({other}) - accepted media "
                "types include: application/json, application/yaml",
            )


def decoded(content: bytes) -> Any:
    """JSON to a tree; raises ApiFault 400."""
    try:
        tree = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise ApiFault(400, f"the body of the request is not JSON: {fault}") from None
    except RecursionError:
        raise _too_deep() from None
    level = [tree] if isinstance(tree, dict | list) else []
    for _ in range(DEEPEST):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [x for values in inner for x in values if isinstance(x, dict | list)]
        if not level:
            return tree
    raise _too_deep()


def _too_deep() -> ApiFault:
    return ApiFault(400, f"the body of the request is nested deeper than {DEEPEST} levels")


def dry_run(query: Mapping[str, str]) -> bool:
    """Whether nothing is to be stored; raises ApiFault 400 for a value Kubernetes does not know."""
    asked = query.get("dryRun", "")
    if asked not in ("", "All"):
        raise ApiFault(400, f"dryRun: Unsupported value: {asked!r}: supported values: All")
    return asked == "All"


def _from_yaml(content: bytes) -> Any:
    documents, problems = read_documents(content.decode("utf-8", "replace"), "request")
    if problems or len(documents) != 1:
        why = problems[0].message if problems else f"{len(documents)} documents, wanted one"
        raise ApiFault(400, f"the body of the request is not YAML of one object: {why}")
    return documents[0].value


def _require_namespace(store: Objects, namespace: str) -> None:
    key = ObjectKey(group="", kind="Namespace", namespace="", name=namespace)
    if store.get(key) is None:
        details = {"name": namespace, "kind": "namespaces"}
        raise ApiFault(404, f'namespaces "{namespace}" not found', details=details)


def _change(target: Target, content_type: str) -> Callable[[Mapping[str, Any], Any], Any]:
    custom = target.kind.group in _CUSTOM_GROUPS
    match content_type:
        case "application/json-patch+json":
            return json_patch
        case "application/merge-patch+json":
            return merge_patch
        case "application/strategic-merge-patch+json" if not custom:
            return _strategic
        case _:
            accepted = [JSON_PATCH, MERGE_PATCH, *([] if custom else [STRATEGIC_PATCH])]
            raise ApiFault(
                415,
                f"a patch in the form {content_type} is not carried out - accepted media types "
                f"include: {', '.join(accepted)}",
            )


def _strategic(tree: Mapping[str, Any], patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        raise ApiFault(400, "a strategic merge patch is an object")
    return strategic_merge(tree, patch)


def _stored(
    target: Target,
    store: Objects,
    dry: bool,
    changed: Callable[[dict[str, Any]], Any],
) -> web.Response:
    current = found(store, target)
    before = tree_of(current, target)
    after = changed(before)
    if target.subresource == "status":
        return _stored_status(target, store, dry, current, after)
    admitted = admit(target, after, current)
    _check_revision(target, admitted, current)
    if dry:
        return json_response(_shown(admitted.raw, target), warnings=admitted.warnings)
    try:
        obj = store.put(admitted.raw, expect=current.revision)  # whose it is stays as it was
    except Conflict:
        raise conflict(target.kind, target.name) from None
    return json_response(tree_of(obj, target), warnings=admitted.warnings)


def _stored_status(
    target: Target, store: Objects, dry: bool, current: Obj, after: Any
) -> web.Response:
    if not has_status(target.kind):
        raise not_found(target.kind, target.name)
    admitted = admit(target, after, current)
    _check_revision(target, admitted, current)
    status = after.get("status") or {}
    if not isinstance(status, Mapping):
        raise ApiFault(400, "status is not an object")
    whole = dict(current.raw) | {"status": status}
    try:
        msgspec.convert(whole, target.kind.struct, strict=True)
    except msgspec.ValidationError as fault:
        raise ApiFault(422, f"{target.kind.kind} {target.name!r} is invalid: {fault}") from None
    if dry:
        return json_response(_shown(whole, target))
    return json_response(tree_of(store.put_status(target.key, status), target))


def _check_revision(target: Target, admitted: Admitted, current: Obj) -> None:
    if admitted.expect is not None and admitted.expect != current.revision:
        raise conflict(target.kind, target.name)


def _shown(raw: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """What a dry run answers."""
    return {**raw, "apiVersion": target.api_version}


async def _options(request: web.Request) -> dict[str, Any]:
    """DeleteOptions of the body, or else of the query."""
    body = decoded(await bytes_of(request)) if request.can_read_body else {}
    given = body if isinstance(body, Mapping) else {}
    grace = given.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
    if isinstance(grace, str) and grace.isdecimal() and len(grace) < 10:
        grace = int(grace)
    if grace is not None and (type(grace) is not int or grace < 0):
        raise ApiFault(400, "gracePeriodSeconds is a whole number of seconds, 0 or more")
    propagation = given.get("propagationPolicy") or request.query.get("propagationPolicy")
    propagation = propagation or ("Orphan" if given.get("orphanDependents") else "Background")
    if propagation not in PROPAGATIONS:
        raise ApiFault(400, f"propagationPolicy is one of {', '.join(PROPAGATIONS)}")
    dry = dry_run(request.query) or given.get("dryRun") == ["All"]
    preconditions = given.get("preconditions") or {}
    if not isinstance(preconditions, Mapping):
        raise ApiFault(400, "preconditions is not an object")
    return {"grace": grace, "propagation": propagation, "dry": dry, "if": preconditions}


def _check_preconditions(options: Mapping[str, Any], target: Target, current: Obj) -> None:
    wanted = options["if"]
    uid, version = wanted.get("uid"), wanted.get("resourceVersion")
    if (uid and uid != current.meta.uid) or (version and version != str(current.revision)):
        raise conflict(target.kind, target.name)


def _deleted(
    target: Target, key: ObjectKey, options: Mapping[str, Any], delete: Deletion
) -> Obj | None:
    try:
        return delete(key, grace=options["grace"], propagation=options["propagation"])
    except NotFound:
        raise not_found(target.kind, key.name) from None
