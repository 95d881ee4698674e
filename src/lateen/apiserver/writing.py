"""Answer create, update and patch.

In: a target and a body.    Out: the object as stored, or why not.
Before: apiserver/admitting.py, patching.py, strategic.py, saving.py        After: apiserver/app.py

Only a webhook can come between reading an object and writing it, and then the write fails with 409.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from lateen.api.kinds import NETWORKING, SECURITY
from lateen.api.tree import read_documents
from lateen.apiserver import protobuf
from lateen.apiserver.admitting import admit
from lateen.apiserver.applying import applied_to
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault, invalid_option
from lateen.apiserver.patching import json_patch, merge_patch
from lateen.apiserver.saving import asked_of, changed, created, require_open_namespace
from lateen.apiserver.strategic import strategic_merge
from lateen.apiserver.targets import Target
from lateen.base.clock import Clock

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
DEEPEST = 100  # levels of a body, as sources/ allows
_CUSTOM_GROUPS = (NETWORKING, SECURITY)


async def answer_create(
    request: web.Request, target: Target, store: Objects, clock: Clock
) -> web.Response:
    """201 with the object; 409 AlreadyExists; 404 for a namespace that is not there."""
    asked = asked_of(request, clock)
    admitted = admit(target, await body_of(request), None, asked.validation)
    if admitted.expect:
        raise ApiFault(400, "resourceVersion should not be set on objects to be created")
    require_open_namespace(store, target, admitted.raw["metadata"]["name"])
    return await created(target, store, asked, admitted)


async def answer_update(
    request: web.Request, target: Target, store: Objects, clock: Clock
) -> web.Response:
    """Replace the object, or only its status; 409 if it was changed since the caller read it."""
    asked = asked_of(request, clock)
    body = await body_of(request)
    return await changed(target, store, asked, lambda current: body)


async def answer_patch(
    request: web.Request, target: Target, store: Objects, clock: Clock
) -> web.Response:
    """Change the object by a JSON, merge or (core kinds) strategic merge patch, or apply to it."""
    if request.content_type == APPLY_PATCH:
        body = read_yaml(await bytes_of(request))
        return await applied_to(request, target, store, body, clock)
    if "force" in request.query:
        raise invalid_option(
            "PatchOptions", "force: Forbidden: may not be specified for non-apply patch"
        )
    asked = asked_of(request, clock)
    change = _change(target, request.content_type)
    patch = decoded(await bytes_of(request))
    return await changed(target, store, asked, lambda current: change(current, patch))


async def bytes_of(request: web.Request) -> bytes:
    """The body; raises ApiFault 413 beyond the application's limit."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ApiFault(413, "the request is larger than the server takes") from None


async def body_of(request: web.Request) -> Any:
    """The body's tree, from JSON, YAML or protobuf; raises ApiFault 400 or 415."""
    content = await bytes_of(request)
    match request.content_type:
        case "application/json" | "application/octet-stream" | "":
            return decoded(content)
        case "application/yaml":
            return read_yaml(content)
        case protobuf.MEDIA_TYPE:
            return protobuf.tree_from(content)
        case other:
            raise ApiFault(
                415,
                f"the body of the request was in an unknown format ({other}) - accepted media "
                f"types include: application/json, application/yaml, {protobuf.MEDIA_TYPE}",
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


def read_yaml(content: bytes) -> Any:
    """YAML (or JSON) of one object to a tree; raises ApiFault 400."""
    documents, problems = read_documents(content.decode("utf-8", "replace"), "request")
    if problems or len(documents) != 1:
        why = problems[0].message if problems else f"{len(documents)} documents, wanted one"
        raise ApiFault(400, f"the body of the request is not YAML of one object: {why}")
    return documents[0].value


def _change(target: Target, content_type: str) -> Callable[[Mapping[str, Any], Any], Any]:
    custom = target.kind.custom is not None or target.kind.group in _CUSTOM_GROUPS
    match content_type:
        case "application/json-patch+json":
            return json_patch
        case "application/merge-patch+json":
            return merge_patch
        case "application/strategic-merge-patch+json" if not custom:
            return _strategic
        case _:
            accepted = [
                JSON_PATCH,
                MERGE_PATCH,
                *([] if custom else [STRATEGIC_PATCH]),
                APPLY_PATCH,
            ]
            raise ApiFault(
                415,
                f"a patch in the form {content_type} is not carried out - accepted media types "
                f"include: {', '.join(accepted)}",
            )


def _strategic(tree: Mapping[str, Any], patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        raise ApiFault(400, "a strategic merge patch is an object")
    return strategic_merge(tree, patch)
